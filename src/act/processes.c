#include "act/processes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/process.h"
#include "observe/strays.h"

/* The pidfd is of the process that was found, not of a later one with its pid. */
static int pidfd_of(const struct watch_process *facts, int *ret_fd)
{
	auto_close int fd = -1;
	struct procstat now = { 0 };
	int r = process_open(facts->pid, &fd);

	if (r == 0)
		r = procstat_read(facts->pid, &now);
	if (r < 0)
		return r;
	if (now.start_ticks != facts->start_ticks)
		return -ESRCH;
	*ret_fd = take_fd(&fd);
	return 0;
}

static const struct process_record *record_find(const struct processes *processes, int32_t pid)
{
	for (size_t i = 0; i < processes->n; i++)
		if (processes->records[i].facts.pid == pid)
			return &processes->records[i];
	return NULL;
}

static void add(struct processes *processes, const struct watch_process *facts)
{
	struct process_record *record = &processes->records[processes->n];
	int r;

	record->facts = *facts;
	r = pidfd_of(facts, &record->pidfd);
	if (r == 0)
		processes->n++;
	else if (r != -ESRCH)
		processes->incomplete = true;
}

void processes_record(struct processes *processes, const struct watch *watch)
{
	struct watch_process found[PROCESSES_MAX];
	int n = watch_processes(watch, found, PROCESSES_MAX);

	processes->n = 0;
	processes->incomplete = n < 0 && n != -ESRCH;
	for (int i = 0; i < n; i++)
		add(processes, &found[i]);
}

void processes_record_strays(struct processes *processes, const struct session_facts *facts)
{
	struct watch_process found[PROCESSES_MAX];
	size_t n;

	if (strays_find(facts, found, PROCESSES_MAX, &n) < 0)
		processes->incomplete = true;
	for (size_t i = 0; i < n && processes->n < PROCESSES_MAX; i++)
		if (!record_find(processes, found[i].pid))
			add(processes, &found[i]);
}

void processes_deinit(struct processes *processes)
{
	for (size_t i = 0; i < processes->n; i++)
		(void)close(processes->records[i].pidfd);
	processes->n = 0;
}

static int record_signal(const struct process_record *record, int signal)
{
	if (syscall(SYS_pidfd_send_signal, record->pidfd, signal, NULL, 0) < 0)
		return -errno;
	return 0;
}

int processes_signal(const struct processes *processes, int32_t pid, int signal)
{
	const struct process_record *record = record_find(processes, pid);

	return record ? record_signal(record, signal) : -ESRCH;
}

void processes_hang_up_commands(struct processes *processes)
{
	for (size_t i = 0; i < processes->n; i++) {
		struct process_record *record = &processes->records[i];
		const struct process_record *root = record_find(processes, record->facts.root);

		if (!root || root->facts.tty >= 0 || record->facts.tty >= 0 ||
		    record->facts.sid != root->facts.sid)
			continue;
		record->hung_up = record_signal(record, SIGHUP) == 0;
		(void)record_signal(record, SIGCONT);
	}
}

bool processes_alive(const struct processes *processes, size_t index)
{
	struct pollfd poll_for = { .fd = processes->records[index].pidfd, .events = POLLIN };

	/* A pidfd is readable once its process has ended, also before it is reaped; where that cannot be told it has
	 * not. */
	return poll(&poll_for, 1, 0) <= 0;
}

size_t processes_count_alive(const struct processes *processes)
{
	size_t n = 0;

	for (size_t i = 0; i < processes->n; i++)
		if (processes_alive(processes, i))
			n++;
	return n;
}
