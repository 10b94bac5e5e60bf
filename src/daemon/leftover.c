#include "daemon/leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "observe/process.h"

#define OPEN_TO_ALL  0006
#define USUAL_MODE   0620
#define PRIVATE_MODE 0600

/* The user of the terminal's session leader; false: there is none.  A number is not unique, as every devpts
 * counts its own, and anybody can mount one: if more than one user could be meant, it is nobody. */
static bool find_user(int32_t pty, uint32_t *ret_uid)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool found = false, doubtful = false;

	while (proc && !doubtful && (entry = readdir(proc)) != NULL) {
		struct procstat_status status;
		struct procstat stat;
		uint64_t pid;

		if (text_to_u64(entry->d_name, INT32_MAX, &pid) < 0 ||
		    process_stat((int32_t)pid, &stat) < 0 || stat.tty != pty ||
		    stat.sid != stat.pid || process_status((int32_t)pid, &status) < 0)
			continue;
		doubtful = found && *ret_uid != status.uid;
		*ret_uid = status.uid;
		found = true;
	}
	if (proc)
		(void)closedir(proc);
	if (doubtful)
		log_error("pts/%d is open to everybody, and is given back to nobody: it could be "
			  "more than one user's",
			  pty);
	return found && !doubtful;
}

/* A daemon that parks makes it so before the server ends; nobody without CAP_SYS_ADMIN can open it. */
static bool is_exclusive(int directory, const char *name)
{
	auto_close int fd =
		openat(directory, name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 && errno == EBUSY;
}

/* By O_PATH: it may be exclusive. First the mode: from then on nobody else can open it. */
static int give_back(int fd, uint32_t uid)
{
	const struct group *tty = getgrnam("tty");
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, tty ? USUAL_MODE : PRIVATE_MODE) < 0 ||
	    fchownat(fd, "", uid, tty ? tty->gr_gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static void look_at(int directory, const char *name)
{
	auto_close int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	uint64_t pty;
	uint32_t uid = 0;
	int r;

	if (fd < 0 || text_to_u64(name, INT32_MAX, &pty) < 0 || fstat(fd, &status) < 0 ||
	    !S_ISCHR(status.st_mode) || status.st_uid != 0 ||
	    (status.st_mode & OPEN_TO_ALL) != OPEN_TO_ALL || !is_exclusive(directory, name) ||
	    !find_user((int32_t)pty, &uid))
		return;
	r = give_back(fd, uid);
	if (r < 0)
		log_error("pts/%s is open to everybody and cannot be given back to uid %u: %s",
			  name, uid, strerror(-r));
	else
		log_info("pts/%s was left to root and was given back to uid %u", name, uid);
}

void leftover_mend(void)
{
	DIR *list = opendir("/dev/pts");
	const struct dirent *entry;

	while (list && (entry = readdir(list)) != NULL)
		look_at(dirfd(list), entry->d_name);
	if (list)
		(void)closedir(list);
}
