#include "daemon/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/owner.h"

#define SOCKET_BACKLOG 64

static int join(char *ret_path, const char *directory, const char *name)
{
	int n = snprintf(ret_path, RUNTIME_PATH_BYTES, "%s/%s", directory, name);

	return n < 0 || n >= RUNTIME_PATH_BYTES ? -ENAMETOOLONG : 0;
}

static int make_directory(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		log_error("%s cannot be made: %s", path, strerror(errno));
		return -errno;
	}
	return 0;
}

static int take_lock(const char *path, int *ret_fd)
{
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		log_error("%s cannot be opened: %s", path, strerror(errno));
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("another sshidled runs on this runtime directory (%s is locked); stop "
			  "it, or choose another directory with -r",
			  path);
		return -EBUSY;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Everybody may connect: what they may see and do is judged by who they are. */
static int bind_socket(const char *path, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path)) {
		log_error("%s is too long for a socket (%zu characters at most)", path,
			  sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	/* One that was left behind: whoever made it does not hold the lock any more. */
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, SOCKET_BACKLOG) < 0) {
		log_error("%s cannot be bound: %s", path, strerror(errno));
		return -errno;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Of a directory that is another user's, as after a change of -u: without CAP_CHOWN it cannot become this one's. */
static void remove_state(const char *path)
{
	static const char *const names[] = { "state.json", "state.json.new" };
	auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlinkat(fd, names[i], 0);
}

static int make_state_directory(const char *directory, const struct privilege_user *user,
				char *ret_file)
{
	auto_close int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;
	char path[RUNTIME_PATH_BYTES];

	if (join(path, directory, "state") < 0)
		return -ENAMETOOLONG;
	if (r == 0)
		r = owner_make_directory(fd, "state", user);
	if (r == -ENOTEMPTY) {
		remove_state(path);
		r = owner_make_directory(fd, "state", user);
	}
	if (r < 0) {
		log_error("%s cannot become the engine's: %s%s", path, strerror(-r),
			  r == -EPERM ? "; CAP_CHOWN is missing" : "");
		return r;
	}
	return join(ret_file, directory, "state/state.json");
}

/* Of the keepers' sockets: a directory for each user, so nobody sees what others have. */
static int make_parked_directory(const char *directory)
{
	char path[RUNTIME_PATH_BYTES];
	int r = join(path, directory, "parked");

	return r < 0 ? r : make_directory(path, 0711);
}

int runtime_open(const char *directory, const struct privilege_user *user,
		 struct runtime *ret_runtime)
{
	struct runtime runtime = { .lock_fd = -1, .socket_fd = -1 };
	char lock[RUNTIME_PATH_BYTES];
	auto_close int lock_fd = -1;
	int r = make_directory(directory, 0755);

	if (r < 0)
		return r;
	if (join(lock, directory, "lock") < 0 ||
	    join(runtime.socket, directory, "io.sshidle") < 0 ||
	    join(runtime.pid_file, directory, "sshidled.pid") < 0) {
		log_error("%s is too long", directory);
		return -ENAMETOOLONG;
	}
	r = take_lock(lock, &lock_fd);
	if (r < 0)
		return r;
	r = make_state_directory(directory, user, runtime.state_file);
	if (r == 0)
		r = make_parked_directory(directory);
	if (r < 0)
		return r;
	r = bind_socket(runtime.socket, &runtime.socket_fd);
	if (r < 0)
		return r;
	runtime.lock_fd = take_fd(&lock_fd);
	*ret_runtime = runtime;
	return 0;
}

int runtime_write_pid(const struct runtime *runtime)
{
	auto_fclose FILE *file = fopen(runtime->pid_file, "we");

	if (!file || fprintf(file, "%d\n", getpid()) < 0 || fflush(file) != 0) {
		log_error("%s cannot be written: %s", runtime->pid_file, strerror(errno));
		return -errno;
	}
	return 0;
}

void runtime_close(struct runtime *runtime)
{
	(void)unlink(runtime->socket);
	(void)unlink(runtime->pid_file);
	if (runtime->lock_fd >= 0)
		(void)close(runtime->lock_fd);
	runtime->lock_fd = -1;
}
