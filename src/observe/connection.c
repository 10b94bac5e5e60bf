#include "observe/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "observe/children.h"
#include "observe/process.h"
#include "observe/socket.h"
#include "observe/sockets.h"

/* sshd has at most three, in a PAM dialogue. */
#define HOLDERS_MAX 8

/* A process of the server's. */
struct member {
	struct procstat stat;
	struct process_descriptors descriptors;
	char executable[PROCESS_EXECUTABLE_BYTES];
};

/* A process in question with everything around it that the answer depends on. */
struct family {
	const struct connection_query *query;
	struct member holders[HOLDERS_MAX]; /* [0] is the process in question */
	size_t n_holders;
	struct member parent;	/* pid 0: it is not of the server's */
	struct member listener; /* pid 0: none */
	struct process_list children;
	struct sockets sockets;	       /* of holders[0] */
	const struct sockets_row *own; /* the connection's */
	size_t n_connected;	       /* TCP connections of holders[0] */
	uint32_t child_uid;
	int pidfd;
	bool parent_is_holder;
	bool child_is_holder;
	bool other_child;
	bool all_known;
	bool nested; /* holders are in a pid namespace below ours */
};

static void member_deinit(struct member *member)
{
	process_descriptors_deinit(&member->descriptors);
	memset(member, 0, sizeof(*member));
}

/* -ENOENT: it is not of this server's executables, or dead. */
static int member_read(int32_t pid, enum server_id server, struct member *ret_member)
{
	struct member member = { 0 };
	enum server_id id;
	int r = process_executable(pid, member.executable);

	if (r == 0 && (server_by_executable(member.executable, &id) < 0 || id != server))
		r = -ENOENT;
	if (r == 0)
		r = procstat_read(pid, &member.stat);
	if (r == 0 && procstat_has_ended(&member.stat))
		r = -ENOENT;
	if (r == 0)
		r = process_descriptors(pid, &member.descriptors);
	if (r < 0)
		return r;
	*ret_member = member;
	return 0;
}

static bool member_has(const struct member *member, uint64_t inode)
{
	for (size_t i = 0; i < member->descriptors.n; i++)
		if (member->descriptors.rows[i].target == TARGET_SOCKET &&
		    member->descriptors.rows[i].inode == inode)
			return true;
	return false;
}

static void family_deinit(struct family *family)
{
	for (size_t i = 0; i < family->n_holders; i++)
		member_deinit(&family->holders[i]);
	member_deinit(&family->parent);
	member_deinit(&family->listener);
	process_list_deinit(&family->children);
	sockets_deinit(&family->sockets);
	cleanup_close(&family->pidfd);
}

/* A connection that came from outside: neither a listener nor one that was accepted on a forwarded
 * port
 * ("-R"). That leaves the connecting ends of "-L". */
static bool is_candidate(const struct family *family, const struct sockets_row *row)
{
	return row->facts.family == SOCKET_TCP && row->facts.connected &&
	       !sockets_listen_on(&family->sockets, row->facts.local_port);
}

/* The one candidate that fits, if there is exactly one. */
typedef bool fits_fn(const struct family *family, const struct sockets_row *row);

static const struct sockets_row *only_one(const struct family *family, fits_fn *fits)
{
	const struct sockets_row *found = NULL;

	for (size_t i = 0; i < family->sockets.n; i++) {
		const struct sockets_row *row = &family->sockets.rows[i];

		if (!is_candidate(family, row) || !fits(family, row))
			continue;
		if (found)
			return NULL;
		found = row;
	}
	return found;
}

static bool fits_parent(const struct family *family, const struct sockets_row *row)
{
	return family->parent.stat.pid && member_has(&family->parent, row->inode);
}

static bool fits_always(const struct family *family, const struct sockets_row *row)
{
	/* A multi-call binary may be the client: its socket connected, so it inherited nothing. */
	return row->facts.reuse || !server_get(family->query->server)->may_be_client;
}

/* Accepted sockets have it from their listener, the connecting ends of forwards have it not. */
static bool fits_accepted(const struct family *family, const struct sockets_row *row)
{
	(void)family;
	return row->facts.reuse;
}

static const struct sockets_row *choose_own(struct family *family)
{
	const struct sockets_row *own = only_one(family, fits_parent);

	if (own) {
		family->parent_is_holder = true;
		return own;
	}
	own = only_one(family, fits_always);
	return own ? own : only_one(family, fits_accepted);
}

static void count_connected(struct family *family)
{
	for (size_t i = 0; i < family->sockets.n; i++)
		if (is_candidate(family, &family->sockets.rows[i]))
			family->n_connected++;
}

/* Takes over the member. */
static void add_holder(struct family *family, struct member *member)
{
	if (family->n_holders == HOLDERS_MAX) {
		family->all_known = false;
		member_deinit(member);
		return;
	}
	family->holders[family->n_holders++] = *member;
	memset(member, 0, sizeof(*member));
}

