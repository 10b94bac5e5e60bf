#include "daemon/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directory.h"
#include "base/log.h"
#include "base/pids.h"
#include "base/text.h"
#include "daemon/owner.h"
#include "observe/process.h"

#define OPEN_TO_ALL  0006
#define USUAL_MODE   0620
#define PRIVATE_MODE 0600

/* As long as the kernel tells one. */
#define PATH_BYTES 4096

/* What a file says that cannot be looked at: it may be anybody's, and is not the terminal. */
static int not_it(int error)
{
	return error == ENOMEM ? -ENOMEM : 0;
}

/* 1: the descriptor's file is called so. Asked before the file itself is: one of a dead file server would never answer. */
static int is_called(int directory, const char *link, int32_t number)
{
	char path[PATH_BYTES];
	const char *name;
	uint64_t found;
	ssize_t n = readlinkat(directory, link, path, sizeof(path) - 1);

	if (n < 0)
		return not_it(errno);
	path[n] = '\0';
	name = strrchr(path, '/');
	return name && text_to_u64(name + 1, INT32_MAX, &found) == 0 && (int32_t)found == number;
}

/* 1: the descriptor is one of this very terminal. One of O_PATH proves nothing: everybody can have it. */
static int is_terminal(int32_t pid, int directory, const char *link, int32_t number,
		       const struct stat *terminal)
{
	struct stat status;
	uint32_t flags;
	uint64_t fd;
	int r;

	if (text_to_u64(link, INT32_MAX, &fd) < 0)
		return 0; /* "." and ".." */
	r = is_called(directory, link, number);
	if (r <= 0)
		return r;
	if (fstatat(directory, link, &status, 0) < 0)
		return not_it(errno);
	if (status.st_dev != terminal->st_dev || status.st_rdev != terminal->st_rdev)
		return 0;
	r = process_descriptor_flags(pid, (int)fd, &flags);
	return r < 0 ? r : !(flags & O_PATH);
}

/*
 * 1: the process has this very terminal open. Its number alone proves nothing, as every devpts counts its own and anybody
 * can mount one.
 */
static int has_open(int32_t pid, int32_t number, const struct stat *terminal)
{
	const struct dirent *entry;
	char path[32];
	DIR *list;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/fd", pid);
	list = opendir(path);
	if (!list)
		return pids_error(errno);
	while ((r = directory_next(list, &entry)) > 0) {
		r = is_terminal(pid, dirfd(list), entry->d_name, number, terminal);
		if (r != 0 && r != -ESRCH)
			break;
	}
	(void)closedir(list);
	return r < 0 ? pids_error(-r) : r;
}

/* 1 and its user: the process leads the session of the terminal. */
static int look_at_process(int32_t pid, int32_t number, const struct stat *terminal,
			   uint32_t *ret_uid)
{
	struct procstat_status status;
	struct procstat stat;
	int r = procstat_read(pid, &stat);

	if (r < 0 || stat.tty != number || stat.sid != stat.pid)
		return r;
	r = has_open(pid, number, terminal);
	if (r <= 0)
		return r;
	r = process_status(pid, &status);
	if (r < 0)
		return r;
	*ret_uid = status.uid;
	return 1;
}

/*
 * The user of the terminal's session leader. -ENOENT: there is none.  If more than one user could be meant, also as not
 * all could be looked at, it is nobody.
 */
static int find_user(int32_t number, const struct stat *terminal, uint32_t *ret_uid)
{
	struct pids pids;
	uint32_t uid = 0;
	int32_t pid;
	int r = pids_open(&pids), found = -ENOENT;

	if (r < 0)
		return r;
	while ((r = pids_next(&pids, &pid)) > 0) {
		r = look_at_process(pid, number, terminal, &uid);
		if (r == 1 && found == 0 && uid != *ret_uid)
			r = -ENOTUNIQ;
		if (r < 0 && r != -ESRCH)
			break;
		if (r == 1) {
			*ret_uid = uid;
			found = 0;
		}
	}
	pids_close(&pids);
	return r < 0 ? r : found;
}

/* A daemon that parks makes it so before the server ends; nobody without CAP_SYS_ADMIN can open it. */
static bool is_exclusive(int directory, const char *name)
{
	auto_close int fd =
		openat(directory, name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 && errno == EBUSY;
}

/* dropbear has opened it to everybody; or a daemon has closed it, and could not give it back. */
static bool is_left(const struct stat *status)
{
	return S_ISCHR(status->st_mode) &&
	       ((status->st_mode & OPEN_TO_ALL) == OPEN_TO_ALL || (status->st_mode & 07777) == 0);
}

/* What it had cannot be known: the usual one, but where its user still has it as it was. */
static gid_t group_of(const struct stat *status, const struct group *tty)
{
	return tty && (status->st_uid == 0 || (status->st_mode & 07777) == 0) ? tty->gr_gid
									      : (gid_t)-1;
}

static void look_at(int directory, const char *name)
{
	auto_close int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	const struct group *tty;
	struct stat status;
	uint64_t number;
	uint32_t uid = 0;
	mode_t mode;
	int r;

	if (fd < 0 || text_to_u64(name, INT32_MAX, &number) < 0 || fstat(fd, &status) < 0 ||
	    !is_left(&status) || !is_exclusive(directory, name))
		return;
	r = find_user((int32_t)number, &status, &uid);
	if (r == -ENOENT || (r == 0 && status.st_uid != 0 && status.st_uid != uid))
		return;
	if (r < 0) {
		log_error("pts/%s was left to everybody, and is given back to nobody: %s", name,
			  r == -ENOTUNIQ ? "it could be more than one user's" : strerror(-r));
		return;
	}
	tty = getgrnam("tty");
	mode = tty ? USUAL_MODE : PRIVATE_MODE;
	r = owner_give_back(fd, uid, group_of(&status, tty), mode);
	if (r == 1)
		r = owner_ask_back(fd, uid, group_of(&status, tty), mode);
	if (r < 0)
		log_error("pts/%s was left to everybody and cannot be given back to uid %u: %s",
			  name, uid, strerror(-r));
	else
		log_info("pts/%s was left to everybody and was given back to uid %u", name, uid);
}

void leftover_mend(void)
{
	DIR *list = opendir("/dev/pts");
	const struct dirent *entry;
	int r = list ? 0 : -errno;

	while (list && (r = directory_next(list, &entry)) > 0)
		look_at(dirfd(list), entry->d_name);
	if (r < 0 && r != -ENOENT)
		log_error(
			"/dev/pts cannot be read: %s; terminals that were left to everybody stay as they are",
			strerror(-r));
	if (list)
		(void)closedir(list);
}
