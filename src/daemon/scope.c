#include "daemon/scope.h"

#include "daemon/bus.h"

#if HAVE_SYSTEMD

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/read.h"

#define MOVE_LOOKS   200
#define MOVE_LOOK_MS 10
/* A shell that starts one process after the other: what was born while others were moved. */
#define ROUNDS_MAX 10

#define CGROUP_BYTES 1024

struct scope {
	sd_bus *bus;
	char name[64], slice[32];
	char home[CGROUP_BYTES]; /* where the leader was: its login session, or the server's unit */
};

static int append_pids(sd_bus_message *message, const struct process_list *pids)
{
	int r = bus_library.message_open_container(message, 'a', "u");

	for (size_t i = 0; r >= 0 && i < pids->n; i++)
		r = bus_library.message_append(message, "u", (uint32_t)pids->pids[i]);
	return r < 0 ? r : bus_library.message_close_container(message);
}

/* The property PIDs, as sd_bus_message_append() takes no array of unknown length. */
static int append_pids_property(sd_bus_message *message, const struct process_list *pids)
{
	int r = bus_library.message_open_container(message, 'r', "sv");

	if (r >= 0)
		r = bus_library.message_append(message, "s", "PIDs");
	if (r >= 0)
		r = bus_library.message_open_container(message, 'v', "au");
	if (r >= 0)
		r = append_pids(message, pids);
	if (r >= 0)
		r = bus_library.message_close_container(message);
	return r < 0 ? r : bus_library.message_close_container(message);
}

static int start(const struct scope *scope, const struct process_list *pids)
{
	sd_bus_message *message = NULL;
	int r = bus_new_unit(scope->bus, scope->name, &message);

	if (r >= 0)
		r = bus_library.message_append(message, "(sv)(sv)(sv)(sv)", "Description", "s",
					       "Parked terminal", "Slice", "s", scope->slice,
					       "SendSIGHUP", "b", 1, "CollectMode", "s",
					       "inactive-or-failed");
	if (r >= 0)
		r = append_pids_property(message, pids);
	return bus_start_unit(scope->bus, message, r);
}

static int attach(const struct scope *scope, const struct process_list *pids)
{
	sd_bus_message *message = NULL;
	int r = bus_new_call(scope->bus, "AttachProcessesToUnit", &message);

	if (r >= 0)
		r = bus_library.message_append(message, "ss", scope->name, "");
	if (r >= 0)
		r = append_pids(message, pids);
	return bus_call(scope->bus, message, r);
}

/* What stands behind a mark in one of the lines; false: no such line, or nothing but "/". */
static bool take_path(const char *text, const char *mark, char ret_path[static CGROUP_BYTES])
{
	const char *at = strstr(text, mark);
	size_t n;

	if (!at)
		return false;
	at += strlen(mark);
	n = strcspn(at, "\n");
	memcpy(ret_path, at, n);
	ret_path[n] = '\0';
	return n > 1;
}

/* Where systemd has it: in the unified hierarchy, or in one of its own. -ESRCH: it has ended. */
static int read_cgroup(int32_t pid, char ret_path[static CGROUP_BYTES])
{
	char text[CGROUP_BYTES];
	size_t n;
	int r = read_file(text, sizeof(text) - 1, &n, "/proc/%d/cgroup", pid);

	if (r < 0)
		return r;
	text[n] = '\0';
	ret_path[0] = '\0';
	if (!take_path(text, "0::", ret_path))
		(void)take_path(text, ":name=systemd:", ret_path);
	return 0;
}

/* Also when it has ended, which is as well. */
static bool is_inside(const struct scope *scope, int32_t pid)
{
	char text[CGROUP_BYTES];
	int r = read_cgroup(pid, text);

	return r == -ESRCH || (r == 0 && strstr(text, scope->name));
}

/*
 * 1: it would end with the login session: it is where the leader is, or elsewhere in the user's slice, and not in the
 * scope yet.  What has a place of its own beside that, as a container has, lives on, and would not survive being taken
 * out of it.
 */
static int is_outside(const struct scope *scope, int32_t pid)
{
	char text[CGROUP_BYTES], slice[sizeof(scope->slice) + 2];
	int r = read_cgroup(pid, text);

	if (r < 0)
		return r == -ESRCH ? 0 : r;
	(void)snprintf(slice, sizeof(slice), "/%s/", scope->slice);
	return !strstr(text, scope->name) &&
	       (strcmp(text, scope->home) == 0 || strstr(text, slice) != NULL);
}

/* The unit is started by a job, a moment after the answer. */
static int wait_for(const struct scope *scope, const struct process_list *pids)
{
	for (int look = 0; look < MOVE_LOOKS; look++) {
		size_t n = 0;

		for (size_t i = 0; i < pids->n; i++)
			n += is_inside(scope, pids->pids[i]);
		if (n == pids->n)
			return 0;
		(void)poll(NULL, 0, MOVE_LOOK_MS);
	}
	return -ETIMEDOUT;
}

/* Those of the terminal that are not in it yet. */
static int find_outside(const struct scope *scope, const struct kin_leader *leader,
			struct process_list *ret_pids)
{
	struct process_list all = { 0 };
	int r = kin_find(leader, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		r = is_outside(scope, all.pids[i]);
		if (r > 0)
			r = process_list_push(ret_pids, all.pids[i]);
	}
	process_list_deinit(&all);
	return r;
}

/* 1: all that was outside has been moved; 0: nobody is outside. */
static int move_round(const struct scope *scope, const struct kin_leader *leader, bool started)
{
	struct process_list pids = { 0 };
	int r = started ? 0 : process_list_push(&pids, getpid());

	if (r == 0)
		r = find_outside(scope, leader, &pids);
	if (r == 0 && pids.n > 0) {
		r = started ? attach(scope, &pids) : start(scope, &pids);
		if (r == 0)
			r = wait_for(scope, &pids);
		if (r == 0)
			r = 1;
	}
	process_list_deinit(&pids);
	return r;
}

static int move_all(const struct scope *scope, const struct kin_leader *leader)
{
	bool started = false;

	for (int round = 0; round < ROUNDS_MAX; round++) {
		int r = move_round(scope, leader, started);

		/* One that has ended meanwhile spoils the whole list: the next round is without it. */
		if (r != -ESRCH && r <= 0)
			return r;
		started = started || r == 1;
	}
	return -ETIMEDOUT;
}

int scope_make(uint32_t id, uint32_t uid, const struct kin_leader *leader)
{
	struct scope scope = { 0 };
	int r;

	if (!bus_is_there())
		return 0;
	/* With our own pid: the scope of a park that was cancelled stays, with the shell in it. */
	(void)snprintf(scope.name, sizeof(scope.name), "sshidle-parked-%u-%d.scope", id, getpid());
	(void)snprintf(scope.slice, sizeof(scope.slice), "user-%u.slice", uid);
	/* Whether that is still the leader's is seen by kin_find(). */
	r = read_cgroup(leader->pid, scope.home);
	if (r == 0)
		r = bus_open(&scope.bus);
	if (r < 0)
		return r;
	r = move_all(&scope, leader);
	bus_library.close_unref(scope.bus);
	return r;
}

#else

int scope_make(uint32_t id, uint32_t uid, const struct kin_leader *leader)
{
	(void)id;
	(void)uid;
	(void)leader;
	return 0;
}

#endif
