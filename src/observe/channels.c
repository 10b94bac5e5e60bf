#include "observe/channels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/children.h"
#include "observe/sockets.h"
#include "observe/terminal.h"

/* Where sshd makes displays for forwarded X11, on all addresses with X11UseLocalhost no: X11DisplayOffset is 10, and
 * more than these are rare. */
#define X11_PORT_FIRST 6010
#define X11_PORT_LAST  6099

struct listing {
	const struct channels_query *query;
	struct channels channels;
	struct process_descriptors descriptors;
	struct sockets sockets;
	int32_t leaders[FACTS_CHANNELS_MAX]; /* of the terminals' sessions; 0: none, or not told */
	bool has_forward;
	bool has_x11;
};

/* Unix sockets that libraries inside the server talk to; everything else with a path was forwarded.
 */
static const char *const system_paths[] = { "/run/dbus/",  "/run/systemd/", "/run/nscd/",
					    "/run/nslcd/", "/lib/sss/",	    "/run/samba/",
					    "/dev/log" };

static void listing_deinit(struct listing *listing)
{
	process_descriptors_deinit(&listing->descriptors);
	sockets_deinit(&listing->sockets);
	channels_deinit(&listing->channels);
}

void channels_free(struct watch_channel *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].command);
	free(rows);
}

void channels_deinit(struct channels *channels)
{
	channels_free(channels->rows, channels->n);
	free(channels->forwards);
	memset(channels, 0, sizeof(*channels));
}

static struct watch_channel *add_channel(struct listing *listing, enum channel_kind kind,
					 int32_t tty, int32_t master)
{
	struct channels *channels = &listing->channels;
	struct watch_channel *row;

	if (channels->n == FACTS_CHANNELS_MAX) {
		channels->complete = false;
		channels->more = true;
		return NULL;
	}
	row = &channels->rows[channels->n++];
	row->facts.kind = kind;
	row->facts.tty = tty;
	row->master = master;
	return row;
}

static struct watch_channel *find_terminal(struct listing *listing, int32_t tty)
{
	for (size_t i = 0; i < listing->channels.n; i++)
		if (tty >= 0 && listing->channels.rows[i].facts.tty == tty)
			return &listing->channels.rows[i];
	return NULL;
}

/* The terminal of a child. Its number alone may be that of another devpts, as anybody can mount one. */
static struct watch_channel *find_terminal_of(struct listing *listing, const struct procstat *child)
{
	struct watch_channel *row = find_terminal(listing, child->tty);
	const int32_t leader = row ? listing->leaders[row - listing->channels.rows] : 0;

	return leader == 0 || leader == child->pid ? row : NULL;
}

/* The number of the terminal whose master is such a descriptor, and who leads its session. */
static int read_terminal(const struct listing *listing, int fd, int32_t *ret_tty,
			 int32_t *ret_leader)
{
	auto_close int master = -1;
	int r;

	*ret_leader = 0;

	if (listing->sockets.refused) {
		r = process_descriptor_tty(listing->query->pid, fd, ret_tty);
		return r == -EINVAL ? -ENOTTY : r;
	}
	r = process_borrow(listing->query->pidfd, fd, &master);
	if (r == 0)
		r = terminal_number(master, ret_tty);
	if (r == 0)
		*ret_leader = terminal_leader(master);
	return r;
}

/* A server holds up to three copies of one master: one channel for each number. */
static int list_terminals(struct listing *listing)
{
	for (size_t i = 0; i < listing->descriptors.n; i++) {
		const struct process_descriptor *descriptor = &listing->descriptors.rows[i];
		struct watch_channel *row;
		int32_t tty = -1, leader;
		int r;

		if (descriptor->target != TARGET_MASTER)
			continue;
		r = read_terminal(listing, descriptor->fd, &tty, &leader);
		/* Closed meanwhile, or a file that only has such a name. */
		if (r == -EBADF || r == -ENOENT || r == -ENOTTY ||
		    (r == 0 && find_terminal(listing, tty)))
			continue;
		if (r < 0)
			return r;
		row = add_channel(listing, KIND_SHELL, tty, descriptor->fd);
		if (row)
			listing->leaders[row - listing->channels.rows] = leader;
	}
	return 0;
}

static bool is_sftp(struct listing *listing, int32_t pid)
{
	char name[PROCESS_EXECUTABLE_BYTES];
	const int r = process_executable(pid, name);

	if (r < 0 && r != -ENOENT && r != -ESRCH)
		listing->channels.complete = false;
	return r == 0 && server_is_sftp(name);
}

/* A shell that does not exec stands between, as does sudo. */
static bool has_sftp_child(struct listing *listing, const struct procstat *stat)
{
	struct process_list children = { 0 };
	bool found = false;

	if (children_read(stat->pid, stat->n_threads, &children) < 0)
		listing->channels.complete = false;
	for (size_t i = 0; i < children.n && !found; i++)
		found = is_sftp(listing, children.pids[i]);
	process_list_deinit(&children);
	return found;
}

