/* The servers of the host: which there are, whether the key opens them, and if not, why. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/host-case.h"
#include "cli/output.h"
#include "cli/prove-private.h"
#include "core/policy.h"
#include "native/host.h"
#include "native/openssh.h"
#include "native/program.h"
#include "text/proctcp.h"

enum { SPEAK_S = 5, SSHD_MS = 10000, LOGIN_MS = 20000, KEYWORD_BYTES = 256 };

/* --- which there are --- */

static int add_server(struct prove_servers *servers, const struct settings_server *native,
		      uint16_t port)
{
	struct prove_server *items;

	for (size_t i = 0; i < servers->n; i++)
		if (servers->items[i].port == port)
			return 0;
	items = reallocarray(servers->items, servers->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	servers->items = items;
	items[servers->n] = (struct prove_server){ .id = SERVER_N, .port = port };
	if (native) {
		items[servers->n].native = *native;
		items[servers->n].id = native->server;
	}
	servers->n++;
	return 0;
}

/* It has another network namespace (that of a container), or has ended meanwhile. */
static bool is_elsewhere(const struct settings_server *server)
{
	const int32_t pid = server->pid > 0 ? server->pid : server->superserver_pid;
	char path[64], own[64] = "", other[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return pid > 0 && readlink("/proc/self/ns/net", own, sizeof(own) - 1) > 0 &&
	       (readlink(path, other, sizeof(other) - 1) < 0 || !text_equal(own, other));
}

static bool is_wanted(const char *which, const struct settings_server *server, uint16_t port)
{
	uint64_t number;

	if (which && text_to_u64(which, UINT16_MAX, &number) == 0)
		return number == port;
	if (is_elsewhere(server))
		return false;
	return !which || text_equal(which, "all") ||
	       text_equal(which, policy_server_name(server->server));
}

static int add_known(struct prove_servers *servers, const char *which)
{
	struct settings_host *host = calloc(1, sizeof(*host));
	int r = host ? native_host_read(&(struct native_query){ 0 }, host) : -ENOMEM;

	if (r == 0)
		host_case_left_out(host);
	for (size_t i = 0; r == 0 && i < host->n_servers; i++)
		for (size_t j = 0; r == 0 && j < host->servers[i].n_ports; j++)
			if (is_wanted(which, &host->servers[i], host->servers[i].ports[j]))
				r = add_server(servers, &host->servers[i],
					       host->servers[i].ports[j]);
	free(host);
	return r;
}

/* What is bound to one address only does not answer at 127.0.0.1. */
static bool find_address(uint16_t port, struct in_addr *ret_address)
{
	auto_fclose FILE *file = fopen("/proc/self/net/tcp", "re");
	struct proctcp_row row;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		const char *at = line;

		if (proctcp_next(&at, line + strlen(line), &row) && row.state == PROCTCP_LISTEN &&
		    row.port == port) {
			ret_address->s_addr = row.address;
			return true;
		}
	}
	return false;
}

static int connect_to(const struct in_addr *address, uint16_t port)
{
	const struct timeval patience = { .tv_sec = SPEAK_S };
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr = *address };
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The first line that it says (RFC 4253, 4.2). */
static bool read_banner(int fd, char *ret_banner, size_t size)
{
	size_t used = 0;

	while (used < size - 1 && recv(fd, ret_banner + used, 1, 0) == 1) {
		if (ret_banner[used] == '\n')
			break;
		used++;
	}
	ret_banner[used] = '\0';
	ret_banner[strcspn(ret_banner, "\r\n")] = '\0';
	return text_starts(ret_banner, "SSH-2.0-");
}

static enum server_id id_of(const char *banner)
{
	static const struct {
		const char *word;
		enum server_id id;
	} rows[] = { { "SSH-2.0-OpenSSH", SERVER_OPENSSH },
		     { "SSH-2.0-dropbear", SERVER_DROPBEAR },
		     { "SSH-2.0-tinyssh", SERVER_TINYSSH } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (text_starts(banner, rows[i].word))
			return rows[i].id;
	return SERVER_N;
}

static void __attribute__((format(printf, 2, 3)))
cannot(struct prove_server *server, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(server->cannot, sizeof(server->cannot), format, arguments);
	va_end(arguments);
}

/* Where it answers and what it says that it is. */
static void speak_to(struct prove_server *server)
{
	struct in_addr address = { .s_addr = htonl(INADDR_LOOPBACK) };
	auto_close int fd = connect_to(&address, server->port);

	if (fd < 0 && find_address(server->port, &address))
		fd = connect_to(&address, server->port);
	if (fd == -ECONNREFUSED) {
		cannot(server,
		       "nothing answers at port %u of 127.0.0.1: it listens on IPv6 "
		       "addresses only, or not at all; a session of its own needs an "
		       "address of its own, which only 127.0.0.0/8 has",
		       server->port);
		return;
	}
	if (fd < 0) {
		cannot(server, "port %u: %s", server->port, strerror(-fd));
		return;
	}
	(void)inet_ntop(AF_INET, &address, server->address, sizeof(server->address));
	if (!read_banner(fd, server->banner, sizeof(server->banner))) {
		cannot(server, "what listens on port %u does not speak SSH", server->port);
		return;
	}
	if (server->id == SERVER_N)
		server->id = id_of(server->banner);
	if (server->id == SERVER_N)
		cannot(server, "%s is none of the servers that sshidled knows", server->banner);
}

int prove_servers_find(const char *which, struct prove_servers *ret_servers)
{
	struct prove_servers servers = { 0 };
	uint64_t port;
	int r = add_known(&servers, which);

	/* One in a corner that src/native does not see may be named by its port. */
	if (r == 0 && servers.n == 0 && which && text_to_u64(which, UINT16_MAX, &port) == 0 &&
	    port > 0)
		r = add_server(&servers, NULL, (uint16_t)port);
	if (r < 0) {
		output_error("cannot tell which servers there are: %s", strerror(-r));
		free(servers.items);
		return r;
	}
	if (servers.n == 0) {
		output_error(which && !text_equal(which, "all")
				     ? "no SSH server \"%s\" listens on this host"
				     : "no SSH server listens on this host",
			     which);
		return -ENOENT;
	}
	for (size_t i = 0; i < servers.n; i++)
		speak_to(&servers.items[i]);
	*ret_servers = servers;
	return 0;
}

void prove_servers_free(struct prove_servers *servers)
{
	for (size_t i = 0; i < servers->n; i++) {
		for (size_t j = 0; servers->items[i].cases && j < PROVE_SITUATIONS; j++)
			free(servers->items[i].cases[j].rule);
		free(servers->items[i].cases);
	}
	free(servers->items);
	*servers = (struct prove_servers){ 0 };
}

/* --- ssh(1) --- */

void prove_command_add(struct prove_command *command, const char *word)
{
	if (command->n < PROVE_ARGV_MAX - 1)
		command->argv[command->n++] = word;
	command->argv[command->n] = NULL;
}

void prove_command_init(struct prove_command *command, const struct prove_run *run,
			const struct prove_server *server, const char *from)
{
	/* Nothing of the caller's: no configuration, no agent, no shared connection. */
	static const char *const words[] = { "-F", "none",
					     "-o", "BatchMode=yes",
					     "-o", "IdentitiesOnly=yes",
					     "-o", "IdentityAgent=none",
					     "-o", "StrictHostKeyChecking=no",
					     "-o", "GlobalKnownHostsFile=/dev/null",
					     "-o", "LogLevel=ERROR",
					     "-o", "EscapeChar=none",
					     "-o", "ControlPath=none",
					     "-o", "ConnectTimeout=10",
					     "-o", "PreferredAuthentications=publickey" };

	memset(command, 0, sizeof(*command));
	(void)snprintf(command->port, sizeof(command->port), "%u", server->port);
	(void)snprintf(command->login, sizeof(command->login), "%s@%s", run->user, server->address);
	(void)snprintf(command->known, sizeof(command->known), "UserKnownHostsFile=%s",
		       run->known_hosts);
	prove_command_add(command, run->ssh);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		prove_command_add(command, words[i]);
	prove_command_add(command, "-o");
	prove_command_add(command, command->known);
	prove_command_add(command, "-i");
	prove_command_add(command, run->key);
	prove_command_add(command, "-b");
	prove_command_add(command, from);
	prove_command_add(command, "-p");
	prove_command_add(command, command->port);
}

/* --- whether the key opens it --- */

/* The value of a keyword in what `sshd -T` prints, up to the end of its line; NULL: it has none. */
static const char *value_of(const char *text, const char *keyword, char *ret_value, size_t size)
{
	const size_t n = strlen(keyword);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncasecmp(line, keyword, n) != 0 || line[n] != ' ')
			continue;
		(void)text_copy(line + n + 1, ret_value, size);
		ret_value[strcspn(ret_value, "\n")] = '\0';
		return ret_value;
	}
	return NULL;
}

