#include "daemon/scope.h"

#include "config.h"

#if HAVE_SYSTEMD

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/kin.h"

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

struct scope {
	sd_bus *bus;
	char name[64], slice[32];
};

static int append_pids(sd_bus_message *message, const struct process_list *pids)
{
	int r = sd_bus_message_open_container(message, 'a', "u");

	for (size_t i = 0; r >= 0 && i < pids->n; i++)
		r = sd_bus_message_append(message, "u", (uint32_t)pids->pids[i]);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

/* The property PIDs, as sd_bus_message_append() takes no array of unknown length. */
static int append_pids_property(sd_bus_message *message, const struct process_list *pids)
{
	int r = sd_bus_message_open_container(message, 'r', "sv");

	if (r >= 0)
		r = sd_bus_message_append(message, "s", "PIDs");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'v', "au");
	if (r >= 0)
		r = append_pids(message, pids);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int new_call(const struct scope *scope, const char *method, sd_bus_message **ret_message)
{
	return sd_bus_message_new_method_call(scope->bus, ret_message, MANAGER_NAME, MANAGER_PATH,
					      MANAGER_FACE, method);
}

static int start(const struct scope *scope, const struct process_list *pids)
{
	sd_bus_message *message = NULL;
	int r = new_call(scope, "StartTransientUnit", &message);

	if (r >= 0)
		r = sd_bus_message_append(message, "ss", scope->name, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(message, "(sv)(sv)(sv)(sv)", "Description", "s",
					  "Parked terminal", "Slice", "s", scope->slice,
					  "SendSIGHUP", "b", 1, "CollectMode", "s",
					  "inactive-or-failed");
	if (r >= 0)
		r = append_pids_property(message, pids);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_message_append(message, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(scope->bus, message, CALL_USEC, NULL, NULL);
	sd_bus_message_unref(message);
	return r < 0 ? r : 0;
}

static int attach(const struct scope *scope, const struct process_list *pids)
{
	sd_bus_message *message = NULL;
	int r = new_call(scope, "AttachProcessesToUnit", &message);

	if (r >= 0)
		r = sd_bus_message_append(message, "ss", scope->name, "");
	if (r >= 0)
		r = append_pids(message, pids);
	if (r >= 0)
		r = sd_bus_call(scope->bus, message, CALL_USEC, NULL, NULL);
	sd_bus_message_unref(message);
	return r < 0 ? r : 0;
}

/* Also when it has ended, which is as well. */
static bool is_inside(const struct scope *scope, int32_t pid)
{
	char path[48], text[1024];
	auto_close int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return true;
	text[n] = '\0';
	return strstr(text, scope->name) != NULL;
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
static int find_outside(const struct scope *scope, int32_t leader, struct process_list *ret_pids)
{
	struct process_list all = { 0 };
	int r = kin_find(leader, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++)
		if (!is_inside(scope, all.pids[i]))
			r = process_list_push(ret_pids, all.pids[i]);
	process_list_deinit(&all);
	return r;
}

/* 1: all that was outside has been moved; 0: nobody is outside. */
static int move_round(const struct scope *scope, int32_t leader, bool started)
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

static int move_all(const struct scope *scope, int32_t leader)
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

int scope_make(uint32_t id, uint32_t uid, int32_t leader)
{
	struct scope scope = { 0 };
	int r;

	if (sd_booted() <= 0)
		return 0;
	/* With our own pid: the scope of a park that was cancelled stays, with the shell in it. */
	(void)snprintf(scope.name, sizeof(scope.name), "sshidle-parked-%u-%d.scope", id, getpid());
	(void)snprintf(scope.slice, sizeof(scope.slice), "user-%u.slice", uid);
	r = sd_bus_new(&scope.bus);
	if (r >= 0)
		r = sd_bus_set_address(scope.bus, MANAGER_ADDRESS);
	if (r >= 0)
		r = sd_bus_start(scope.bus);
	if (r >= 0)
		r = move_all(&scope, leader);
	sd_bus_close_unref(scope.bus);
	return r < 0 ? r : 0;
}

#else

int scope_make(uint32_t id, uint32_t uid, int32_t leader)
{
	(void)id;
	(void)uid;
	(void)leader;
	return 0;
}

#endif
