#include "daemon/starting.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directory.h"
#include "base/log.h"
#include "daemon/owner.h"
#include "daemon/privilege.h"
#include "daemon/scope.h"
#include "keeper/keeper.h"

#define PATH_BYTES 256
#define FILES_MAX  256

void starting_refuse(int link, int result)
{
	struct keeper_held held = { .result = result };

	(void)send(link, &held, sizeof(held), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* --- its directory --- */

/* RUNTIME/parked/UID, the user's alone. */
static int open_directory(const char *runtime_dir, const struct passwd *user, int *ret_fd)
{
	const struct privilege_user owner = { .uid = user->pw_uid, .gid = user->pw_gid };
	auto_close int parked = -1, fd = -1;
	char path[PATH_BYTES], name[16];
	int r;

	(void)snprintf(path, sizeof(path), "%s/parked", runtime_dir);
	(void)snprintf(name, sizeof(name), "%u", user->pw_uid);
	parked = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (parked < 0)
		return -errno;
	r = owner_make_directory(parked, name, &owner);
	if (r == -ENOTEMPTY)
		log_error("%s/%s is not uid %u's and is not empty: remove it", path, name,
			  user->pw_uid);
	if (r < 0)
		return r;
	fd = openat(parked, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Whether somebody answers on a socket; a keeper hangs up on whom it does not know, that is enough. */
static bool answers(int directory, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return true;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.80s",
		       directory, name);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
	       (errno != ECONNREFUSED && errno != ENOENT);
}

static bool ends_so(const char *name, const char *end)
{
	size_t length = strlen(name), n = strlen(end);

	return length > n && strcmp(name + length - n, end) == 0;
}

/* Those whose shell has ended (".ended") do not count: they only show what it has said last.  What is left of
 * keepers that were killed is taken away on the occasion. */
static int count_parked(int directory, uint32_t *ret_n)
{
	int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	uint32_t n = 0;
	int r;

	if (!list) {
		r = -errno;
		cleanup_close(&copy);
		return r;
	}
	while ((r = directory_next(list, &entry)) > 0) {
		const bool counts = ends_so(entry->d_name, ".sock");

		if (!counts && !ends_so(entry->d_name, ".ended"))
			continue;
		if (answers(directory, entry->d_name))
			n += counts;
		else
			(void)unlinkat(directory, entry->d_name, 0);
	}
	(void)closedir(list);
	*ret_n = n;
	return r;
}

static int prepare_directory(const struct helper_request *request, const struct passwd *user,
			     const char *runtime_dir)
{
	auto_close int directory = -1;
	uint32_t n = 0;
	int r = open_directory(runtime_dir, user, &directory);

	if (r == 0)
		r = count_parked(directory, &n);
	if (r == 0 && n >= request->most)
		r = -EDQUOT;
	return r;
}

/* --- its descriptors --- */

/* To the places where it looks for them, by way of places above all of these. */
static int place_fds(const int fds[static START_N])
{
	static const int places[START_N] = {
		[START_FD_LINK] = KEEPER_FD_LINK,
		[START_FD_MASTER] = KEEPER_FD_MASTER,
		[START_FD_SERVER] = KEEPER_FD_SERVER,
		[START_FD_LEADER] = KEEPER_FD_LEADER,
	};
	int high[START_N];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	for (int i = 0; i < START_N; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 16);
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < START_N; i++)
		if (dup2(high[i], places[i]) < 0)
			return -errno;
	/* musl has no function for it. */
	if (syscall(SYS_close_range, KEEPER_FD_LEADER + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Nothing of the daemon's own standing. */
static void be_ordinary(void)
{
	const struct rlimit files = { .rlim_cur = FILES_MAX, .rlim_max = FILES_MAX };
	sigset_t none;

	(void)setsid();
	(void)!chdir("/");
	(void)umask(077);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What cannot be taken back comes last, so that all else is answered for. */
static int become(const struct helper_request *request, const int fds[static START_N],
		  const struct passwd *user, const char *keeper)
{
	char *const arguments[] = { (char *)(uintptr_t) "sshidle-keeper", NULL };
	char *const environment[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL };
	const struct kin_leader leader = { .start_ticks = request->leader_ticks,
					   .pid = request->leader_pid };
	int r = scope_make(request->id, user->pw_uid, &leader);

	if (r < 0) {
		log_error("the terminal cannot be moved to a scope of its own: %s", strerror(-r));
		return r;
	}
	be_ordinary();
	r = place_fds(fds);
	if (r == 0)
		r = privilege_keeper(user);
	if (r < 0)
		return r;
	(void)execve(keeper, arguments, environment);
	return errno == ENOENT ? -ENOPKG : -errno;
}

int starting_become(const struct helper_request *request, const int fds[static START_N],
		    const char *keeper, const char *runtime_dir)
{
	const struct passwd *user = getpwuid(request->uid);
	int link = fcntl(fds[START_FD_LINK], F_DUPFD_CLOEXEC, 16);
	int r = user ? 0 : -ENOENT;

	if (link < 0)
		return -errno;
	if (r == 0)
		r = prepare_directory(request, user, runtime_dir);
	if (r == 0)
		r = become(request, fds, user, keeper);
	starting_refuse(link, r);
	return r;
}
