#include "native/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/pids.h"
#include "base/text.h"
#include "native/file.h"
#include "native/listener.h"
#include "native/program.h"
#include "observe/process.h"
#include "server/server.h"

enum { ASK_MS = 10000 };

const char *manager_name(enum settings_manager manager)
{
	switch (manager) {
	case MANAGER_NONE:
		break;
	case MANAGER_SYSTEMD:
		return "systemd";
	case MANAGER_OPENRC:
		return "OpenRC";
	case MANAGER_PROCD:
		return "procd";
	case MANAGER_SYSV:
		return "init script";
	case MANAGER_INETD:
		return "started for each connection";
	case MANAGER_N:
		break;
	}
	return "nothing that is known";
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool manager_is_systemd(void)
{
	return exists("/run/systemd/system");
}

void manager_property(const char *unit, const char *name, char *ret_value, size_t size)
{
	const char *const argv[] = { MANAGER_SYSTEMCTL, "show", "--property", name,
				     "--value",		"--",	unit,	      NULL };
	struct program_output output;

	*ret_value = '\0';
	if (program_run(argv, ASK_MS, &output) < 0)
		return;
	if (output.status == 0) {
		output.text[strcspn(output.text, "\n")] = '\0';
		(void)text_copy(output.text, ret_value, size);
	}
	program_output_deinit(&output);
}

/* The unit in the line of /proc/PID/cgroup that systemd made: ".../ssh.service". */
static bool unit_of(int32_t pid, char *ret_unit, size_t size)
{
	auto_free char *text = NULL;
	char path[64], *line, *rest;
	size_t length;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/cgroup", pid);
	if (file_read(path, &text, &length) < 0)
		return false;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		const char *name = strrchr(line, '/');
		const size_t n = name ? strlen(name) : 0;

		if (!text_starts(line, "0::") && !strstr(line, ":name=systemd:"))
			continue;
		if (n > 8 && text_equal(name + n - 8, ".service"))
			return text_copy(name + 1, ret_unit, size);
	}
	return false;
}

static bool is_main_process(const char *unit, int32_t pid)
{
	char value[32];
	uint64_t main;

	manager_property(unit, "MainPID", value, sizeof(value));
	return text_to_u64(value, INT32_MAX, &main) == 0 && (int32_t)main == pid;
}

/* Whether a file of the server says that this is its process. */
static bool is_in_pid_file(const char *path, int32_t pid)
{
	auto_free char *text = NULL;
	uint64_t number;
	size_t size;

	if (file_read(path, &text, &size) < 0)
		return false;
	text[strcspn(text, " \n")] = '\0';
	return text_to_u64(text, INT32_MAX, &number) == 0 && (int32_t)number == pid;
}

/* Names of init scripts by server, and where each leaves its pid. */
static const struct {
	enum server_id server;
	const char *script;
	const char *pid_file;
} scripts[] = {
	{ SERVER_OPENSSH, "ssh", "/run/sshd.pid" },
	{ SERVER_OPENSSH, "sshd", "/run/sshd.pid" },
	{ SERVER_DROPBEAR, "dropbear", "/run/dropbear.pid" },
	/* OpenWrt: a file for each section, the first one has this name. */
	{ SERVER_DROPBEAR, "dropbear", "/var/run/dropbear.main.pid" },
	{ SERVER_DROPBEAR, "dropbear", "/var/run/dropbear.cfg014dd4.pid" },
};

static enum settings_manager script_manager(void)
{
	if (exists("/run/openrc/softlevel"))
		return MANAGER_OPENRC;
	if (exists("/sbin/procd"))
		return MANAGER_PROCD;
	return MANAGER_SYSV;
}

/* procd starts its servers itself, whatever their pid file is called. */
static bool is_child_of_procd(const struct settings_server *server)
{
	char name[PROCESS_EXECUTABLE_BYTES];
	struct procstat stat;

	return procstat_read(server->pid, &stat) == 0 &&
	       process_executable(stat.parent, name) == 0 && text_equal(name, "procd");
}

static void find_script(struct settings_server *server)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), MANAGER_SCRIPT, scripts[i].script);
		if (scripts[i].server != server->server || access(path, X_OK) < 0)
			continue;
		if (is_in_pid_file(scripts[i].pid_file, server->pid) || is_child_of_procd(server)) {
			server->manager = script_manager();
			(void)text_copy(scripts[i].script, server->unit, sizeof(server->unit));
			return;
		}
	}
}