/* What sshd says that holds for our user. NULL: it does not say. */
static char *ask_sshd(const struct prove_server *server, const struct prove_run *run,
		      const char *from)
{
	struct openssh_command *command;
	struct program_output output;
	char spec[PROVE_TEXT_BYTES];
	char *text = NULL;

	if (server->id != SERVER_OPENSSH || server->native.executable[0] == '\0' ||
	    server->native.is_foreign)
		return NULL;
	command = calloc(1, sizeof(*command));
	if (!command)
		return NULL;
	(void)snprintf(spec, sizeof(spec), "user=%s,host=%s,addr=%s,laddr=%s,lport=%u", run->user,
		       from, from, server->address, server->port);
	openssh_command_init(command, &server->native);
	openssh_command_add(command, "-T");
	openssh_command_add(command, "-C");
	openssh_command_add(command, spec);
	if (program_run(command->argv, SSHD_MS, &output) == 0) {
		if (output.status == 0)
			text = take_ptr(output.text);
		program_output_deinit(&output);
	}
	free(command);
	return text;
}

/* Into the first of the files that is this user's own. */
static bool install_key(struct prove_server *server, struct prove_run *run, const char *files,
			const char *options)
{
	char *copy, *rest, *file;
	int r = -ENOENT;

	copy = rest = strdup(files);
	while (r < 0 && rest && (file = strsep(&rest, " ")))
		if (file[0] != '\0' && strcasecmp(file, "none") != 0)
			r = prove_run_install_key(run, file, options, server->cannot);
	free(copy);
	if (r < 0 && server->cannot[0] == '\0')
		cannot(server, "AuthorizedKeysFile is %s: this server takes no keys from files",
		       files);
	if (r == 0)
		server->cannot[0] = '\0';
	return r == 0;
}

