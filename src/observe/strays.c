#include "observe/strays.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "observe/process.h"

/* The kernel puts no limit below the stack's on it; what begins later is not found. */
#define ENVIRONMENT_BYTES 65536
#define VARIABLE_BYTES	  160

struct search {
	char *environment; /* ENVIRONMENT_BYTES */
	char variable[VARIABLE_BYTES];
	uint32_t uid;
};

static bool has_variable(const struct search *search, size_t size)
{
	const char *at = search->environment, *end = at + size;

	while (at < end) {
		if (strcmp(at, search->variable) == 0)
			return true;
		at += strlen(at) + 1;
	}
	return false;
}

static bool is_stray(const struct search *search, int32_t pid)
{
	auto_close int fd = -1;
	struct stat status;
	char path[48];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &status) < 0 || status.st_uid != search->uid)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, search->environment, ENVIRONMENT_BYTES - 1);
	if (n <= 0)
		return false;
	search->environment[n] = '\0';
	return has_variable(search, (size_t)n);
}

static bool describe(int32_t pid, struct watch_process *ret_process)
{
	struct procstat stat;

	if (process_stat(pid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X')
		return false;
	*ret_process = (struct watch_process){
		.start_ticks = stat.start_ticks,
		.pid = pid,
		.parent = stat.parent,
		.sid = stat.sid,
		.tty = stat.tty,
	};
	memcpy(ret_process->name, stat.name, sizeof(ret_process->name));
	return true;
}

static int search_proc(const struct search *search, struct watch_process *ret_processes,
		       size_t size)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	if (!proc)
		return -errno;
	while (n < size && (entry = readdir(proc))) {
		uint64_t pid;

		if (text_to_u64(entry->d_name, INT32_MAX, &pid) == 0 &&
		    is_stray(search, (int32_t)pid) && describe((int32_t)pid, &ret_processes[n]))
			n++;
	}
	(void)closedir(proc);
	return (int)n;
}

int strays_find(const struct session_facts *facts, struct watch_process *ret_processes, size_t size)
{
	char peer[ADDRESS_TEXT_BYTES], local[ADDRESS_TEXT_BYTES];
	struct search search = { .uid = facts->uid };
	int r;

	if (facts->uid == UINT32_MAX)
		return 0;
	(void)snprintf(search.variable, sizeof(search.variable), "SSH_CONNECTION=%s %u %s %u",
		       address_format(&facts->peer, peer), facts->peer_port,
		       address_format(&facts->local, local), facts->local_port);
	search.environment = malloc(ENVIRONMENT_BYTES);
	if (!search.environment)
		return -ENOMEM;
	r = search_proc(&search, ret_processes, size);
	free(search.environment);
	return r;
}