void manager_find(struct settings_server *server)
{
	if (manager_is_systemd()) {
		if (unit_of(server->pid, server->unit, sizeof(server->unit)) &&
		    is_main_process(server->unit, server->pid))
			server->manager = MANAGER_SYSTEMD;
		else
			server->unit[0] = '\0';
		return;
	}
	find_script(server);
}

/* ---- started for each connection ---- */

static struct settings_server started_for_each(enum server_id id, const char *path,
					       const char *unit)
{
	struct settings_server server = { .server = id, .manager = MANAGER_INETD };

	(void)text_copy(path, server.executable, sizeof(server.executable));
	(void)text_copy(unit, server.unit, sizeof(server.unit));
	return server;
}

static void find_socket_units(struct settings_host *host)
{
	static const struct {
		enum server_id server;
		const char *unit, *executable;
	} units[] = {
		{ SERVER_OPENSSH, "ssh.socket", "/usr/sbin/sshd" },
		{ SERVER_OPENSSH, "sshd.socket", "/usr/sbin/sshd" },
		{ SERVER_DROPBEAR, "dropbear.socket", "/usr/sbin/dropbear" },
		{ SERVER_TINYSSH, "tinysshd.socket", "/usr/sbin/tinysshd" },
		{ SERVER_TINYSSH, "tinyssh.socket", "/usr/sbin/tinysshd" },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		struct settings_server server;
		char value[32];

		manager_property(units[i].unit, "SubState", value, sizeof(value));
		/* "running": the server has the socket and was found as a listener. */
		if (!text_equal(value, "listening"))
			continue;
		server = started_for_each(units[i].server, units[i].executable, units[i].unit);
		listener_add(host, &server);
	}
}

/* The server that a superserver's command line names, with its flag for this way to be started. */
static int named_server(const struct server_arguments *arguments, size_t *ret_word,
			enum server_id *ret_id)
{
	for (size_t i = 1; i < arguments->n; i++) {
		const char *slash = strrchr(arguments->words[i], '/');

		if (server_by_executable(slash ? slash + 1 : arguments->words[i], ret_id) == 0) {
			*ret_word = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* tcpserver and its like: the first number behind a word without `-` is the port. */
static uint16_t port_of(const struct server_arguments *arguments, size_t before)
{
	uint64_t port, found = 0;

	for (size_t i = 1; i < before; i++)
		if (text_to_u64(arguments->words[i], UINT16_MAX, &port) == 0)
			found = port;
	return (uint16_t)found;
}

/* -errno: it could not be read. */
static int look_at_superserver(void *context, int32_t pid)
{
	static const char *const names[] = { "tcpserver", "tcpsvd", "s6-tcpserver", "ipsvd-tcpd" };
	struct server_arguments arguments;
	char name[PROCESS_EXECUTABLE_BYTES];
	struct settings_server server;
	enum server_id id;
	size_t word;
	bool known = false;
	int r = process_executable(pid, name);

	if (r < 0)
		return listener_is_unread(r) ? r : 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		known = known || text_equal(name, names[i]);
	r = known ? listener_arguments(pid, &arguments) : -ENOENT;
	if (r < 0)
		return listener_is_unread(r) ? r : 0;
	if (named_server(&arguments, &word, &id) < 0 ||
	    listener_foreign(pid, arguments.words[word]))
		return 0;
	server = started_for_each(id, arguments.words[word], name);
	server.ports[0] = port_of(&arguments, word);
	server.n_ports = server.ports[0] != 0;
	server.superserver_pid = pid;
	listener_add(context, &server);
	return 0;
}

/* Lines "ssh stream tcp nowait root /usr/sbin/sshd sshd -i". */
static void find_inetd(struct settings_host *host)
{
	auto_free char *text = NULL;
	char *line, *word, *rest;
	size_t size;

	if (file_read("/etc/inetd.conf", &text, &size) < 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		enum server_id id;

		line += strspn(line, " \t");
		if (*line == '#')
			continue;
		while ((word = strsep(&line, " \t"))) {
			const char *slash = strrchr(word, '/');

			if (slash && server_by_executable(slash + 1, &id) == 0) {
				const struct settings_server server =
					started_for_each(id, word, "inetd");

				listener_add(host, &server);
				break;
			}
		}
	}
}

int manager_find_sockets(struct settings_host *host)
{
	int r = pids_each(look_at_superserver, host);

	if (r < 0)
		return r;
	find_inetd(host);
	if (manager_is_systemd())
		find_socket_units(host);
	return 0;
}
