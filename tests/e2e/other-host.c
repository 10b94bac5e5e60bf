/*
 * A stand-in for hosts that a test cannot have: loaded into sshidled with LD_PRELOAD.
 *
 *   OTHER_HOST_CLOCK=FILE  The clocks run ahead by what the file says: three numbers of 64 bits in
 *                          nanoseconds, for CLOCK_REALTIME, CLOCK_BOOTTIME, and the real time of
 *                          the step.  The test writes them while the daemon runs.  Times of
 *                          terminals that were read after the step are shown on the new clock, as
 *                          a kernel whose clock was set would do.
 *   OTHER_HOST_NO_IO=1     There is no /proc/PID/io, as without CONFIG_TASK_IO_ACCOUNTING.
 *   OTHER_HOST_NO_CHILDREN=1
 *                          There is no /proc/PID/task/TID/children, as without CONFIG_PROC_CHILDREN.
 *
 * What it cannot do: the start times of processes that begin after a suspend do not move along.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

struct steps {
	int64_t realtime_ns;
	int64_t boottime_ns;
	int64_t stepped_at_ns; /* real time */
};

static const struct steps *steps;
/* How the paths of files end that are missing; NULL: none. */
static const char *no_io, *no_children;

/* Before main(): descriptor and memory outlive the change of user. */
__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("OTHER_HOST_CLOCK");
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	no_io = getenv("OTHER_HOST_NO_IO") ? "/io" : NULL;
	no_children = getenv("OTHER_HOST_NO_CHILDREN") ? "/children" : NULL;
	if (!file)
		return;
	map = mmap(NULL, sizeof(*steps), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	(void)close(fd);
	steps = map;
}

static void add(struct timespec *at, int64_t ns)
{
	int64_t sum_ns = at->tv_sec * NS_PER_S + at->tv_nsec + ns;

	at->tv_sec = sum_ns / NS_PER_S;
	at->tv_nsec = sum_ns % NS_PER_S;
}

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	long r = syscall(SYS_clock_gettime, clock, ret_now);

	if (r == 0 && steps && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		add(ret_now, steps->realtime_ns);
	if (r == 0 && steps && clock == CLOCK_BOOTTIME)
		add(ret_now, steps->boottime_ns);
	return (int)r;
}

int fstat(int fd, struct stat *ret_status)
{
	long r = syscall(SYS_newfstatat, fd, "", ret_status, AT_EMPTY_PATH);

	/* The kernel keeps a terminal's time in steps of 8 s. */
	if (r == 0 && steps && S_ISCHR(ret_status->st_mode) &&
	    (ret_status->st_atime | 7) * NS_PER_S >= steps->stepped_at_ns)
		add(&ret_status->st_atim, steps->realtime_ns);
	return (int)r;
}

static int ends_with(const char *path, const char *end)
{
	const size_t length = strlen(path);

	return end && length >= strlen(end) && strcmp(path + length - strlen(end), end) == 0;
}

static int is_missing(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 &&
	       (ends_with(path, no_io) || ends_with(path, no_children));
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list rest;

	va_start(rest, flags);
	if (flags & O_CREAT)
		mode = va_arg(rest, mode_t);
	va_end(rest);
	if (is_missing(path)) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
