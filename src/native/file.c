#include "native/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/files.h"
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

int file_each(const char *pattern, void (*take)(void *context, const char *path), void *context)
{
	struct files files;
	int r = files_find(pattern, &files);

	if (r < 0)
		return r;
	for (size_t i = 0; i < files.n; i++)
		take(context, files.paths[i]);
	files_deinit(&files);
	return 0;
}
