#include "observe/strays.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/pids.h"
#include "base/read.h"
#include "base/text.h"
#include "observe/process.h"

/* The kernel puts no limit below the stack's on it; what begins later is not found. */
#define ENVIRONMENT_BYTES 65536
#define VARIABLE	  "SSH_CONNECTION="
#define VARIABLE_BYTES	  160

/* A pass takes at most so much of the time, and nobody waits longer than that for one. */
#define PAUSE_FACTOR  10
#define PAUSE_MOST_NS (5 * NS_PER_S)

struct stray {
	uint64_t start_ticks;
	int32_t pid;
	uint32_t uid;
	char variable[VARIABLE_BYTES];
};

/* The list of the last pass. */
static struct {
	struct stray *rows;
	size_t n, size;
	int64_t looked_at_ns, not_before_ns;
	int result;	/* -errno: there may be more than in the list */
	uint32_t *uids; /* whose processes the next pass is for */
	size_t n_uids;
} strays;

/* NULL: it has none, or none of ours. */
static const char *find_variable(const char *environment, size_t size)
{
	const char *at = environment, *end = at + size;

	while (at < end) {
		const size_t length = strlen(at);

		if (length < VARIABLE_BYTES && strncmp(at, VARIABLE, strlen(VARIABLE)) == 0)
			return at;
		at += length + 1;
	}
	return NULL;
}

static bool is_wanted(uint32_t uid)
{
	for (size_t i = 0; i < strays.n_uids; i++)
		if (strays.uids[i] == uid)
			return true;
	return false;
}

static int want(uint32_t uid)
{
	uint32_t *more;

	if (is_wanted(uid))
		return 0;
	more = realloc(strays.uids, (strays.n_uids + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	strays.uids = more;
	strays.uids[strays.n_uids++] = uid;
	return 0;
}

/* `bytes` has room for ENVIRONMENT_BYTES. */
static int read_environment(int32_t pid, char *bytes, size_t *ret_size)
{
	int r = read_file(bytes, ENVIRONMENT_BYTES - 1, ret_size, "/proc/%d/environ", pid);

	if (r == 0)
		bytes[*ret_size] = '\0';
	return r;
}

/* NULL in `ret_variable`: none of whom we look for. */
static int read_variable(int32_t pid, char *bytes, uint32_t *ret_uid, const char **ret_variable)
{
	struct stat status;
	char path[48];
	size_t size = 0;
	int r;

	*ret_variable = NULL;
	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &status) < 0)
		return -errno;
	if (!is_wanted(status.st_uid))
		return 0;
	r = read_environment(pid, bytes, &size);
	if (r < 0)
		return r;
	*ret_uid = status.st_uid;
	*ret_variable = find_variable(bytes, size);
	return 0;
}

static int add(int32_t pid, uint32_t uid, const char *variable)
{
	struct procstat stat;
	struct stray *row;
	int r = procstat_read(pid, &stat);

	if (r < 0)
		return r;
	if (strays.n == strays.size) {
		size_t size = strays.size == 0 ? 64 : strays.size * 2;
		struct stray *more = realloc(strays.rows, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		strays.rows = more;
		strays.size = size;
	}
	row = &strays.rows[strays.n++];
	*row = (struct stray){ .start_ticks = stat.start_ticks, .pid = pid, .uid = uid };
	(void)text_copy(variable, row->variable, sizeof(row->variable));
	return 0;
}

static int look_at(int32_t pid, char *bytes)
{
	const char *variable;
	uint32_t uid;
	int r = read_variable(pid, bytes, &uid, &variable);

	if (r == 0 && variable)
		r = add(pid, uid, variable);
	return pids_is_nobody(r) ? 0 : r;
}

/* One that cannot be looked at leaves the others in the list. */
static int walk(char *bytes)
{
	struct pids pids;
	int32_t pid;
	int r = pids_open(&pids), missed = 0;

	if (r < 0)
		return r;
	strays.n = 0;
	while ((r = pids_next(&pids, &pid)) > 0) {
		const int one = look_at(pid, bytes);

		if (one < 0)
			missed = one;
	}
	pids_close(&pids);
	return r < 0 ? r : missed;
}

/* Who asks for the next one waits for this time. */
static int look(int64_t now_ns)
{
	auto_free char *bytes = malloc(ENVIRONMENT_BYTES);
	int64_t from_ns = clock_ns(CLOCK_MONOTONIC), pause_ns;

	strays.result = bytes ? walk(bytes) : -ENOMEM;
	pause_ns = (clock_ns(CLOCK_MONOTONIC) - from_ns) * PAUSE_FACTOR;
	strays.not_before_ns =
		clock_ns(CLOCK_MONOTONIC) + (pause_ns < PAUSE_MOST_NS ? pause_ns : PAUSE_MOST_NS);
	strays.looked_at_ns = now_ns;
	strays.n_uids = 0;
	return strays.result;
}

int strays_look(const struct session_facts *facts, int64_t since_ns, int64_t now_ns,
		int64_t *ret_again_ns)
{
	int r;

	if (facts->uid == UINT32_MAX)
		return 0;
	/* Who asked before the last pass was wanted in it. */
	if (strays.looked_at_ns > since_ns)
		return strays.result;
	r = want(facts->uid);
	if (r < 0)
		return r;
	if (now_ns >= strays.not_before_ns)
		return look(now_ns);
	*ret_again_ns = strays.not_before_ns;
	return -EAGAIN;
}

static int describe(const struct stray *stray, struct watch_process *ret_process)
{
	struct procstat stat;
	int r = procstat_read(stray->pid, &stat);

	if (r < 0)
		return r;
	if (stat.start_ticks != stray->start_ticks || procstat_has_ended(&stat))
		return -ESRCH;
	*ret_process = (struct watch_process){
		.start_ticks = stat.start_ticks,
		.pid = stray->pid,
		.parent = stat.parent,
		.sid = stat.sid,
		.tty = stat.tty,
	};
	memcpy(ret_process->name, stat.name, sizeof(ret_process->name));
	return 0;
}

int strays_find(const struct session_facts *facts, struct watch_process *ret_processes, size_t size,
		size_t *ret_n)
{
	char peer[ADDRESS_TEXT_BYTES], local[ADDRESS_TEXT_BYTES], variable[VARIABLE_BYTES];
	int missed = 0;

	*ret_n = 0;
	(void)snprintf(variable, sizeof(variable), VARIABLE "%s %u %s %u",
		       address_format(&facts->peer, peer), facts->peer_port,
		       address_format(&facts->local, local), facts->local_port);
	for (size_t i = 0; i < strays.n && *ret_n < size; i++) {
		const struct stray *stray = &strays.rows[i];
		int r;

		if (stray->uid != facts->uid || strcmp(stray->variable, variable) != 0)
			continue;
		r = describe(stray, &ret_processes[*ret_n]);
		if (r == 0)
			(*ret_n)++;
		else if (r != -ESRCH)
			missed = r;
	}
	return missed;
}