static void set_child(struct watch_channel *row, const struct procstat *stat)
{
	row->facts.pid = stat->pid;
	row->facts.start_ticks = stat->start_ticks;
}

static void set_command(struct listing *listing, struct watch_channel *row)
{
	char command[FACTS_COMMAND_BYTES];

	if (process_command(row->facts.pid, command, sizeof(command)) < 0 || command[0] == '\0')
		return;
	row->command = strdup(command);
	if (!row->command)
		listing->channels.complete = false;
}

static void list_command(struct listing *listing, const struct procstat *stat, const char *name)
{
	bool sftp = server_is_sftp(name) || has_sftp_child(listing, stat);
	struct watch_channel *row = add_channel(listing, sftp ? KIND_SFTP : KIND_EXEC, -1, -1);

	if (!row)
		return;
	set_child(row, stat);
	if (!sftp)
		set_command(listing, row);
}

static void list_foreign_child(struct listing *listing, const struct procstat *stat,
			       const char *name)
{
	struct watch_channel *row = find_terminal_of(listing, stat);
	struct procstat_status status;

	if (listing->channels.child_uid == UINT32_MAX && process_status(stat->pid, &status) == 0)
		listing->channels.child_uid = status.uid;
	if (!row)
		list_command(listing, stat, name);
	else if (row->facts.pid == 0)
		set_child(row, stat);
}

static bool has_children(const struct procstat *stat)
{
	struct process_list children = { 0 };
	bool found;

	/* Not known is as if it had some: the list is not complete then. */
	found = children_read(stat->pid, stat->n_threads, &children) < 0 || children.n > 0;
	process_list_deinit(&children);
	return found;
}

/*
 * With the server's own executable: sftp inside of it, or a process on its way to an exec, which
 * may take long when sshd runs ~/.ssh/rc before it.
 */
static void list_own_child(struct listing *listing, const struct procstat *stat, bool young)
{
	struct watch_channel *row = find_terminal_of(listing, stat);

	if (young || has_children(stat))
		listing->channels.complete = false;
	else if (!row && listing->query->server->internal_sftp)
		row = add_channel(listing, KIND_SFTP, -1, -1);
	if (row && row->facts.pid == 0)
		set_child(row, stat);
}

static int list_child(struct listing *listing, int32_t pid)
{
	char name[PROCESS_EXECUTABLE_BYTES];
	struct procstat stat;
	enum server_id id;
	bool young;
	int r = procstat_read(pid, &stat);

	/* A child that has just gone is seen at the next look: the list of children is another one
	 * then. */
	if (r == -ESRCH || (r == 0 && procstat_has_ended(&stat)))
		return 0;
	if (r == 0)
		r = process_executable(pid, name);
	if (r == -ENOENT || r == -ESRCH)
		name[0] = '\0';
	else if (r < 0)
		return r;
	young = process_age_ns(stat.start_ticks) < CHANNELS_SETTLED_NS;
	if (young)
		listing->channels.young = true;
	if (server_by_executable(name, &id) == 0 && id == listing->query->server_id)
		list_own_child(listing, &stat, young);
	else
		list_foreign_child(listing, &stat, name);
	return 0;
}

/* The user's own bus and manager, as pam_systemd asks them. What else is there belongs to programs that are
 * forwarded to: podman, an agent. */
static bool is_user_bus(const char *path)
{
	const char *user = strstr(path, "/run/user/");

	user = user ? strchr(user + strlen("/run/user/"), '/') : NULL;
	return user && (strcmp(user, "/bus") == 0 || strncmp(user, "/systemd/", 9) == 0);
}

static bool is_system_path(const char *path)
{
	for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
		if (strstr(path, system_paths[i]))
			return true;
	return is_user_bus(path);
}

static void list_tcp(struct listing *listing, const struct sockets_row *row)
{
	const struct socket_facts *facts = &row->facts;

	if (facts->connected && listing->sockets.refused) {
		/* They are not asked one by one: what moves there may be input. */
		listing->has_forward = true;
		listing->channels.unmeasured = true;
	} else if (facts->connected) {
		listing->has_forward = true;
		listing->channels.forwards[listing->channels.n_forwards++] = row->fd;
	} else if (facts->listening && facts->local_port >= X11_PORT_FIRST &&
		   facts->local_port <= X11_PORT_LAST) {
		listing->has_x11 = true;
	} else if (facts->listening) {
		listing->has_forward = true;
	}
}

/* The agent's own socket and the connections to it are no forward of their own: they serve a
 * channel. */