/* A child that runs something else than the server. */
static void take_other_child(struct family *family, int32_t pid)
{
	struct procstat_status status;
	struct procstat stat;

	if (procstat_read(pid, &stat) < 0 || procstat_has_ended(&stat))
		return;
	if (process_status(pid, &status) < 0)
		return;
	family->other_child = true;
	if (family->child_uid == UINT32_MAX)
		family->child_uid = status.uid;
}

static void look_at_child(struct family *family, int32_t pid)
{
	char executable[PROCESS_EXECUTABLE_BYTES];
	struct member member = { 0 };
	enum server_id id;

	if (process_executable(pid, executable) < 0)
		return;
	if (server_by_executable(executable, &id) < 0 || id != family->query->server) {
		take_other_child(family, pid);
		return;
	}
	if (member_read(pid, family->query->server, &member) < 0)
		return;
	for (size_t i = 0; i < family->sockets.n; i++) {
		const struct sockets_row *row = &family->sockets.rows[i];

		if (is_candidate(family, row) && member_has(&member, row->inode)) {
			family->child_is_holder = true;
			family->own = row;
		}
	}
	member_deinit(&member);
}

static int read_children(struct family *family)
{
	const struct procstat *stat = &family->holders[0].stat;
	int r = children_read(stat->pid, stat->n_threads, &family->children);

	if (r < 0)
		return r;
	for (size_t i = 0; i < family->children.n; i++)
		look_at_child(family, family->children.pids[i]);
	return 0;
}

/* The other children of the parent: sshd's [net] and [pam] stand side by side. */
static int read_siblings(struct family *family)
{
	const struct procstat *parent = &family->holders[1].stat;
	struct process_list pids = { 0 };
	int r = children_read(parent->pid, parent->n_threads, &pids);

	for (size_t i = 0; r == 0 && i < pids.n; i++) {
		struct member member = { 0 };

		if (pids.pids[i] == family->query->pid ||
		    member_read(pids.pids[i], family->query->server, &member) < 0)
			continue;
		if (member_has(&member, family->own->inode))
			add_holder(family, &member);
		else
			member_deinit(&member);
	}
	process_list_deinit(&pids);
	return r;
}

/* What stands above the holders, if it is of the same server, waits for connections. */
static int read_above(struct family *family)
{
	if (!family->parent_is_holder) {
		family->listener = family->parent;
		memset(&family->parent, 0, sizeof(family->parent));
		return 0;
	}
	(void)member_read(family->parent.stat.parent, family->query->server, &family->listener);
	add_holder(family, &family->parent);
	return read_siblings(family);
}

static bool has_end(const struct member *member, uint64_t inode, bool writing)
{
	for (size_t i = 0; i < member->descriptors.n; i++) {
		const struct process_descriptor *row = &member->descriptors.rows[i];
		uint32_t flags;

		if (row->target != TARGET_PIPE || row->inode != inode)
			continue;
		/* Gone in the meantime: rather a pipe than none. */
		if (process_descriptor_flags(member->stat.pid, row->fd, &flags) < 0)
			return true;
		if (((flags & O_ACCMODE) == O_RDONLY) != writing)
			return true;
	}
	return false;
}

static bool has_pipe_to(const struct member *holder, const struct member *listener)
{
	for (size_t i = 0; i < holder->descriptors.n; i++) {
		const struct process_descriptor *row = &holder->descriptors.rows[i];

		/* Both may have inherited the writing end of a log. */
		if (row->target == TARGET_PIPE && has_end(listener, row->inode, false) &&
		    has_end(holder, row->inode, true))
			return true;
	}
	return false;
}

/* Returns whether it is in a pid namespace below ours. */
static bool describe_holder(const struct member *member, struct server_holder *holder)
{
	struct procstat_status status;

	if (process_status(member->stat.pid, &status) < 0)
		return false;
	*holder = (struct server_holder){
		.age_ns = process_age_ns(member->stat.start_ticks),
		.uid = status.uid,
		.seccomp = status.seccomp,
		.n_filters = status.n_filters,
		.caught = status.caught,
		.no_new_privs = status.no_new_privs,
		.known = true,
	};
	(void)text_copy(member->executable, holder->executable, sizeof(holder->executable));
	return status.nested;
}

static bool listens(const struct family *family)
{
	for (size_t i = 0; i < family->sockets.n; i++)
		if (family->sockets.rows[i].facts.family == SOCKET_TCP &&
		    family->sockets.rows[i].facts.listening)
			return true;
	return false;
}

