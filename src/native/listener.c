#include "native/listener.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/pids.h"
#include "base/text.h"
#include "native/file.h"
#include "native/manager.h"
#include "native/program.h"
#include "native/tcp-tables.h"
#include "observe/process.h"
#include "server/server.h"

#define PATH_BYTES 96

/* How long a listener may be on its way: sshd that starts or reads its files again has no sockets until it has,
 * and any listener has a new connection between accept(2) and fork(2). */
enum { UNSETTLED_MS = 3000, LOOK_EVERY_MS = 20 };

/* What a process is. */
enum look { LOOK_OTHER, LOOK_UNSETTLED, LOOK_LISTENER };

static bool is_port_of(const struct listener_sockets *sockets, uint16_t port)
{
	for (size_t i = 0; i < sockets->n; i++)
		if (sockets->ports[i] == port)
			return true;
	return false;
}

/* The kernel puts what listens before the connections. */
static void take_row(const struct tcp_row *row, struct listener_sockets *sockets)
{
	if (!row->listens) {
		if (is_port_of(sockets, row->port))
			sockets->has_accepted = true;
		else
			sockets->has_connection = true;
	} else if (sockets->n < LISTENER_INODES_MAX) {
		sockets->inodes[sockets->n] = row->inode;
		sockets->ports[sockets->n++] = row->port;
	}
}

static int by_place(const void *a, const void *b)
{
	const struct tcp_row *one = *(const struct tcp_row *const *)a;
	const struct tcp_row *other = *(const struct tcp_row *const *)b;

	return (one->place > other->place) - (one->place < other->place);
}

static bool is_row(const struct tcp_table *table, uint64_t inode, const struct tcp_row **ret_row)
{
	*ret_row = tcp_table_find(table, inode);
	return *ret_row != NULL;
}

static int take_rows(const struct process_descriptors *descriptors, const struct tcp_table *table,
		     struct listener_sockets *ret_sockets)
{
	auto_free const struct tcp_row **rows = calloc(descriptors->n + 1, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	memset(ret_sockets, 0, sizeof(*ret_sockets));
	for (size_t i = 0; i < descriptors->n; i++)
		if (descriptors->rows[i].target == TARGET_SOCKET)
			n += is_row(table, descriptors->rows[i].inode, &rows[n]);
	qsort(rows, n, sizeof(*rows), by_place);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || rows[i] != rows[i - 1])
			take_row(rows[i], ret_sockets);
	return 0;
}

static bool get_option(int fd, int option, int *ret_value)
{
	socklen_t size = sizeof(*ret_value);

	return getsockopt(fd, SOL_SOCKET, option, ret_value, &size) == 0;
}

static bool is_internet(int domain)
{
	return domain == AF_INET || domain == AF_INET6;
}

/* The next socket that is in no row of the table, from `*at` on, which moves behind it. NULL: none. */
static const struct process_descriptor *next_unknown(const struct tcp_table *table,
						     const struct process_descriptors *descriptors,
						     size_t *at)
{
	while (*at < descriptors->n) {
		const struct process_descriptor *row = &descriptors->rows[(*at)++];

		if (row->target == TARGET_SOCKET && !tcp_table_find(table, row->inode))
			return row;
	}
	return NULL;
}

/* Whether one of its sockets may be younger than the table. Most that are not in it are of unix, and that is known
 * where they may be borrowed. */
static bool is_outdated(const struct tcp_table *table, int32_t pid,
			const struct process_descriptors *descriptors)
{
	auto_close int pidfd = -1;
	const struct process_descriptor *row;
	size_t at = 0;

	if (process_open(pid, &pidfd) < 0)
		return true;
	while ((row = next_unknown(table, descriptors, &at))) {
		auto_close int fd = -1;
		int domain;

		if (process_borrow(pidfd, row->fd, &fd) < 0 ||
		    !get_option(fd, SO_DOMAIN, &domain) || is_internet(domain))
			return true;
	}
	return false;
}

