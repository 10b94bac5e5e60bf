/*
 * The walk reads /proc/PID/stat of every process: 0.8 ms of a processor with 100 of them, 9.5 with 1,000, 48 with
 * 5,000, where the kernel's list of 100 children takes 0.02.  These are medians of "children" of BUILD/bench/cost 20,
 * in a pid namespace with so many `sleep`; of the walk with other-host.so, see there (tests/e2e).
 *
 * There is one walk for each sample of a session in which something has moved (0.8 s apart at least); another one if
 * a child has gone, if there are commands without a terminal, and if work counts; and one for each process that
 * is found with a connection, in each look until somebody has logged in.  Sessions that rest need none.  A router
 * does not notice; two thousand sessions that are found at once take minutes.
 */
#include "observe/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/directory.h"
#include "base/pids.h"

#define PATH_BYTES 96
#define TEXT_BYTES 4096

struct row {
	uint64_t start_ticks;
	int32_t pid, parent;
	bool zombie;
};

/* All processes, of one walk; none: there was no walk. */
static struct {
	struct row *rows;
	size_t n, size;
	int held;
} table;

/* 1: the kernel has no lists of children. */
static int is_missing(void)
{
	static enum { NOT_ASKED, THERE, MISSING } answer;

	if (answer == NOT_ASKED) {
		auto_close int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);

		if (fd < 0 && errno != ENOENT)
			return -errno;
		answer = fd < 0 ? MISSING : THERE;
	}
	return answer == MISSING;
}

/* Appends the pids of one piece of text; returns how many bytes of it were whole numbers. */
static int push_pids(struct process_list *list, const char *text, size_t size, size_t *ret_used)
{
	int32_t pid = 0;

	*ret_used = 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			pid = pid * 10 + (text[i] - '0');
			continue;
		}
		if (pid > 0) {
			int r = process_list_push(list, pid);

			if (r < 0)
				return r;
		}
		pid = 0;
		*ret_used = i + 1;
	}
	return 0;
}

static int push_children(int fd, struct process_list *list)
{
	char text[TEXT_BYTES];
	size_t kept = 0;

	for (;;) {
		ssize_t n = read(fd, text + kept, sizeof(text) - kept);
		size_t used;
		int r;

		if (n < 0)
			return pids_error(errno);
		if (n == 0)
			return 0;
		r = push_pids(list, text, kept + (size_t)n, &used);
		if (r < 0)
			return r;
		kept += (size_t)n - used;
		memmove(text, text + used, kept);
	}
}

static int read_thread(int32_t pid, int32_t thread, struct process_list *list)
{
	char path[PATH_BYTES];
	auto_close int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/task/%" PRId32 "/children", pid,
		       thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pids_error(errno);
	return push_children(fd, list);
}

static int next_thread(DIR *directory, int32_t *ret_thread)
{
	const struct dirent *entry;
	int r = directory_next(directory, &entry);

	if (r > 0)
		*ret_thread = (int32_t)strtol(entry->d_name, NULL, 10);
	return r < 0 ? pids_error(-r) : r;
}

static int read_threads(int32_t pid, struct process_list *list)
{
	char path[PATH_BYTES];
	int32_t thread = 0;
	DIR *directory;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/task", pid);
	directory = opendir(path);
	if (!directory)
		return pids_error(errno);
	while ((r = next_thread(directory, &thread)) > 0) {
		if (thread > 0)
			r = read_thread(pid, thread, list);
		/* A thread that has ended leaves its children to another one. */
		if (r < 0 && r != -ESRCH)
			break;
	}
	(void)closedir(directory);
	return r;
}

static void table_clear(void)
{
	free(table.rows);
	table.rows = NULL;
	table.n = table.size = 0;
}

static struct row row_of(const struct procstat *stat)
{
	return (struct row){
		.start_ticks = stat->start_ticks,
		.pid = stat->pid,
		.parent = stat->parent,
		.zombie = procstat_has_ended(stat),
	};
}

static int table_add(const struct procstat *stat)
{
	if (table.n == table.size) {
		size_t size = table.size ? table.size * 2 : 128;
		struct row *rows = reallocarray(table.rows, size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		table.rows = rows;
		table.size = size;
	}
	table.rows[table.n++] = row_of(stat);
	return 0;
}

static int look_at(void *context, int32_t pid)
{
	struct procstat stat;
	int r = procstat_read(pid, &stat);

	(void)context;
	/* Who cannot be read may be the child that is looked for. */
	if (r == 0)
		r = table_add(&stat);
	return r == -ESRCH ? 0 : r;
}

static int by_birth(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	if (one->start_ticks != other->start_ticks)
		return one->start_ticks < other->start_ticks ? -1 : 1;
	return one->pid < other->pid ? -1 : one->pid > other->pid;
}

static int walk(void)
{
	int r;

	table_clear();
	r = pids_each(look_at, NULL);
	if (r < 0)
		table_clear();
	else
		qsort(table.rows, table.n, sizeof(*table.rows), by_birth);
	return r;
}

/* A process that has ended has left its children to others, and one with its pid has none of them. */
static bool is_same(const struct row *row, const struct row *later)
{
	return row->pid == later->pid && row->start_ticks == later->start_ticks &&
	       row->zombie == later->zombie;
}

static bool table_has(const struct row *row)
{
	for (size_t i = 0; i < table.n; i++)
		if (is_same(&table.rows[i], row))
			return true;
	return false;
}

/* Walks unless that was done already; the process lived all that time. */
static int see_to_table(int32_t pid)
{
	struct procstat stat;
	struct row before, after;
	int r = procstat_read(pid, &stat);

	if (r < 0)
		return r;
	before = row_of(&stat);
	if (table_has(&before))
		return 0;
	r = walk();
	if (r == 0)
		r = procstat_read(pid, &stat);
	if (r < 0)
		return r;
	after = row_of(&stat);
	return is_same(&before, &after) ? 0 : -ESRCH;
}

static int read_by_walk(int32_t pid, struct process_list *list)
{
	int r = see_to_table(pid);

	for (size_t i = 0; r == 0 && i < table.n; i++)
		if (table.rows[i].parent == pid)
			r = process_list_push(list, table.rows[i].pid);
	if (table.held == 0)
		table_clear();
	return r;
}

int children_read(int32_t pid, int n_threads, struct process_list *list)
{
	int r = is_missing();

	if (r < 0)
		return r;
	if (r > 0)
		return read_by_walk(pid, list);
	return n_threads > 1 ? read_threads(pid, list) : read_thread(pid, pid, list);
}

void children_hold(void)
{
	table.held++;
}

void children_release(void)
{
	if (--table.held == 0)
		table_clear();
}
