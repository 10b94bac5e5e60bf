/* Carrying out a plan for one site, and taking everything back when anything of it fails. */
#include "native/apply.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "native/file.h"
#include "native/listener.h"
#include "native/manager.h"
#include "native/openssh.h"
#include "native/program.h"
#include "observe/process.h"
#include "server/server.h"

/* A server that reads its files again is back within milliseconds; an init script may take seconds. */
enum { LOOK_EVERY_MS = 50, WAIT_MS = 15000, START_MS = 10000 };

#define AUXV_BYTES 1024

/* What a listener looked like before it was told anything. */
struct before {
	const struct settings_host *host; /* all that listened then */
	const struct before *all;	  /* those of its site, this one too */
	size_t n_all;
	struct settings_server server;
	struct settings_server
		last; /* what it was when the file was changed, or has become by now */
	struct listener_sockets sockets;
	struct server_arguments arguments;
	char auxv[AUXV_BYTES]; /* where the kernel put the program: another place after each exec */
	size_t auxv_size;
};

static int read_auxv(int32_t pid, char *ret_auxv, size_t *ret_size)
{
	auto_free char *text = NULL;
	char path[48];
	size_t size;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	r = file_read(path, &text, &size);
	if (r < 0)
		return r;
	*ret_size = size < AUXV_BYTES ? size : AUXV_BYTES;
	memcpy(ret_auxv, text, *ret_size);
	return 0;
}

/* The rest stays. */
static void remember(const struct settings_server *server, struct before *ret_before)
{
	ret_before->server = ret_before->last = *server;
	memset(&ret_before->sockets, 0, sizeof(ret_before->sockets));
	memset(&ret_before->arguments, 0, sizeof(ret_before->arguments));
	ret_before->auxv_size = 0;
	if (server->pid == 0)
		return;
	(void)listener_sockets(server->pid, &ret_before->sockets);
	(void)listener_arguments(server->pid, &ret_before->arguments);
	(void)read_auxv(server->pid, ret_before->auxv, &ret_before->auxv_size);
}

static bool has_inode(const struct listener_sockets *sockets, uint64_t inode)
{
	for (size_t i = 0; i < sockets->n; i++)
		if (sockets->inodes[i] == inode)
			return true;
	return false;
}

/* Whether the process has ended, has executed itself anew, or at least closed the sockets that it had: sshd
 * does both on SIGHUP, but sockets that it was given stay, and the places are the same where the kernel
 * does not shuffle them. */
static bool has_left_off(const struct before *before)
{
	const int32_t pid = before->server.pid;
	struct listener_sockets sockets;
	char auxv[AUXV_BYTES];
	uint64_t ticks;
	size_t size;
	int r = process_start_ticks(pid, &ticks);

	if (r < 0)
		return r == -ESRCH;
	if (ticks != before->server.start_ticks)
		return true;
	if (before->auxv_size > 0 && read_auxv(pid, auxv, &size) == 0 &&
	    (size != before->auxv_size || memcmp(auxv, before->auxv, size) != 0))
		return true;
	if (before->sockets.n == 0 || listener_sockets(pid, &sockets) < 0)
		return false;
	for (size_t i = 0; i < before->sockets.n; i++)
		if (has_inode(&sockets, before->sockets.inodes[i]))
			return false;
	return true;
}

