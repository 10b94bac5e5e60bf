#include "observe/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/directory.h"
#include "base/text.h"
#include "core/facts.h"

#define PATH_BYTES 96

/* As many as fit into the smallest piece of memory that malloc gives. */
#define LIST_USUAL 6

/* stat is the longest: 52 numbers of at most 20 digits, and the name. status is cut off, after what
 * we need. */
#define TEXT_BYTES 4096

static int vanished(int error)
{
	/* A process that ended while it is read: ENOENT for its directory, ESRCH for a file in it.
	 */
	return error == ENOENT ? -ESRCH : -error;
}

/* Reads at most `size` bytes of a file of a process. */
static int read_file(char *text, size_t size, size_t *ret_size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int read_file(char *text, size_t size, size_t *ret_size, const char *format, ...)
{
	char path[PATH_BYTES];
	auto_close int fd = -1;
	size_t filled = 0;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return vanished(errno);
	while (filled < size) {
		ssize_t n = read(fd, text + filled, size - filled);

		if (n < 0)
			return vanished(errno);
		filled += (size_t)n;
		/* The kernel makes such a text in one piece: a line that ends before the room does is the
		 * last one, and another call, 0.4 us of the sample's 13, would say no more. */
		if (n == 0 || text[filled - 1] == '\n')
			break;
	}
	*ret_size = filled;
	return 0;
}

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

int process_stat(int32_t pid, struct procstat *ret_stat)
{
	char text[TEXT_BYTES];
	size_t size;
	int r = read_file(text, sizeof(text), &size, "/proc/%" PRId32 "/stat", pid);

	return r < 0 ? r : procstat_parse(text, size, ret_stat);
}

int process_start_ticks(int32_t pid, uint64_t *ret_ticks)
{
	struct procstat stat;
	int r = process_stat(pid, &stat);

	if (r == 0)
		*ret_ticks = stat.start_ticks;
	return r;
}

int process_status(int32_t pid, struct procstat_status *ret_status)
{
	char text[TEXT_BYTES];
	size_t size;
	int r = read_file(text, sizeof(text), &size, "/proc/%" PRId32 "/status", pid);

	return r < 0 ? r : procstat_parse_status(text, size, ret_status);
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

	return r < 0 ? vanished(-r) : r;
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
		return vanished(errno);
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
		return vanished(errno);
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
	int r = read_file(text, sizeof(text), &size, "/proc/loadavg");

	return r < 0 ? r : procstat_parse_loadavg(text, size, ret_pid);
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

	if (copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}