/* The descriptors first: a socket that is opened later is in none of them. A table of an earlier call is good enough
 * for processes that are left alone anyway; the host's own get one that is no older than their sockets. */
static int sockets_of(struct tcp_tables *tables, int32_t pid, const char *executable,
		      struct listener_sockets *ret_sockets)
{
	struct process_descriptors descriptors;
	const struct tcp_table *table;
	size_t at = 0;
	int r = process_descriptors(pid, &descriptors);

	if (r < 0)
		return r;
	r = tcp_tables_get(tables, pid, false, &table);
	if (r == 0 && next_unknown(table, &descriptors, &at) &&
	    !listener_foreign(pid, executable) && is_outdated(table, pid, &descriptors))
		r = tcp_tables_get(tables, pid, true, &table);
	if (r >= 0)
		r = take_rows(&descriptors, table, ret_sockets);
	process_descriptors_deinit(&descriptors);
	return r;
}

int listener_sockets(int32_t pid, struct listener_sockets *ret_sockets)
{
	struct tcp_tables tables = { 0 };
	int r = sockets_of(&tables, pid, "", ret_sockets);

	tcp_tables_deinit(&tables);
	return r;
}

int listener_arguments(int32_t pid, struct server_arguments *ret_arguments)
{
	auto_free char *text = NULL;
	char path[PATH_BYTES];
	size_t size;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/cmdline", pid);
	r = file_read(path, &text, &size);
	return r < 0 ? r : server_arguments_split(text, size, ret_arguments);
}

int listener_server_arguments(const struct settings_server *server,
			      struct server_arguments *ret_arguments)
{
	size_t first;
	int r;

	if (server->pid != 0)
		return listener_arguments(server->pid, ret_arguments);
	if (server->superserver_pid == 0)
		return -ENOENT;
	r = listener_arguments(server->superserver_pid, ret_arguments);
	if (r < 0)
		return r;
	for (first = 0; first < ret_arguments->n; first++)
		if (text_equal(ret_arguments->words[first], server->executable))
			break;
	ret_arguments->n -= first;
	memmove(ret_arguments->words, ret_arguments->words + first,
		(ret_arguments->n + 1) * sizeof(ret_arguments->words[0]));
	return ret_arguments->n > 0 ? 0 : -ENOENT;
}

/* The whole path of the executable; where it may not be seen, what the process calls itself. */
static int executable_of(int32_t pid, char *ret_path, size_t size)
{
	char path[PATH_BYTES], target[SETTINGS_PATH_BYTES];
	struct server_arguments arguments;
	char *deleted;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/exe", pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n >= 0) {
		target[n] = '\0';
		/* After an upgrade the new file is there. */
		deleted = strstr(target, " (deleted)");
		if (deleted)
			*deleted = '\0';
	} else if (errno != EACCES || listener_arguments(pid, &arguments) < 0 || arguments.n == 0) {
		return -errno;
	} else {
		(void)text_copy(arguments.words[0], target, sizeof(target));
	}
	return text_copy(target, ret_path, size) ? 0 : -ENAMETOOLONG;
}

