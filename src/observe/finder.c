/*
 * Most processes of a host are none of ours, so the finder asks each only once: when its pid is handed
 * out.  The kernel tells the last one; what lies between it and that of the look before is the window.  Thread
 * ids and pids that are gone already are among them, and cost a system call each.
 *
 * Three things would be missed that way, and each has its own remedy:
 *
 *   a process that execs a server after it was asked     is asked again in the next seconds (`young`)
 *   a server's process that is no session yet            is looked at again each time (`roster`)
 *   everything else, as pids that were set by hand       a walk over /proc once a minute
 *
 * The walk asks only pids that were not there at the walk before.
 */
#include "observe/finder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/pids.h"
#include "base/text.h"
#include "observe/connection.h"
#include "observe/process.h"
#include "observe/roster.h"

#define WALK_EVERY_NS  (60 * NS_PER_S)
#define YOUNG_EVERY_NS (200 * NS_PER_MS)
#define YOUNG_AGES     3 /* times a second: so long a process is asked again */

/* A server's process that holds no connection after this time is a listener or a helper. */
#define SETTLED_NS (5 * NS_PER_S)

enum trouble { TROUBLE_EXECUTABLE, TROUBLE_CALL, TROUBLE_BORROW, TROUBLE_AMBIGUOUS, TROUBLE_N };

static const char *const troubles[TROUBLE_N] = {
	[TROUBLE_EXECUTABLE] =
		"the executables of other users' processes cannot be read (CAP_SYS_PTRACE is "
		"missing): their sessions are not seen",
	[TROUBLE_CALL] =
		"pidfd_open(2) is refused, as by the filter of a container: sessions are not seen",
	[TROUBLE_BORROW] =
		"sockets cannot be borrowed (pidfd_getfd is refused, as by Yama's scope 3) and are looked at "
		"through INET_DIAG: nobody is warned or pinged, nothing is parked, one terminal of several "
		"is not ended alone, sessions in other network namespaces are not seen",
	[TROUBLE_AMBIGUOUS] =
		"a connection with forwarded ones beside it cannot be told from them: it is left alone",
};

/* One bit for each pid. */
struct pid_set {
	uint8_t *bits;
	size_t size;
};

struct finder {
	finder_found_fn *found;
	void *context;
	struct roster roster;
	struct process_list young[YOUNG_AGES]; /* [0]: of this second ... */
	size_t n_young;			       /* ... and so many of them of earlier looks */
	struct pid_set walked, walking;	       /* pids at the last walk, and so far at this one */
	struct pids walk;
	int64_t walked_at_ns, young_at_ns, aged_at_ns;
	int64_t deadline_ns; /* of this call */
	int32_t last_pid;    /* all up to this one were asked; 0 at the start */
	int32_t pending_pid; /* this look's pass over the pending rows goes on here */
	uint32_t privsep_uid;
	uint32_t n_asked, n_denied; /* executables that could be read, and could not */
	uint32_t troubles_seen, troubles_said;
	bool walked_once;
	bool under_way; /* a look that did not fit into one call */
	bool no_window; /* the last pid is not told: each look is a walk */
};

/* A slice is of our own CPU time: on a busy host a slice of the wall's would be over before it began. */
static bool is_late(const struct finder *finder)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) >= finder->deadline_ns;
}

static void pid_set_clear(struct pid_set *set)
{
	free(set->bits);
	*set = (struct pid_set){ 0 };
}

static bool pid_set_has(const struct pid_set *set, int32_t pid)
{
	size_t byte = (size_t)pid / 8;

	return byte < set->size && (set->bits[byte] >> (pid % 8) & 1);
}

static int pid_set_add(struct pid_set *set, int32_t pid)
{
	size_t byte = (size_t)pid / 8;

	if (byte >= set->size) {
		size_t size = (byte | 4095) + 1;
		uint8_t *bits = realloc(set->bits, size);

		if (!bits)
			return -ENOMEM;
		memset(bits + set->size, 0, size - set->size);
		set->bits = bits;
		set->size = size;
	}
	set->bits[byte] |= (uint8_t)(1U << (pid % 8));
	return 0;
}

static void note_trouble(struct finder *finder, enum trouble trouble)
{
	finder->troubles_seen |= 1U << trouble;
}

const char *finder_trouble(struct finder *finder)
{
	for (uint32_t i = 0; i < TROUBLE_N; i++) {
		uint32_t bit = 1U << i;

		if (!(finder->troubles_seen & bit) || (finder->troubles_said & bit))
			continue;
		finder->troubles_said |= bit;
		return troubles[i];
	}
	return NULL;
}

int finder_new(uint32_t privsep_uid, finder_found_fn *found, void *context,
	       struct finder **ret_finder)
{
	struct finder *finder = calloc(1, sizeof(*finder));

	if (!finder)
		return -ENOMEM;
	finder->walk.fd = -1;
	finder->found = found;
	finder->context = context;
	finder->privsep_uid = privsep_uid;
	*ret_finder = finder;
	return 0;
}

