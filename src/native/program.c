#include "native/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "native/launch.h"

/* Nothing of the caller's: no locale, no LD_ variables, no agents. */
static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/",
				     NULL };

/* What it may print before it is ended for that. */
enum { FLOOD_BYTES = 64 << 20, LOOK_EVERY_MS = 100 };

void program_output_deinit(struct program_output *output)
{
	free(output->text);
	free(output->error);
	*output = (struct program_output){ 0 };
}

static bool is_flooded(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_size > FLOOD_BYTES;
}

/* Until the program itself has ended, or its time has. */
static bool watch(int pidfd, int timer, const int outputs[static 2])
{
	for (;;) {
		struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
					{ .fd = timer, .events = POLLIN } };

		if (poll(fds, 2, LOOK_EVERY_MS) < 0 && errno != EINTR)
			return false;
		if (fds[0].revents)
			return true;
		if (fds[1].revents || is_flooded(outputs[0]) || is_flooded(outputs[1]))
			return false;
	}
}

static int timer_of(int limit_ms)
{
	const struct itimerspec when = { .it_value = { limit_ms / 1000,
						       limit_ms % 1000 * 1000000L } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		(void)timerfd_settime(fd, 0, &when, NULL);
	return fd;
}

/* Takes over the running program. */
static int attend(pid_t pid, int limit_ms, const int outputs[static 2],
		  struct program_output *output)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	auto_close int timer = timer_of(limit_ms);
	int status;

	if (pidfd < 0 || timer < 0 || !watch(pidfd, timer, outputs)) {
		output->was_late = true;
		(void)kill(-pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	output->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

static int take_output(int fd, char **ret_text, size_t *ret_size)
{
	auto_free char *text = calloc(1, PROGRAM_OUTPUT_BYTES + 1);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = pread(fd, text, PROGRAM_OUTPUT_BYTES, 0);
	if (n < 0)
		return -errno;
	*ret_text = take_ptr(text);
	*ret_size = (size_t)n;
	return 0;
}

/* No pipe: if we are killed, what we run must not end on its next line, with a server stopped and not started. */
static int make_output(void)
{
	auto_close int fd = memfd_create("output", MFD_CLOEXEC);

	/* Whoever opens /dev/stderr begins at 0. */
	if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0)
		return -errno;
	return take_fd(&fd);
}

int program_run(const char *const *argv, int limit_ms, struct program_output *ret_output)
{
	struct program_output output = { 0 };
	auto_close int out = make_output(), err = make_output();
	const struct launch program = {
		.argv = argv, .environment = environment, .in = -1, .out = out, .error = err
	};
	pid_t pid = -1;
	int r;

	if (out < 0 || err < 0)
		return out < 0 ? out : err;
	r = launch_program(&program, &pid);
	r = r < 0 ? r : attend(pid, limit_ms, (const int[]){ out, err }, &output);
	r = r < 0 ? r : take_output(out, &output.text, &output.size);
	r = r < 0 ? r : take_output(err, &output.error, &output.error_size);
	if (r < 0) {
		program_output_deinit(&output);
		return r;
	}
	*ret_output = output;
	return 0;
}

static bool is_safe_place(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid()) &&
	       (!(status.st_mode & S_IWOTH) ||
		(S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX)));
}

bool program_is_safe(const char *path)
{
	auto_free char *at = path[0] == '/' ? realpath(path, NULL) : NULL;

	if (!at)
		return false;
	while (is_safe_place(at)) {
		if (at[1] == '\0')
			return true;
		/* The last "/" stays. */
		*(strrchr(at, '/') + (strrchr(at, '/') == at)) = '\0';
	}
	return false;
}

/* Cuts off all but the first line that is not empty. */
static const char *first_line(char *text)
{
	text += strspn(text, "\r\n");
	text[strcspn(text, "\r\n")] = '\0';
	return text;
}

const char *program_complaint(struct program_output *output)
{
	const char *line = first_line(output->error);

	return *line ? line : first_line(output->text);
}
