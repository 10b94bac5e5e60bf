#include "native/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/text.h"

/* Nothing of the caller's: no locale, no LD_ variables, no agents. */
static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/",
				     NULL };

/* One of its two outputs. */
struct pipe_end {
	int fd;
	char *text;
	size_t size;
};

void program_output_deinit(struct program_output *output)
{
	free(output->text);
	free(output->error);
	*output = (struct program_output){ 0 };
}

/* Reads what there is; false at the end. */
static bool drain(struct pipe_end *end)
{
	char rest[4096];

	for (;;) {
		const size_t room = PROGRAM_OUTPUT_BYTES - end->size;
		const ssize_t n = room > 0 ? read(end->fd, end->text + end->size, room)
					   : read(end->fd, rest, sizeof(rest));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		if (room > 0)
			end->size += (size_t)n;
	}
}

static int spawn(const char *const *argv, int out, int error, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int r;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setpgroup(&attributes, 0);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
							    POSIX_SPAWN_SETPGROUP);
	r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(&actions, out, 1);
	r = r ? r : posix_spawn_file_actions_adddup2(&actions, error, 2);
	r = r ? r : posix_spawn_file_actions_addchdir_np(&actions, "/");
	r = r ? r
	      : posix_spawn(ret_pid, argv[0], &actions, &attributes, (char *const *)argv,
			    environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Until the program itself has ended, or its time has. */
static bool watch(int pidfd, int timer, struct pipe_end ends[static 2])
{
	for (;;) {
		struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
					{ .fd = timer, .events = POLLIN },
					{ .fd = ends[0].fd, .events = POLLIN },
					{ .fd = ends[1].fd, .events = POLLIN } };

		if (poll(fds, 4, -1) < 0 && errno != EINTR)
			return false;
		for (int i = 0; i < 2; i++)
			if (fds[2 + i].revents && !drain(&ends[i]))
				ends[i].fd = -1;
		if (fds[0].revents)
			return true;
		if (fds[1].revents)
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
static int attend(pid_t pid, int limit_ms, struct pipe_end ends[static 2],
		  struct program_output *output)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	auto_close int timer = timer_of(limit_ms);
	int status;

	if (pidfd < 0 || timer < 0 || !watch(pidfd, timer, ends)) {
		output->was_late = true;
		(void)kill(-pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	for (int i = 0; i < 2; i++)
		if (ends[i].fd >= 0)
			(void)drain(&ends[i]);
	output->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

int program_run(const char *const *argv, int limit_ms, struct program_output *ret_output)
{
	struct program_output output = { 0 };
	auto_free char *text = calloc(1, PROGRAM_OUTPUT_BYTES + 1);
	auto_free char *error = calloc(1, PROGRAM_OUTPUT_BYTES + 1);
	auto_close int out_read = -1, out_write = -1, error_read = -1, error_write = -1;
	struct pipe_end ends[2];
	int out[2], err[2], r;
	pid_t pid = -1;

	if (!text || !error)
		return -ENOMEM;
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	out_read = out[0];
	out_write = out[1];
	if (pipe2(err, O_CLOEXEC) < 0)
		return -errno;
	error_read = err[0];
	error_write = err[1];
	(void)fcntl(out_read, F_SETFL, O_NONBLOCK);
	(void)fcntl(error_read, F_SETFL, O_NONBLOCK);
	r = spawn(argv, out_write, error_write, &pid);
	if (r < 0)
		return r;
	(void)close(take_fd(&out_write));
	(void)close(take_fd(&error_write));
	ends[0] = (struct pipe_end){ out_read, text, 0 };
	ends[1] = (struct pipe_end){ error_read, error, 0 };
	r = attend(pid, limit_ms, ends, &output);
	if (r < 0)
		return r;
	output.size = ends[0].size;
	output.error_size = ends[1].size;
	output.text = take_ptr(text);
	output.error = take_ptr(error);
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