/* Settings that make every session another one than it is here for. */
static bool find_obstacle(struct prove_server *server, const char *settings)
{
	char value[KEYWORD_BYTES];

	if (value_of(settings, "forcecommand", value, sizeof(value)) &&
	    strcasecmp(value, "none") != 0)
		cannot(server, "ForceCommand is %s", value);
	else if (value_of(settings, "permittty", value, sizeof(value)) &&
		 strcasecmp(value, "no") == 0)
		cannot(server, "PermitTTY is no");
	return server->cannot[0] != '\0';
}

/* Why a login may have been refused: what is set and usually is not. */
static void add_reasons(struct prove_server *server, const char *settings)
{
	static const struct {
		const char *keyword, *name, *usual;
	} rows[] = {
		{ "allowusers", "AllowUsers", NULL },
		{ "allowgroups", "AllowGroups", NULL },
		{ "denyusers", "DenyUsers", NULL },
		{ "denygroups", "DenyGroups", NULL },
		{ "pubkeyauthentication", "PubkeyAuthentication", "yes" },
		{ "authenticationmethods", "AuthenticationMethods", "any" },
		{ "permitrootlogin", "PermitRootLogin", "yes" },
		{ "authorizedkeysfile", "AuthorizedKeysFile",
		  ".ssh/authorized_keys .ssh/authorized_keys2" },
	};
	char value[KEYWORD_BYTES];

	for (size_t i = 0; settings && i < sizeof(rows) / sizeof(*rows); i++)
		if (value_of(settings, rows[i].keyword, value, sizeof(value)) &&
		    !(rows[i].usual && strcasecmp(value, rows[i].usual) == 0))
			(void)text_append(server->cannot, sizeof(server->cannot), "; %s is %s",
					  rows[i].name, value);
}

static bool log_in(struct prove_server *server, const struct prove_run *run, const char *from)
{
	struct program_output output;
	struct prove_command command;
	const char *complaint;
	bool in;
	int r;

	prove_command_init(&command, run, server, from);
	prove_command_add(&command, command.login);
	prove_command_add(&command, "echo sshidle-prove");
	r = program_run(command.argv, LOGIN_MS, &output);
	if (r < 0) {
		cannot(server, "%s: %s", run->ssh, strerror(-r));
		return false;
	}
	in = strstr(output.text, "sshidle-prove") != NULL;
	complaint = program_complaint(&output);
	if (!in)
		cannot(server, "%s cannot log in: %s", run->user,
		       output.was_late ? "no answer"
		       : complaint     ? complaint
				       : "no reason given");
	program_output_deinit(&output);
	return in;
}

bool prove_server_ready(struct prove_server *server, struct prove_run *run,
			const char addresses[][INET_ADDRSTRLEN], size_t n)
{
	auto_free char *settings = ask_sshd(server, run, addresses[n - 1]);
	char options[PROVE_TEXT_BYTES] = "", files[KEYWORD_BYTES] = ".ssh/authorized_keys";

	/* Others refuse a line with options that they do not know. */
	if (server->id == SERVER_OPENSSH) {
		for (size_t i = 0; i < n; i++)
			(void)text_append(options, sizeof(options), "%s%s",
					  i == 0 ? "from=\"" : ",", addresses[i]);
		(void)text_append(options, sizeof(options), "\"");
	}
	if (settings) {
		(void)value_of(settings, "authorizedkeysfile", files, sizeof(files));
		if (find_obstacle(server, settings))
			return false;
	}
	if (!install_key(server, run, files, options))
		return false;
	if (log_in(server, run, addresses[n - 1]))
		return true;
	add_reasons(server, settings);
	return false;
}