/* Whether the process sees the same files as we do. */
static bool sees_our_files(int32_t pid, const char *file)
{
	char path[PATH_BYTES + SETTINGS_PATH_BYTES];
	struct stat ours, theirs;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/root%s", pid, file);
	if (stat(path, &theirs) < 0)
		return errno == EACCES; /* not ours to see: nothing is known against it */
	return stat(file, &ours) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

/* Its arguments name files that are read and written, and its executable is run: with root's rights only
 * what root runs, with a user's also what that user runs. */
static bool is_run_by_others(int32_t pid)
{
	struct procstat_status status;

	return process_status(pid, &status) < 0 || (status.uid != 0 && status.uid != geteuid());
}

const char *listener_foreign(int32_t pid, const char *executable)
{
	if (is_run_by_others(pid))
		return "a user runs it, with files of their own";
	/* First the root itself: below it a container may have links that lead to our files. */
	if (!sees_our_files(pid, "/") || !sees_our_files(pid, "/etc") ||
	    !sees_our_files(pid, executable))
		return "it runs in a container, with files of its own";
	if (!program_is_safe(executable))
		return "others may replace its executable";
	return NULL;
}

static bool has_port(const struct settings_server *server, uint16_t port)
{
	for (size_t i = 0; i < server->n_ports; i++)
		if (server->ports[i] == port)
			return true;
	return false;
}

static void take_ports(struct settings_server *server, const struct listener_sockets *sockets)
{
	for (size_t i = 0; i < sockets->n; i++)
		if (!has_port(server, sockets->ports[i]) && server->n_ports < SETTINGS_PORTS_MAX)
			server->ports[server->n_ports++] = sockets->ports[i];
}

static bool is_other_listener(int pidfd, const struct process_descriptor *descriptor)
{
	auto_close int fd = -1;
	int listens, domain;

	return descriptor->target == TARGET_SOCKET &&
	       process_borrow(pidfd, descriptor->fd, &fd) == 0 &&
	       get_option(fd, SO_ACCEPTCONN, &listens) && listens &&
	       get_option(fd, SO_DOMAIN, &domain) && !is_internet(domain);
}

/* Whether it listens on what is in no table of TCP: sockets of unix or of a virtual machine (vsock) that it was
 * given. Not to be known where nothing may be borrowed: Yama at 3. */
static bool listens_elsewhere(int32_t pid)
{
	auto_close int pidfd = -1;
	struct process_descriptors descriptors;
	bool listens = false;

	if (process_open(pid, &pidfd) < 0 || process_descriptors(pid, &descriptors) < 0)
		return false;
	for (size_t i = 0; i < descriptors.n && !listens; i++)
		listens = is_other_listener(pidfd, &descriptors.rows[i]);
	process_descriptors_deinit(&descriptors);
	return listens;
}

static enum look look_without_sockets(int32_t pid, const struct settings_server *server)
{
	if (server->server != SERVER_OPENSSH)
		return LOOK_OTHER;
	return listens_elsewhere(pid) ? LOOK_LISTENER : LOOK_UNSETTLED;
}

/* By its sockets. A connection to a port that it listens on will be handed on; any other one is a session's, but
 * sshd's title has told that it is none: its standard error may be one. -errno: not to be known. */
static int look_at_sockets(struct tcp_tables *tables, int32_t pid, struct settings_server *server,
			   enum look *ret_look)
{
	struct listener_sockets sockets;
	const int r = sockets_of(tables, pid, server->executable, &sockets);

	if (r < 0) {
		*ret_look = r == -EACCES || r == -EPERM ? LOOK_LISTENER : LOOK_OTHER;
		return *ret_look == LOOK_LISTENER || r == -ESRCH ? 0 : r;
	}
	if (sockets.has_connection && (sockets.n == 0 || server->server != SERVER_OPENSSH))
		*ret_look = LOOK_OTHER;
	else if (sockets.n == 0)
		*ret_look = look_without_sockets(pid, server);
	else
		*ret_look = sockets.has_accepted ? LOOK_UNSETTLED : LOOK_LISTENER;
	take_ports(server, &sockets);
	return 0;
}

/* sshd's title tells its listener from its sessions; of the others a listener's child has the same
 * executable, and a session that forwards listens as well. */
static bool is_listener(int32_t pid, const struct settings_server *server,
			const struct server_arguments *arguments)
{
	struct procstat stat;
	char parent[SETTINGS_PATH_BYTES];

	if (!arguments->is_listener)
		return false;
	if (server->server == SERVER_OPENSSH)
		return !server_arguments_sshd_flag(arguments, 'i') &&
		       server_is_executable(strrchr(server->executable, '/') + 1, "sshd");
	if (server_arguments_dropbear_inetd(arguments) || procstat_read(pid, &stat) < 0)
		return false;
	return executable_of(stat.parent, parent, sizeof(parent)) < 0 ||
	       !text_equal(parent, server->executable);
}

bool listener_is_unread(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EIO;
}

/* Whether the process may be a listener, by its executable and its arguments. -errno: they could not be read. */
static int may_listen(int32_t pid, struct settings_server *server)
{
	struct server_arguments arguments;
	const char *name;
	int r = executable_of(pid, server->executable, sizeof(server->executable));

	if (r < 0)
		return listener_is_unread(r) ? r : 0;
	name = strrchr(server->executable, '/');
	if (!name || server_by_executable(name + 1, &server->server) < 0)
		return 0;
	r = listener_arguments(pid, &arguments);
	if (r < 0)
		return listener_is_unread(r) ? r : 0;
	return is_listener(pid, server, &arguments);
}

/* Fills `server` if the process is a listener. Nobody waits for one that would be left alone, or fails with it:
 * anybody may name a program like a server, and have it do what they like. */
static int look_at(struct tcp_tables *tables, int32_t pid, struct settings_server *server,
		   enum look *ret_look)
{
	const char *foreign;
	int r = may_listen(pid, server);

	*ret_look = LOOK_OTHER;
	if (r <= 0)
		return r;
	r = look_at_sockets(tables, pid, server, ret_look);
	if (r == 0 && *ret_look == LOOK_OTHER)
		return 0;
	server->pid = pid;
	(void)process_start_ticks(pid, &server->start_ticks);
	foreign = listener_foreign(pid, server->executable);
	server->is_foreign = foreign != NULL;
	if (foreign)
		(void)text_copy(foreign, server->trouble, sizeof(server->trouble));
	if (!foreign)
		return r;
	if (r < 0 || *ret_look == LOOK_UNSETTLED)
		*ret_look = LOOK_OTHER;
	return 0;
}

void listener_add(struct settings_host *host, const struct settings_server *server)
{
	if (host->n_servers < SETTINGS_SERVERS_MAX) {
		host->servers[host->n_servers++] = *server;
		return;
	}
	host->n_left_out++;
	for (size_t i = 0; i < host->n_servers && !server->is_foreign; i++) {
		if (host->servers[i].is_foreign) {
			host->servers[i] = *server;
			return;
		}
	}
}

int listener_look(struct settings_host *host)
{
	struct tcp_tables tables = { 0 };
	bool unsettled = false;
	struct pids pids;
	int32_t pid;
	int r = pids_open(&pids);

	if (r < 0)
		return r;
	host->n_servers = host->n_left_out = 0;
	while ((r = pids_next(&pids, &pid)) > 0) {
		struct settings_server server = { 0 };
		enum look look;

		r = look_at(&tables, pid, &server, &look);
		if (r < 0)
			break;
		if (look == LOOK_LISTENER)
			listener_add(host, &server);
		unsettled = unsettled || look == LOOK_UNSETTLED;
	}
	pids_close(&pids);
	tcp_tables_deinit(&tables);
	return r < 0 ? r : unsettled;
}

int listener_look_settled(struct settings_host *host)
{
	const int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + UNSETTLED_MS * NS_PER_MS;
	int r;

	while ((r = listener_look(host)) == 1 && clock_ns(CLOCK_MONOTONIC) < until_ns)
		(void)poll(NULL, 0, LOOK_EVERY_MS);
	return r;
}

int listener_find(struct settings_host *host)
{
	int r = listener_look_settled(host);

	if (r < 0)
		return r;
	for (size_t i = 0; i < host->n_servers; i++)
		manager_find(&host->servers[i]);
	return manager_find_sockets(host);
}

bool listener_takes_hangup(int32_t pid)
{
	struct procstat_status status;

	return process_status(pid, &status) == 0 && status.caught & 1ULL << (SIGHUP - 1);
}
