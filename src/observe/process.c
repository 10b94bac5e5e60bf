#include "observe/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/directory.h"
#include "base/pids.h"
#include "base/read.h"
#include "base/text.h"
#include "core/facts.h"

#define PATH_BYTES 96

/* As many as fit into the smallest piece of memory that malloc gives. */
#define LIST_USUAL 6

/* status is longer where a user is in hundreds of groups: at most 65,536 of 11 bytes each (NGROUPS_MAX). */
#define TEXT_BYTES	  4096
#define STATUS_MOST_BYTES (1024UL * 1024)

void process_list_deinit(struct process_list *list)
{
	free(list->pids);
	*list = (struct process_list){ 0 };
}

int process_list_push(struct process_list *list, int32_t pid)
{
	if (list->n == list->size) {
		size_t size = list->size ? list->size * 2 : LIST_USUAL;
		int32_t *pids = reallocarray(list->pids, size, sizeof(*pids));

		if (!pids)
			return -ENOMEM;
		list->pids = pids;
		list->size = size;
	}
	list->pids[list->n++] = pid;
	return 0;
}

bool process_list_has(const struct process_list *list, int32_t pid)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->pids[i] == pid)
			return true;
	return false;
}

void process_descriptors_deinit(struct process_descriptors *descriptors)
{
	free(descriptors->rows);
	*descriptors = (struct process_descriptors){ 0 };
}

int process_executable(int32_t pid, char ret_name[static PROCESS_EXECUTABLE_BYTES])
{
	char path[PATH_BYTES], target[4096];
	const char *name;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/exe", pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	(void)text_copy(name ? name + 1 : target, ret_name, PROCESS_EXECUTABLE_BYTES);
	return 0;
}

int process_start_ticks(int32_t pid, uint64_t *ret_ticks)
{
	struct procstat stat;
	int r = procstat_read(pid, &stat);

	if (r == 0)
		*ret_ticks = stat.start_ticks;
	return r;
}

static int read_status(int32_t pid, char *text, size_t size, size_t *ret_size)
{
	return read_file(text, size, ret_size, "/proc/%" PRId32 "/status", pid);
}

int process_status(int32_t pid, struct procstat_status *ret_status)
{
	char text[TEXT_BYTES];
	auto_free char *whole = NULL;
	size_t size;
	int r = read_status(pid, text, sizeof(text), &size);

	if (r == 0 && size == sizeof(text)) {
		whole = malloc(STATUS_MOST_BYTES);
		r = whole ? read_status(pid, whole, STATUS_MOST_BYTES, &size) : -ENOMEM;
	}
	return r < 0 ? r : procstat_parse_status(whole ? whole : text, size, ret_status);
}

int process_io(int32_t pid, struct procstat_io *ret_io)
{
	char text[512];
	size_t size;
	int r = read_file(text, sizeof(text), &size, "/proc/%" PRId32 "/io", pid);

	return r < 0 ? r : procstat_parse_io(text, size, ret_io);
}

int process_command(int32_t pid, char *ret_command, size_t size)
{
	char text[1024];
	size_t text_size;
	int r = read_file(text, sizeof(text), &text_size, "/proc/%" PRId32 "/cmdline", pid);

	if (r < 0)
		return r;
	procstat_join_command(text, text_size, ret_command, size);
	return 0;
}

static DIR *open_directory(int32_t pid, const char *name)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/%s", pid, name);
	return opendir(path);
}

static int next_entry(DIR *directory, const struct dirent **ret_entry)
{
	int r = directory_next(directory, ret_entry);

	return r < 0 ? pids_error(-r) : r;
}