static void list_unix(struct listing *listing, const struct socket_facts *facts)
{
	if (listing->query->server->is_agent(facts->local_path)) {
		listing->channels.agent = true;
	} else if (facts->listening) {
		listing->has_forward = true;
	} else if (facts->connected && (facts->local_path[0] || facts->peer_path[0]) &&
		   !is_system_path(facts->peer_path)) {
		listing->has_forward = true;
		listing->channels.unmeasured = true;
	}
}

static void list_sockets(struct listing *listing)
{
	for (size_t i = 0; i < listing->sockets.n; i++) {
		const struct sockets_row *row = &listing->sockets.rows[i];

		if (row->inode == listing->query->inode)
			continue;
		if (row->facts.family == SOCKET_TCP)
			list_tcp(listing, row);
		else
			list_unix(listing, &row->facts);
	}
}

static bool is_held_twice(const struct listing *listing, const struct process_descriptor *pipe)
{
	for (size_t i = 0; i < listing->descriptors.n; i++) {
		const struct process_descriptor *other = &listing->descriptors.rows[i];

		if (other != pipe && other->target == TARGET_PIPE && other->inode == pipe->inode)
			return true;
	}
	return false;
}

/* A pipe that the server only reads, and that it was not started with. */
static bool is_output(struct listing *listing, const struct process_descriptor *row)
{
	uint32_t flags;
	int r;

	if (row->target != TARGET_PIPE || row->fd <= STDERR_FILENO || is_held_twice(listing, row))
		return false;
	r = process_descriptor_flags(listing->query->pid, row->fd, &flags);
	if (r < 0 && r != -ENOENT && r != -ESRCH)
		listing->channels.complete = false;
	return r == 0 && (flags & O_ACCMODE) == O_RDONLY;
}

static size_t count_outputs(struct listing *listing)
{
	size_t n = 0;

	for (size_t i = 0; i < listing->descriptors.n; i++)
		n += is_output(listing, &listing->descriptors.rows[i]);
	return n;
}

/*
 * What a command has left in the background ("job & exit") and its output: the client waits for the end of that.  A
 * command that is there has two pipes at most, for output and errors.
 */
static void list_left_command(struct listing *listing)
{
	size_t n_commands = 0;

	if (!listing->query->server->waits_for_output)
		return;
	for (size_t i = 0; i < listing->channels.n; i++)
		n_commands += listing->channels.rows[i].facts.tty < 0;
	if (count_outputs(listing) > 2 * n_commands)
		(void)add_channel(listing, KIND_EXEC, -1, -1);
}

/*
 * A forwarded display is there for a shell or a command and only waits: while no program shows a
 * window it is no channel. A connection to it is one, as traffic there may be a person at work.
 * Without a shell or command it is no display but an ordinary forward that has such a port.
 */
static void list_forward(struct listing *listing)
{
	bool is_alone = listing->channels.n == 0;

	if (listing->has_forward || (listing->has_x11 && is_alone))
		(void)add_channel(listing, KIND_FORWARD, -1, -1);
	else if (is_alone)
		(void)add_channel(listing, KIND_NONE, -1, -1);
}

/*
 * Moves what there is to memory of its size: a daemon holds thousands of lists. Shrunk in place each would
 * stand at the head of a hole that the next list, as large as any, does not fit into.
 */
static int shrink(struct channels *channels)
{
	struct watch_channel *rows = calloc(channels->n, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	memcpy(rows, channels->rows, channels->n * sizeof(*rows));
	free(channels->rows);
	channels->rows = rows;
	return 0;
}

static int listing_read(struct listing *listing)
{
	const struct channels_query *query = listing->query;
	struct channels *channels = &listing->channels;
	int r = process_descriptors(query->pid, &listing->descriptors);

	if (r == 0)
		r = sockets_read(query->pidfd, &listing->descriptors,
				 query->refused ? SOCKETS_LOOK_UP : SOCKETS_BORROW,
				 &listing->sockets);
	if (r < 0)
		return r;
	channels->rows = calloc(FACTS_CHANNELS_MAX, sizeof(*channels->rows));
	channels->forwards = calloc(listing->sockets.n + 1, sizeof(*channels->forwards));
	if (!channels->rows || !channels->forwards)
		return -ENOMEM;
	r = list_terminals(listing);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < query->children->n; i++)
		r = list_child(listing, query->children->pids[i]);
	if (r < 0)
		return r;
	list_left_command(listing);
	list_sockets(listing);
	list_forward(listing);
	return shrink(channels);
}

int channels_read(const struct channels_query *query, struct channels *ret_channels)
{
	struct listing listing = { .query = query,
				   .channels = { .complete = true, .child_uid = UINT32_MAX } };
	int r;

	children_hold();
	r = listing_read(&listing);
	children_release();

	if (r == 0) {
		*ret_channels = listing.channels;
		memset(&listing.channels, 0, sizeof(listing.channels));
	}
	listing_deinit(&listing);
	return r;
}
