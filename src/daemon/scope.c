#include "daemon/scope.h"

#include "config.h"

#if HAVE_SYSTEMD

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/read.h"

/* systemd's own socket: it is there without a D-Bus daemon, and open to root alone. */
#define MANAGER_ADDRESS "unix:path=/run/systemd/private"
#define MANAGER_NAME	"org.freedesktop.systemd1"
#define MANAGER_PATH	"/org/freedesktop/systemd1"
#define MANAGER_FACE	"org.freedesktop.systemd1.Manager"

#define CALL_USEC    5000000
#define MOVE_LOOKS   200
#define MOVE_LOOK_MS 10
/* A shell that starts one process after the other: what was born while others were moved. */
#define ROUNDS_MAX 10

#define CGROUP_BYTES 1024

/* What is used of libsystemd. */
#define LIBRARY_FILE "libsystemd.so.0"
#define LIBRARY(F)                 \
	F(new)                     \
	F(set_address)             \
	F(start)                   \
	F(call)                    \
	F(close_unref)             \
	F(message_new_method_call) \
	F(message_append)          \
	F(message_open_container)  \
	F(message_close_container) \
	F(message_unref)

struct scope {
	sd_bus *bus;
	char name[64], slice[32];
	char home[CGROUP_BYTES]; /* where the leader was: its login session, or the server's unit */
};

#define MEMBER(name) __typeof__(sd_bus_##name) *name;
static struct {
	LIBRARY(MEMBER)
} library;

/*
 * Loaded by the process that makes a scope: else the daemon's would hold it, and the four libraries that it brings,
 * all their life, for what happens seldom.  It is not unloaded, as this process runs the keeper next.
 */
static int load_library(void)
{
#define NAME(name) { "sd_bus_" #name, &library.name },
	const struct {
		const char *name;
		void *place; /* of a pointer to a function, which is none to an object in ISO C */
	} functions[] = { LIBRARY(NAME) };
	void *file = dlopen(LIBRARY_FILE, RTLD_NOW);

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = file ? dlsym(file, functions[i].name) : NULL;

		if (!function)
			return -ELIBACC;
		memcpy(functions[i].place, &function, sizeof(function));
	}
	return 0;
}

/* As sd_booted(3). */
static bool is_booted_with_systemd(void)
{
	return faccessat(AT_FDCWD, "/run/systemd/system/", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int append_pids(sd_bus_message *message, const struct process_list *pids)
{
	int r = library.message_open_container(message, 'a', "u");

	for (size_t i = 0; r >= 0 && i < pids->n; i++)
		r = library.message_append(message, "u", (uint32_t)pids->pids[i]);
	return r < 0 ? r : library.message_close_container(message);
}

/* The property PIDs, as sd_bus_message_append() takes no array of unknown length. */
static int append_pids_property(sd_bus_message *message, const struct process_list *pids)
{
	int r = library.message_open_container(message, 'r', "sv");

	if (r >= 0)
		r = library.message_append(message, "s", "PIDs");
	if (r >= 0)
		r = library.message_open_container(message, 'v', "au");
	if (r >= 0)
		r = append_pids(message, pids);
	if (r >= 0)
		r = library.message_close_container(message);
	return r < 0 ? r : library.message_close_container(message);
}

static int new_call(const struct scope *scope, const char *method, sd_bus_message **ret_message)
{
	return library.message_new_method_call(scope->bus, ret_message, MANAGER_NAME, MANAGER_PATH,
					       MANAGER_FACE, method);
}

static int start(const struct scope *scope, const struct process_list *pids)
{
	sd_bus_message *message = NULL;
	int r = new_call(scope, "StartTransientUnit", &message);

	if (r >= 0)
		r = library.message_append(message, "ss", scope->name, "fail");
	if (r >= 0)
		r = library.message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = library.message_append(message, "(sv)(sv)(sv)(sv)", "Description", "s",
					   "Parked terminal", "Slice", "s", scope->slice,
					   "SendSIGHUP", "b", 1, "CollectMode", "s",
					   "inactive-or-failed");
	if (r >= 0)
		r = append_pids_property(message, pids);
	if (r >= 0)
		r = library.message_close_container(message);
	if (r >= 0)
		r = library.message_append(message, "a(sa(sv))", 0);
	if (r >= 0)
		r = library.call(scope->bus, message, CALL_USEC, NULL, NULL);
	library.message_unref(message);
	return r < 0 ? r : 0;
}

static int attach(const struct scope *scope, const struct process_list *pids)
{
	sd_bus_message *message = NULL;
	int r = new_call(scope, "AttachProcessesToUnit", &message);

	if (r >= 0)
		r = library.message_append(message, "ss", scope->name, "");
	if (r >= 0)
		r = append_pids(message, pids);
	if (r >= 0)
		r = library.call(scope->bus, message, CALL_USEC, NULL, NULL);
	library.message_unref(message);
	return r < 0 ? r : 0;
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

	if (!is_booted_with_systemd())
		return 0;
	/* With our own pid: the scope of a park that was cancelled stays, with the shell in it. */
	(void)snprintf(scope.name, sizeof(scope.name), "sshidle-parked-%u-%d.scope", id, getpid());
	(void)snprintf(scope.slice, sizeof(scope.slice), "user-%u.slice", uid);
	/* Whether that is still the leader's is seen by kin_find(). */
	r = read_cgroup(leader->pid, scope.home);
	if (r == 0)
		r = load_library();
	if (r < 0)
		return r;
	r = library.new(&scope.bus);
	if (r >= 0)
		r = library.set_address(scope.bus, MANAGER_ADDRESS);
	if (r >= 0)
		r = library.start(scope.bus);
	if (r >= 0)
		r = move_all(&scope, leader);
	library.close_unref(scope.bus);
	return r < 0 ? r : 0;
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