static bool is_authenticated(struct family *family, uint32_t *ret_ledger_uid)
{
	struct server_holder holders[HOLDERS_MAX] = { 0 };
	struct server_shape shape = { .holders = holders, .n_holders = family->n_holders };
	uint32_t flags;

	if (!family->all_known ||
	    process_descriptor_flags(family->query->pid, family->own->fd, &flags) < 0)
		return false;
	for (size_t i = 0; i < family->n_holders; i++) {
		family->nested =
			describe_holder(&family->holders[i], &holders[i]) || family->nested;
		if (has_pipe_to(&family->holders[i], &family->listener))
			shape.pipe_to_listener = true;
	}
	/* In a container the user with that number may be anybody. */
	shape.privsep_uid = family->nested ? UINT32_MAX : family->query->privsep_uid;
	shape.parent_is_holder = family->parent_is_holder;
	shape.socket_blocking = !(flags & O_NONBLOCK);
	shape.per_connection = family->listener.stat.pid == 0;
	shape.other_child = family->other_child;
	shape.has_forward = listens(family) || family->n_connected > 1;
	*ret_ledger_uid = holders[0].uid;
	return server_get(family->query->server)->is_authenticated(&shape);
}

static int read_cookie(const struct family *family, uint64_t *ret_cookie)
{
	auto_close int fd = -1;
	int r;

	if (family->sockets.refused) {
		*ret_cookie = diag_cookie(&family->own->diag);
		return 0;
	}
	r = process_borrow(family->pidfd, family->own->fd, &fd);
	return r < 0 ? r : socket_cookie(fd, ret_cookie);
}

static int64_t started_at_ns(uint64_t start_ticks)
{
	/* After a suspend it comes out too early, which bounds nothing wrongly. */
	int64_t at_ns = clock_ns(CLOCK_MONOTONIC) - process_age_ns(start_ticks);

	return at_ns > 0 ? at_ns : 0;
}

static void fill_facts(const struct family *family, uint32_t ledger_uid,
		       struct session_facts *facts)
{
	const struct socket_facts *socket = &family->own->facts;

	facts->started_at_ns = started_at_ns(family->holders[0].stat.start_ticks);
	facts->server = family->query->server;
	facts->container = family->nested;
	facts->uid = server_get(family->query->server)->user(ledger_uid, family->child_uid);
	facts->peer_port = socket->peer_port;
	facts->local_port = socket->local_port;
	facts->peer = socket->peer;
	facts->local = socket->local;
}

static int family_read(struct family *family, enum connection_state *state)
{
	/* The pidfd first: what is read while it lives is of this process, however pids are reused.
	 */
	int r = process_open(family->query->pid, &family->pidfd);

	*state = CONNECTION_NONE;
	if (r == 0)
		r = member_read(family->query->pid, family->query->server, &family->holders[0]);
	if (r < 0)
		return r == -ENOENT || r == -EINVAL ? -ESRCH : r;
	family->n_holders = 1;
	r = sockets_read(family->pidfd, &family->holders[0].descriptors, SOCKETS_EITHER,
			 &family->sockets);
	if (r < 0)
		return r;
	count_connected(family);
	if (family->n_connected == 0)
		return 0;
	(void)member_read(family->holders[0].stat.parent, family->query->server, &family->parent);
	family->own = choose_own(family);
	r = read_children(family);
	if (r < 0)
		return r;
	if (family->child_is_holder)
		*state = CONNECTION_HELPER;
	else if (family->own)
		*state = CONNECTION_PENDING;
	else
		*state = CONNECTION_AMBIGUOUS;
	return *state == CONNECTION_PENDING ? read_above(family) : 0;
}

int connection_examine(const struct connection_query *query, enum connection_state *ret_state,
		       struct connection *ret_connection)
{
	struct family family = {
		.query = query, .child_uid = UINT32_MAX, .pidfd = -1, .all_known = true
	};
	struct connection connection = { .fd = -1, .pidfd = -1 };
	enum connection_state state;
	uint32_t ledger_uid;
	int r;

	children_hold();
	r = family_read(&family, &state);
	children_release();
	if (r == 0 && family.own)
		r = read_cookie(&family, &connection.facts.identity.cookie);
	if (r < 0) {
		family_deinit(&family);
		return r;
	}
	connection.refused = family.sockets.refused;
	connection.facts.identity.pid = query->pid;
	connection.facts.identity.start_ticks = family.holders[0].stat.start_ticks;
	if (state == CONNECTION_PENDING && is_authenticated(&family, &ledger_uid)) {
		state = CONNECTION_OPEN;
		fill_facts(&family, ledger_uid, &connection.facts);
		connection.inode = family.own->inode;
		connection.fd = family.own->fd;
		connection.diag = family.own->diag;
		connection.pidfd = take_fd(&family.pidfd);
		if (family.parent_is_holder)
			connection.parent = family.holders[0].stat.parent;
	}
	*ret_state = state;
	*ret_connection = connection;
	family_deinit(&family);
	return 0;
}