void finder_free(struct finder *finder)
{
	if (!finder)
		return;
	roster_deinit(&finder->roster);
	for (size_t i = 0; i < YOUNG_AGES; i++)
		process_list_deinit(&finder->young[i]);
	pid_set_clear(&finder->walked);
	pid_set_clear(&finder->walking);
	pids_close(&finder->walk);
	free(finder);
}

void finder_forget(struct finder *finder, const struct session_identity *identity)
{
	roster_reopen(&finder->roster, identity->cookie);
}

/* Hands over a new session. The callback may forget others, so no row is used after it. */
static void hand_over(struct finder *finder, int32_t pid, struct connection *connection)
{
	struct roster_row *row = roster_find(&finder->roster, pid);
	struct watch *watch;

	if (roster_has_session(&finder->roster, connection->facts.identity.cookie)) {
		/* A coming shell between fork and exec: the older process is the right one. */
		row->state = ROSTER_RESTING;
		(void)close(connection->pidfd);
		return;
	}
	if (watch_new(connection, &watch) < 0)
		return;
	row->state = ROSTER_SESSION;
	finder->found(finder->context, watch);
}

static void sort_out(struct finder *finder, int32_t pid, enum connection_state state,
		     struct connection *connection)
{
	struct roster_row *row = roster_find(&finder->roster, pid);

	row->cookie = connection->facts.identity.cookie;
	row->start_ticks = connection->facts.identity.start_ticks;
	row->state = ROSTER_PENDING;
	switch (state) {
	case CONNECTION_NONE:
		if (process_age_ns(row->start_ticks) >= SETTLED_NS)
			row->state = ROSTER_RESTING;
		break;
	case CONNECTION_HELPER:
		if (roster_has_session(&finder->roster, row->cookie))
			row->state = ROSTER_RESTING;
		break;
	case CONNECTION_PENDING:
		break;
	case CONNECTION_AMBIGUOUS:
		note_trouble(finder, TROUBLE_AMBIGUOUS);
		break;
	case CONNECTION_OPEN:
		hand_over(finder, pid, connection);
		break;
	}
}

/* Looks at a process of a server that is in the roster. */
static void examine(struct finder *finder, int32_t pid, enum server_id server)
{
	struct connection_query query = { .pid = pid,
					  .server = server,
					  .privsep_uid = finder->privsep_uid };
	struct connection connection;
	enum connection_state state;
	int r = connection_examine(&query, &state, &connection);

	if (r == 0 && connection.refused)
		note_trouble(finder, TROUBLE_BORROW);
	/* What cannot be read in /proc is -EACCES. */
	if (r == -ENOSYS || r == -EPERM)
		note_trouble(finder, TROUBLE_CALL);
	if (r == -ESRCH)
		roster_remove(&finder->roster, pid);
	else if (r == 0)
		sort_out(finder, pid, state, &connection);
}

/* What cannot be read now is taken for the same: or its session would be found a second time. */
static bool is_same_process(const struct roster_row *row)
{
	struct procstat stat;
	const int r = procstat_read(row->pid, &stat);

	return r < 0 ? r != -ESRCH : stat.start_ticks == row->start_ticks;
}

/* An answer that stays the same: others are for want of memory or descriptors. */
static bool is_final(int error)
{
	return error == -ENOENT || error == -ESRCH || error == -EACCES || error == -EPERM;
}

/* Asks one process what it runs. 1: it exists and is none of a server's; -errno: it is to be asked
 * again. */
static int ask(struct finder *finder, int32_t pid)
{
	char name[PROCESS_EXECUTABLE_BYTES];
	struct roster_row *row;
	enum server_id server;
	int r = process_executable(pid, name);

	if (r == -EACCES)
		finder->n_denied++;
	if (r < 0)
		return is_final(r) ? 0 : r;
	finder->n_asked++;
	row = roster_find(&finder->roster, pid);
	if (server_by_executable(name, &server) < 0) {
		if (row)
			roster_remove(&finder->roster, pid);
		return 1;
	}
	if (row && is_same_process(row))
		return 0;
	if (row)
		roster_remove(&finder->roster, pid);
	r = roster_add(&finder->roster, pid, server, &row);
	if (r < 0)
		return r;
	examine(finder, pid, server);
	return 0;
}

static int32_t pid_max(void)
{
	/* The highest there can be on 64 bits; pids that are not there cost 0.2 us each, at a wrap only. */
	enum { PID_MAX_LIMIT = 4 * 1024 * 1024, PID_MAX_DEFAULT = 32768 };
	auto_fclose FILE *file = fopen("/proc/sys/kernel/pid_max", "re");
	char text[16];
	uint64_t max;

	if (!file)
		return PID_MAX_DEFAULT;
	if (!fgets(text, sizeof(text), file))
		return PID_MAX_LIMIT;
	text[strcspn(text, "\n")] = '\0';
	if (text_to_u64(text, PID_MAX_LIMIT, &max) < 0 || max == 0)
		return PID_MAX_LIMIT;
	return (int32_t)max;
}

