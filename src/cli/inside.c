#include "cli/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/pids.h"
#include "base/text.h"

enum { ANCESTORS_MAX = 64 };

/* By its node, as another container may have one of the same name. */
static int has_open(int32_t pid, const struct stat *node)
{
	const struct dirent *entry;
	struct stat status;
	char path[64];
	DIR *list;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	list = opendir(path);
	if (!list)
		return pids_is_nobody(-errno) ? 0 : -errno;
	while ((r = directory_next(list, &entry)) > 0)
		if (fstatat(dirfd(list), entry->d_name, &status, 0) == 0 &&
		    status.st_dev == node->st_dev && status.st_ino == node->st_ino)
			break;
	(void)closedir(list);
	return pids_is_nobody(r) ? 0 : r;
}

int inside_find(const char *tty, bool attached, struct inside *ret_inside)
{
	int32_t pid = (int32_t)getppid();
	char path[64] = "";
	struct procstat process;
	struct stat node;
	uint64_t number;

	if (!text_starts(tty, "pts/") ||
	    text_to_u64(tty + strlen("pts/"), INT32_MAX, &number) < 0 ||
	    !text_append(path, sizeof(path), "/dev/%s", tty) || stat(path, &node) < 0)
		return 0;
	for (int i = 0; i < ANCESTORS_MAX && pid > 1 && procstat_read(pid, &process) == 0; i++) {
		const bool may = attached || process.tty != (int32_t)number;
		const int r = may ? has_open(pid, &node) : 0;

		if (r > 0) {
			ret_inside->pid = pid;
			memcpy(ret_inside->name, process.name, sizeof(ret_inside->name));
		}
		if (r != 0)
			return r;
		pid = process.parent;
	}
	return 0;
}
