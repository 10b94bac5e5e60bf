/* Which processes there are, what is below one of them, and which carry our mark. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/pids.h"
#include "base/read.h"
#include "base/text.h"
#include "cli/prove.h"

enum {
	ENVIRONMENT_BYTES = 65536,
	KILL_ROUNDS = 50, /* ... each with a pause */
	KILL_PAUSE_MS = 60,
};

static int add_process(void *context, int32_t pid)
{
	struct prove_snapshot *snapshot = context;
	struct procstat stat, *items;

	if (procstat_read(pid, &stat) < 0 || procstat_has_ended(&stat))
		return 0;
	items = reallocarray(snapshot->items, snapshot->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	snapshot->items = items;
	items[snapshot->n++] = stat;
	return 0;
}

int prove_survey_take(struct prove_snapshot *ret_snapshot)
{
	struct prove_snapshot snapshot = { 0 };
	int r = pids_each(add_process, &snapshot);

	if (r < 0)
		prove_survey_free(&snapshot);
	else
		*ret_snapshot = snapshot;
	return r;
}

void prove_survey_free(struct prove_snapshot *snapshot)
{
	free(snapshot->items);
	*snapshot = (struct prove_snapshot){ 0 };
}

static bool has(const struct prove_processes *processes, const struct procstat *stat)
{
	for (size_t i = 0; i < processes->n; i++)
		if (processes->items[i].pid == stat->pid &&
		    processes->items[i].start_ticks == stat->start_ticks)
			return true;
	return false;
}

/* A process takes another name when it executes a program: the last one counts. */
static void add(struct prove_processes *processes, const struct procstat *stat)
{
	for (size_t i = 0; i < processes->n; i++)
		if (processes->items[i].pid == stat->pid)
			memcpy(processes->items[i].name, stat->name, sizeof(stat->name));
	if (has(processes, stat) || processes->n == PROVE_PROCESSES_MAX)
		return;
	processes->items[processes->n] =
		(struct prove_process){ .start_ticks = stat->start_ticks, .pid = stat->pid };
	memcpy(processes->items[processes->n++].name, stat->name, sizeof(stat->name));
}

static bool is_below(const struct prove_snapshot *snapshot, const struct procstat *stat,
		     int32_t root)
{
	int32_t parent = stat->parent;

	/* No chain is longer than there are processes. */
	for (size_t steps = 0; parent > 1 && steps < snapshot->n; steps++) {
		const struct procstat *found = NULL;

		if (parent == root)
			return true;
		for (size_t i = 0; i < snapshot->n && !found; i++)
			if (snapshot->items[i].pid == parent)
				found = &snapshot->items[i];
		if (!found)
			return false;
		parent = found->parent;
	}
	return false;
}

void prove_survey_tree(const struct prove_snapshot *snapshot, int32_t root,
		       struct prove_processes *processes)
{
	for (size_t i = 0; i < snapshot->n; i++)
		if (is_below(snapshot, &snapshot->items[i], root))
			add(processes, &snapshot->items[i]);
}

/* Whether its environment has PROVE_MARK=MARK, or with `prefix` one that begins so. */
static bool is_marked(int32_t pid, const char *mark, bool prefix)
{
	auto_free char *text = malloc(ENVIRONMENT_BYTES + 1);
	char wanted[64];
	size_t n;

	(void)snprintf(wanted, sizeof(wanted), PROVE_MARK "=%s", mark);
	if (!text || read_file(text, ENVIRONMENT_BYTES, &n, "/proc/%d/environ", pid) < 0)
		return false;
	text[n] = '\0';
	for (const char *at = text; at < text + n; at += strlen(at) + 1)
		if (prefix ? text_starts(at, wanted) : text_equal(at, wanted))
			return true;
	return false;
}

void prove_survey_marked(const struct prove_snapshot *snapshot, const char *mark, int32_t client,
			 struct prove_processes *processes)
{
	for (size_t i = 0; i < snapshot->n; i++)
		if (snapshot->items[i].pid != client &&
		    is_marked(snapshot->items[i].pid, mark, false))
			add(processes, &snapshot->items[i]);
}

void prove_survey_living(const struct prove_snapshot *snapshot, struct prove_processes *processes)
{
	struct prove_processes living = { 0 };

	for (size_t i = 0; i < snapshot->n; i++)
		if (has(processes, &snapshot->items[i]))
			add(&living, &snapshot->items[i]);
	*processes = living;
}

static bool runs_as(int32_t pid, uid_t uid)
{
	struct stat status;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	return stat(path, &status) == 0 && status.st_uid == uid;
}

/* A container may have users with the number of ours, of whom this host's list of users knows nothing. */
static bool is_in_container(int32_t pid)
{
	char path[48], own[64] = "", other[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	return readlink("/proc/self/ns/pid", own, sizeof(own) - 1) < 0 ||
	       readlink(path, other, sizeof(other) - 1) < 0 || !text_equal(own, other);
}

bool prove_survey_has_user(const struct prove_snapshot *snapshot, uid_t uid)
{
	for (size_t i = 0; i < snapshot->n; i++)
		if (runs_as(snapshot->items[i].pid, uid))
			return true;
	return false;
}

/* One round; NULL `mark`: by user. */
static size_t kill_round(const char *mark, uid_t uid)
{
	struct prove_snapshot snapshot = { 0 };
	size_t n = 0;

	if (prove_survey_take(&snapshot) < 0)
		return 1;
	for (size_t i = 0; i < snapshot.n; i++) {
		const int32_t pid = snapshot.items[i].pid;
		auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

		/* What is looked at now is what the descriptor holds, or nothing any more. */
		if (pidfd < 0 && errno != ESRCH)
			n++;
		if (pid == getpid() || pidfd < 0 ||
		    !(mark ? is_marked(pid, mark, true)
			   : runs_as(pid, uid) && !is_in_container(pid)))
			continue;
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		n++;
	}
	prove_survey_free(&snapshot);
	return n;
}

static bool kill_all(const char *mark, uid_t uid)
{
	for (int i = 0; i < KILL_ROUNDS; i++) {
		if (kill_round(mark, uid) == 0)
			return true;
		(void)poll(NULL, 0, KILL_PAUSE_MS);
	}
	return false;
}

bool prove_survey_kill_marked(const char *mark)
{
	return kill_all(mark, 0);
}

bool prove_survey_kill_user(uid_t uid)
{
	return uid != 0 && kill_all(NULL, uid);
}
