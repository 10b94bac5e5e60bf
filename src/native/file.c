#include "native/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/read.h"

/* A file in a home may be a link to a device, and there are some that act when they are opened (tapes,
 * watchdogs): first it is only held. */
static int open_file(const char *path, int *ret_fd)
{
	auto_close int held = open(path, O_PATH | O_CLOEXEC);
	struct stat status;
	char again[32];

	if (held < 0 || fstat(held, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", held);
	*ret_fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return *ret_fd < 0 ? -errno : 0;
}

int file_read(const char *path, char **ret_text, size_t *ret_size)
{
	auto_close int fd = -1;
	int r = open_file(path, &fd);

	return r < 0 ? r : read_all(fd, FILE_BYTES_MAX, ret_text, ret_size);
}

void file_each(const char *pattern, void (*take)(void *context, const char *path), void *context)
{
	glob_t found = { 0 };

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			take(context, found.gl_pathv[i]);
	globfree(&found);
}