static int push_descriptor(struct process_descriptors *descriptors, int directory, const char *name)
{
	struct process_descriptor row;
	char target[128];
	ssize_t n = readlinkat(directory, name, target, sizeof(target) - 1);

	/* Closed in the meantime; or a long path, which is nothing that we look for. */
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	target[n] = '\0';
	row.fd = (int32_t)strtol(name, NULL, 10);
	row.target = procstat_parse_link(target, &row.inode);
	if (row.target == TARGET_OTHER)
		return 0;
	if (descriptors->n == descriptors->size) {
		size_t size = descriptors->size ? descriptors->size * 2 : 16;
		struct process_descriptor *rows =
			reallocarray(descriptors->rows, size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		descriptors->rows = rows;
		descriptors->size = size;
	}
	descriptors->rows[descriptors->n++] = row;
	return 0;
}

int process_descriptors(int32_t pid, struct process_descriptors *ret_descriptors)
{
	struct process_descriptors descriptors = { 0 };
	DIR *directory = open_directory(pid, "fd");
	const struct dirent *entry;
	int r;

	if (!directory)
		return pids_error(errno);
	while ((r = next_entry(directory, &entry)) > 0) {
		if (entry->d_name[0] != '.')
			r = push_descriptor(&descriptors, dirfd(directory), entry->d_name);
		if (r < 0)
			break;
	}
	(void)closedir(directory);
	if (r < 0) {
		process_descriptors_deinit(&descriptors);
		return r;
	}
	*ret_descriptors = descriptors;
	return 0;
}

int process_count_descriptors(int32_t pid, uint64_t *ret_n)
{
	char path[PATH_BYTES];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/fd", pid);
	if (stat(path, &st) < 0)
		return pids_error(errno);
	/* Before Linux 6.2 the size was always 0, and a server has at least its socket open. */
	if (st.st_size == 0)
		return -ENOTSUP;
	*ret_n = (uint64_t)st.st_size;
	return 0;
}

int process_descriptor_flags(int32_t pid, int fd, uint32_t *ret_flags)
{
	char text[512];
	size_t size;
	int r = read_file(text, sizeof(text), &size, "/proc/%" PRId32 "/fdinfo/%d", pid, fd);

	return r < 0 ? r : procstat_parse_fdinfo(text, size, ret_flags);
}

int process_descriptor_tty(int32_t pid, int fd, int32_t *ret_tty)
{
	char text[512];
	size_t size;
	int r = read_file(text, sizeof(text), &size, "/proc/%" PRId32 "/fdinfo/%d", pid, fd);

	return r < 0 ? r : procstat_parse_tty_index(text, size, ret_tty);
}

int process_cpu(int32_t pid, uint64_t *ret_ns)
{
	struct timespec spent;
	clockid_t clock;
	int r = clock_getcpuclockid(pid, &clock);

	if (r != 0)
		return -r;
	if (clock_gettime(clock, &spent) < 0)
		return errno == EINVAL ? -ESRCH : -errno;
	*ret_ns = (uint64_t)spent.tv_sec * (uint64_t)NS_PER_S + (uint64_t)spent.tv_nsec;
	return 0;
}

uint64_t process_ticks_to_ns(uint64_t ticks)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);

	return ticks / per_second * (uint64_t)NS_PER_S +
	       ticks % per_second * (uint64_t)NS_PER_S / per_second;
}

int64_t process_age_ns(uint64_t start_ticks)
{
	/* Start times count from boot, suspends included. */
	int64_t age_ns = clock_ns(CLOCK_BOOTTIME) - (int64_t)process_ticks_to_ns(start_ticks);

	return age_ns > 0 ? age_ns : 0;
}

int process_last_pid(int32_t *ret_pid)
{
	char text[128];
	size_t size;
	int r = read_file(text, sizeof(text), &size, "/proc/sys/kernel/ns_last_pid");

	/* Kernels without CONFIG_CHECKPOINT_RESTORE.  Where there are both, loadavg may be a file of lxcfs, which
	 * tells a container the pids of its host. */
	if (r < 0)
		r = read_file(text, sizeof(text), &size, "/proc/loadavg");
	return r < 0 ? r : procstat_parse_last_pid(text, size, ret_pid);
}

int process_open(int32_t pid, int *ret_pidfd)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return -errno;
	*ret_pidfd = fd;
	return 0;
}

int process_borrow(int pidfd, int fd, int *ret_fd)
{
	int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	/* The filter of a container that does not know the call. */
	if (copy < 0)
		return errno == ENOSYS ? -EPERM : -errno;
	*ret_fd = copy;
	return 0;
}