static bool is_same(const struct settings_server *a, const struct settings_server *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

/* Another listener that was there before, or has become another process by now, perhaps on the same port of
 * another address. */
static bool is_other(const struct before *before, const struct settings_server *now)
{
	if (is_same(&before->server, now) || is_same(&before->last, now))
		return false;
	for (size_t i = 0; i < before->host->n_servers; i++)
		if (is_same(&before->host->servers[i], now))
			return true;
	for (size_t i = 0; i < before->n_all; i++)
		if (is_same(&before->all[i].last, now))
			return true;
	return false;
}

static bool has_ports(const struct settings_server *server, const struct settings_server *wanted)
{
	for (size_t i = 0; i < wanted->n_ports; i++) {
		bool found = false;

		for (size_t n = 0; n < server->n_ports; n++)
			found = found || server->ports[n] == wanted->ports[i];
		if (!found)
			return false;
	}
	return true;
}

/* The listener of the same kind on the same ports. */
static bool find_now(const struct before *before, int (*look)(struct settings_host *host),
		     struct settings_server *ret_now)
{
	static struct settings_host host;

	if (look(&host) < 0)
		return false;
	for (size_t i = 0; i < host.n_servers; i++) {
		struct settings_server *now = &host.servers[i];

		if (now->server != before->server.server || now->is_foreign ||
		    is_other(before, now) || !has_ports(now, &before->server))
			continue;
		*ret_now = *now;
		ret_now->manager = before->server.manager;
		(void)text_copy(before->server.unit, ret_now->unit, sizeof(ret_now->unit));
		return true;
	}
	return false;
}

/* Waits until it listens on all of its ports and can be told something, anew if that is asked: then first of
 * all it must have left off, or what listens may be what it was. */
static bool wait_for(const struct before *before, bool anew, struct settings_server *ret_now)
{
	const int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + WAIT_MS * NS_PER_MS;

	*ret_now = before->server;
	if (before->server.pid == 0)
		return true;
	do {
		if ((!anew || has_left_off(before)) && find_now(before, listener_look, ret_now) &&
		    (ret_now->server != SERVER_OPENSSH || listener_takes_hangup(ret_now->pid)))
			return true;
		(void)poll(NULL, 0, LOOK_EVERY_MS);
	} while (clock_ns(CLOCK_MONOTONIC) < until_ns);
	return false;
}

/* Takes the flag out that would keep it in the foreground: "-D", "-De". */
static void without_foreground(char *word)
{
	char *flag = word[0] == '-' ? strchr(word, 'D') : NULL;

	if (flag && strspn(word + 1, "46DdeGiqrtT") >= (size_t)(flag - word))
		memmove(flag, flag + 1, strlen(flag));
}

/* Starts a listener that nothing manages with the arguments that it had. */
static int start_by_hand(const struct before *before)
{
	char words[SERVER_ARGUMENTS_MAX][SETTINGS_PATH_BYTES];
	const char *argv[SERVER_ARGUMENTS_MAX + 1] = { before->server.executable };
	struct program_output output;
	size_t n = 1;
	int r;

	for (size_t i = 1; i < before->arguments.n && i < SERVER_ARGUMENTS_MAX; i++) {
		if (!text_copy(before->arguments.words[i], words[i], sizeof(words[i])))
			return -ENAMETOOLONG;
		if (before->server.server == SERVER_OPENSSH)
			without_foreground(words[i]);
		if (!text_equal(words[i], "-"))
			argv[n++] = words[i];
	}
	argv[n] = NULL;
	r = program_run(argv, START_MS, &output);
	if (r == 0 && output.status != 0)
		r = -EIO;
	if (r == 0 || r == -EIO)
		program_output_deinit(&output);
	return r;
}

/* Has one listener read its file. */
static int tell(const struct settings_server *server, char *ret_complaint, size_t size)
{
	const enum manager_act act =
		server->server == SERVER_DROPBEAR ? MANAGER_RESTART : MANAGER_RELOAD;

	/* procd compares arguments and starts anew what has others. */
	if (server->manager == MANAGER_PROCD)
		return manager_do(server, MANAGER_RELOAD, ret_complaint, size);
	return manager_do(server, act, ret_complaint, size);
}

/* Whether the server says the values that were written. */
static int verify_openssh(const struct apply_site *site, struct settings_server *now,
			  char *ret_complaint, size_t size)
{
	/* A port that no Match asks for. */
	const struct native_query query = { .local_port = UINT16_MAX };

	now->trouble[0] = '\0';
	openssh_read(now, &query);
	if (now->trouble[0]) {
		(void)snprintf(ret_complaint, size, "%s", now->trouble);
		return -EIO;
	}
	if (!site->has_alive || (now->openssh.client_alive_interval_ns == site->interval_ns &&
				 (site->interval_ns == SETTING_OFF ||
				  now->openssh.client_alive_count_max == site->count)))
		return 0;
	(void)snprintf(
		ret_complaint, size,
		"sshd -T shows ClientAliveInterval %lld, ClientAliveCountMax %d: another file "
		"has them first",
		now->openssh.client_alive_interval_ns == SETTING_OFF
			? 0
			: (long long)(now->openssh.client_alive_interval_ns / NS_PER_S),
		now->openssh.client_alive_count_max);
	return -EIO;
}

static int verify_dropbear(const struct apply_site *site, const struct settings_server *now,
			   char *ret_complaint, size_t size)
{
	struct settings_dropbear settings;
	struct server_arguments arguments;

	if (listener_server_arguments(now, &arguments) < 0)
		return -EIO;
	server_arguments_dropbear(&arguments, &settings);
	if (!site->has_alive || settings.keepalive_ns == site->interval_ns)
		return 0;
	(void)snprintf(ret_complaint, size, "it runs without the new arguments");
	return -EIO;
}

static int verify(const struct apply_site *site, struct settings_server *now, char *ret_complaint,
		  size_t size)
{
	switch (now->server) {
	case SERVER_OPENSSH:
		return verify_openssh(site, now, ret_complaint, size);
	case SERVER_DROPBEAR:
		return verify_dropbear(site, now, ret_complaint, size);
	case SERVER_TINYSSH:
	case SERVER_N:
		break;
	}
	return 0;
}

/* Has one listener read its file, and waits until it has. Another reload may be under way that began before the
 * file was written, so it counts from here. */
static int reload(const struct before *before, struct settings_server *ret_now, char *ret_complaint,
		  size_t size)
{
	struct before here = *before;
	bool anew;
	int r;

	if (!wait_for(before, false, ret_now)) {
		(void)snprintf(ret_complaint, size, "it does not listen any more");
		return -EIO;
	}
	/* procd has started it anew with another one of its service, and does so once. */
	anew = ret_now->manager != MANAGER_PROCD || is_same(&before->last, ret_now);
	remember(ret_now, &here);
	r = tell(ret_now, ret_complaint, size);
	if (r == -EOPNOTSUPP)
		(void)snprintf(ret_complaint, size, "nothing is known that could tell it");
	if (r < 0)
		return r;
	anew = anew && !manager_has_left(&here.server, &here.arguments);
	if (wait_for(&here, anew, ret_now))
		return 0;
	(void)snprintf(ret_complaint, size, "it did not come back on its port");
	return -EIO;
}

/* One listener: told, listens again, says the new values. */
static int renew(const struct apply_site *site, struct before *before, char *ret_complaint,
		 size_t size)
{
	struct settings_server now;
	int r = reload(before, &now, ret_complaint, size);

	if (r < 0)
		return r;
	before->last = now;
	return verify(site, &now, ret_complaint, size);
}

/* After the old file is back: what still listens reads it, what does not is started. */
static int restore(const struct before *before, char *ret_complaint, size_t size)
{
	struct settings_server now;
	int r;

	if (before->server.pid == 0)
		return 0;
	if (find_now(before, listener_look_settled, &now) &&
	    reload(before, &now, ret_complaint, size) == 0)
		return 0;
	if (before->server.manager == MANAGER_NONE)
		r = start_by_hand(before);
	else
		r = manager_do(&before->server, MANAGER_START, ret_complaint, size);
	if (r < 0)
		return r;
	return wait_for(before, false, &now) ? 0 : -EIO;
}

static void say(struct apply_site *site, enum apply_state state, const char *what)
{
	site->state = state;
	(void)text_copy(what, site->told, sizeof(site->told));
}

static void put_back(struct apply_site *site, struct before *befores, size_t told, const char *why)
{
	char complaint[APPLY_TEXT_BYTES] = "", text[2 * APPLY_TEXT_BYTES];
	struct settings_server now;
	int r, restored;

	for (size_t i = 0; i < told; i++)
		if (befores[i].server.pid != 0 &&
		    find_now(&befores[i], listener_look_settled, &now))
			befores[i].last = now;
	r = change_put_back(&site->change);
	/* Each of them, whatever became of the others: any file that is there now lets it start. */
	for (size_t i = 0; i < told; i++) {
		restored = restore(&befores[i], complaint, sizeof(complaint));
		r = r < 0 ? r : restored;
	}
	(void)snprintf(text, sizeof(text), "%s; %s%s%s", why,
		       r == 0 ? "everything was put back" : "IT COULD NOT BE PUT BACK",
		       r == 0 ? "" : ": ",
		       r == 0	    ? ""
		       : *complaint ? complaint
				    : strerror(-r));
	say(site, r == 0 ? APPLY_PUT_BACK : APPLY_BROKEN, text);
}

/* All that can be known beforehand. Returns false when nothing may be done. */
static bool is_ready(const struct apply_plan *plan, struct apply_site *site)
{
	char complaint[APPLY_TEXT_BYTES], text[APPLY_TEXT_BYTES + 64];

	if (geteuid() != 0) {
		say(site, APPLY_CANNOT, "only root may write it");
		return false;
	}
	for (size_t i = 0; i < site->n_servers; i++) {
		const struct settings_server *server = &plan->host->servers[site->servers[i]];
		const char *harm = NULL;

		if (server->server == SERVER_DROPBEAR)
			harm = manager_restart_harm(server);
		if (server->server == SERVER_OPENSSH &&
		    openssh_check(server, NULL, complaint, sizeof(complaint)) < 0) {
			(void)snprintf(text, sizeof(text),
				       "its files are wrong already, nothing was changed: %s",
				       complaint);
			harm = text;
		}
		if (harm) {
			say(site, APPLY_CANNOT, harm);
			return false;
		}
	}
	return true;
}

/* A drop-in is looked at together with the main file that includes it: what that opens as a Match ends with it. */
static char *text_to_try(const struct settings_server *server, const struct change *change)
{
	char *text;

	if (!server->openssh.reads_drop_ins)
		return strdup(change->new_text);
	if (asprintf(&text, "Include \"%s\"\n%s", server->openssh.source, change->new_text) < 0)
		return NULL;
	return text;
}

/* Before anything is changed: whatever ends this after the new file is there, sshd can be started with it. */
static int try_one(const struct settings_server *server, const struct change *change,
		   char *ret_complaint, size_t size)
{
	auto_free char *text = text_to_try(server, change);
	char path[SETTINGS_PATH_BYTES];
	int r = text ? change_try(change, text, path, sizeof(path)) : -ENOMEM;

	if (r == 0)
		return openssh_check(server, path, ret_complaint, size);
	(void)snprintf(ret_complaint, size, "cannot write beside %s: %s", change->path,
		       strerror(-r));
	return r;
}

static int try_all(const struct apply_plan *plan, const struct apply_site *site,
		   char *ret_complaint, size_t size)
{
	int r = 0;

	for (size_t i = 0; i < site->n_servers && r == 0 && site->change.new_text; i++) {
		const struct settings_server *server = &plan->host->servers[site->servers[i]];

		if (server->server == SERVER_OPENSSH)
			r = try_one(server, &site->change, ret_complaint, size);
	}
	return r;
}

/* The new file is there; the servers are asked whether it is right before any is told. */
static int check(const struct apply_plan *plan, const struct apply_site *site, char *ret_complaint,
		 size_t size)
{
	for (size_t i = 0; i < site->n_servers; i++) {
		const struct settings_server *server = &plan->host->servers[site->servers[i]];
		const int r = server->server == SERVER_OPENSSH
				      ? openssh_check(server, NULL, ret_complaint, size)
				      : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Writes the new file. */
static bool make(const struct apply_plan *plan, struct apply_site *site)
{
	char complaint[APPLY_TEXT_BYTES] = "";
	int r = try_all(plan, site, complaint, sizeof(complaint)), kept;

	change_untry(&site->change);
	if (r < 0) {
		say(site, APPLY_CANNOT, complaint);
		return false;
	}
	kept = site->keep && !site->undo ? change_keep(&site->change) : 1;
	r = kept < 0 ? kept : change_make(&site->change);
	if (r == 0)
		return true;
	if (kept == 0)
		change_forget(&site->change);
	(void)snprintf(complaint, sizeof(complaint), "cannot write %s: %s", site->change.path,
		       r == -ESTALE ? "somebody else has just changed it" : strerror(-r));
	say(site, APPLY_CANNOT, complaint);
	return false;
}

static void carry_out(const struct apply_plan *plan, struct apply_site *site,
		      struct before *befores)
{
	char complaint[APPLY_TEXT_BYTES] = "";

	for (size_t i = 0; i < site->n_servers; i++) {
		befores[i].host = plan->host;
		befores[i].all = befores;
		befores[i].n_all = site->n_servers;
		remember(&plan->host->servers[site->servers[i]], &befores[i]);
	}
	if (!make(plan, site))
		return;
	if (check(plan, site, complaint, sizeof(complaint)) < 0) {
		put_back(site, befores, 0, complaint);
		return;
	}
	for (size_t i = 0; i < site->n_servers; i++) {
		if (renew(site, &befores[i], complaint, sizeof(complaint)) < 0) {
			put_back(site, befores, i + 1, complaint);
			return;
		}
	}
	if (site->undo)
		change_forget(&site->change);
	change_done(&site->change);
	say(site, APPLY_WRITTEN,
	    site->undo ? "taken away, new connections have what was before"
		       : "written, and in force for new connections");
}

void apply_write(const struct apply_plan *plan, struct apply_site *site)
{
	/* All that a terminal, a manager or a limit on files may send. */
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP, SIGXFSZ
	};
	enum { IGNORED_N = sizeof(ignored) / sizeof(*ignored) };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, saved[IGNORED_N];
	struct before *befores;

	if (!is_ready(plan, site))
		return;
	befores = calloc(site->n_servers, sizeof(*befores));
	if (!befores) {
		say(site, APPLY_CANNOT, strerror(ENOMEM));
		return;
	}
	/* Half of it is the one thing that must not happen, also when the terminal goes away. */
	for (size_t i = 0; i < IGNORED_N; i++)
		(void)sigaction(ignored[i], &ignore, &saved[i]);
	carry_out(plan, site, befores);
	for (size_t i = 0; i < IGNORED_N; i++)
		(void)sigaction(ignored[i], &saved[i], NULL);
	free(befores);
}