/* Asks the pids from `last_pid` + 1 to `end`. Returns false when the time is over. */
static bool ask_range(struct finder *finder, int32_t end)
{
	while (finder->last_pid < end) {
		int32_t pid = ++finder->last_pid;

		if (kill(pid, 0) < 0 && errno == ESRCH)
			continue;
		if (ask(finder, pid) != 0)
			(void)process_list_push(&finder->young[0], pid);
		if (is_late(finder))
			return false;
	}
	return true;
}

/* All pids handed out since the last look. */
static int ask_window(struct finder *finder)
{
	int32_t newest;
	int r = process_last_pid(&newest);

	finder->no_window = r < 0;
	if (r < 0)
		return 0;
	/* At the start the walk sees all that are older. */
	if (finder->last_pid == 0)
		finder->last_pid = newest;
	if (newest < finder->last_pid) {
		if (!ask_range(finder, pid_max()))
			return 1;
		finder->last_pid = 0;
	}
	if (!ask_range(finder, newest))
		return 1;
	return 0;
}

/* A process that was foreign may have become a server by exec: inetd and its like. */
static void ask_young(struct finder *finder, int64_t now_ns)
{
	if (now_ns - finder->young_at_ns < YOUNG_EVERY_NS)
		return;
	finder->young_at_ns = now_ns;
	for (size_t age = 0; age < YOUNG_AGES; age++) {
		struct process_list *young = &finder->young[age];
		size_t kept = 0;

		/* Who was asked for the first time a moment ago waits for the next look. */
		for (size_t i = 0; i < young->n; i++)
			if ((age == 0 && i >= finder->n_young) || ask(finder, young->pids[i]) != 0)
				young->pids[kept++] = young->pids[i];
		young->n = kept;
	}
	if (now_ns - finder->aged_at_ns < NS_PER_S)
		return;
	finder->aged_at_ns = now_ns;
	process_list_deinit(&finder->young[YOUNG_AGES - 1]);
	memmove(&finder->young[1], &finder->young[0], (YOUNG_AGES - 1) * sizeof(finder->young[0]));
	finder->young[0] = (struct process_list){ 0 };
}

static bool look_at_pending(struct finder *finder)
{
	struct roster_row *row;

	while ((row = roster_pending_from(&finder->roster, finder->pending_pid)) != NULL) {
		finder->pending_pid = row->pid + 1;
		examine(finder, row->pid, (enum server_id)row->server);
		if (is_late(finder))
			return false;
	}
	finder->pending_pid = INT32_MAX;
	return true;
}

static void drop_vanished(struct finder *finder)
{
	struct roster *roster = &finder->roster;

	for (size_t i = roster->n; i > 0; i--) {
		const struct roster_row *row = &roster->rows[i - 1];

		if (row->state == ROSTER_RESTING && !pid_set_has(&finder->walking, row->pid))
			roster_remove(roster, row->pid);
	}
}

static void walk_finish(struct finder *finder, int64_t now_ns)
{
	pids_close(&finder->walk);
	drop_vanished(finder);
	pid_set_clear(&finder->walked);
	finder->walked = finder->walking;
	finder->walking = (struct pid_set){ 0 };
	finder->walked_at_ns = now_ns;
	/* One or two that are better guarded than others are no trouble. */
	if (finder->n_denied > finder->n_asked)
		note_trouble(finder, TROUBLE_EXECUTABLE);
	finder->walked_once = true;
}

/* Half a walk says nothing of who has gone: the next look begins anew. */
static void walk_leave(struct finder *finder)
{
	pids_close(&finder->walk);
	pid_set_clear(&finder->walking);
}

/* Who cannot be asked now is asked again soon; so is who is new, where walks are all there is. */
static void ask_in_walk(struct finder *finder, int32_t pid)
{
	const int r = ask(finder, pid);

	if (r < 0 || (r > 0 && finder->no_window && finder->walked_once))
		(void)process_list_push(&finder->young[0], pid);
}

/* 1: the time is over. */
static int walk(struct finder *finder, int64_t now_ns)
{
	int r = 0;

	if (finder->walk.fd < 0) {
		if (finder->walked_once && !finder->no_window &&
		    now_ns - finder->walked_at_ns < WALK_EVERY_NS)
			return 0;
		r = pids_open(&finder->walk);
	}
	while (r == 0) {
		int32_t pid = 0;

		r = pids_next(&finder->walk, &pid);
		if (r <= 0)
			break;
		if (!pid_set_has(&finder->walked, pid))
			ask_in_walk(finder, pid);
		r = pid_set_add(&finder->walking, pid);
		if (r == 0 && is_late(finder))
			return 1;
	}
	if (r == 0)
		walk_finish(finder, now_ns);
	else
		walk_leave(finder);
	return r;
}

int finder_look(struct finder *finder, int64_t now_ns, int64_t slice_ns)
{
	int r;

	finder->deadline_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + slice_ns;
	r = ask_window(finder);
	if (r != 0)
		return r;
	/* Once in each look, or a slow host would never get to its end. */
	if (!finder->under_way) {
		finder->under_way = true;
		finder->pending_pid = 0;
		ask_young(finder, now_ns);
	}
	if (!look_at_pending(finder))
		return 1;
	r = walk(finder, now_ns);
	finder->under_way = r == 1;
	finder->n_young = finder->young[0].n;
	return r;
}
