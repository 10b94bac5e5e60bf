#include "native/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"

#define PATH_BYTES (SETTINGS_PATH_BYTES + 32)

enum { ATTRIBUTE_BYTES = 65536, NEW_MODE = 0644, DIRECTORY_MODE = 0755 };

void change_deinit(struct change *change)
{
	free(change->old_text);
	free(change->new_text);
	change->old_text = change->new_text = NULL;
}

int change_read(struct change *change)
{
	size_t size;
	int r = file_read(change->path, &change->old_text, &size);

	if (r == 0 && strlen(change->old_text) != size)
		return -EILSEQ;
	return r == -ENOENT ? 0 : r;
}

bool change_is_none(const struct change *change)
{
	if (!change->old_text || !change->new_text)
		return !change->old_text && !change->new_text;
	return text_equal(change->old_text, change->new_text);
}

static void kept_path(const struct change *change, char *ret_path, size_t size)
{
	(void)snprintf(ret_path, size, "%s" CHANGE_KEPT, change->path);
}

char *change_kept(const struct change *change)
{
	char path[PATH_BYTES], *text;
	size_t size;

	kept_path(change, path, sizeof(path));
	return file_read(path, &text, &size) < 0 ? NULL : text;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		const ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* SELinux labels, ACLs: without them another program may not read the new file. */
static void copy_attributes(int from, int to)
{
	auto_free char *names = malloc(ATTRIBUTE_BYTES), *value = malloc(ATTRIBUTE_BYTES);
	const ssize_t size = names && value ? flistxattr(from, names, ATTRIBUTE_BYTES) : -1;

	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		const ssize_t n = fgetxattr(from, names + at, value, ATTRIBUTE_BYTES);

		if (n >= 0)
			(void)fsetxattr(to, names + at, value, (size_t)n, 0);
	}
}

/* Owner, mode and attributes of the file that is replaced; a new one is root's, for all to read. */
static int copy_rights(const char *path, int to)
{
	auto_close int from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (from < 0)
		return fchmod(to, NEW_MODE) < 0 ? -errno : 0;
	if (fstat(from, &status) < 0 || fchown(to, status.st_uid, status.st_gid) < 0 ||
	    fchmod(to, status.st_mode & 07777) < 0)
		return -errno;
	copy_attributes(from, to);
	return 0;
}

static int sync_directory(const char *path)
{
	char directory[PATH_BYTES];
	auto_close int fd = -1;

	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path + 1),
		       path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static void make_directory(const char *path)
{
	char directory[PATH_BYTES];

	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path),
		       path);
	(void)mkdir(directory, DIRECTORY_MODE);
}

/* `model` has the rights that the new file gets. */
static int put(const char *path, const char *model, const char *text)
{
	char beside[PATH_BYTES];
	auto_close int fd = -1;
	int r;

	/* The name does not end in .conf: nobody includes it meanwhile. */
	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		make_directory(path);
		(void)snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
		fd = mkostemp(beside, O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	r = copy_rights(model, fd);
	r = r < 0 ? r : write_all(fd, text);
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(beside);
	return r < 0 ? r : sync_directory(path);
}

static int replace(const char *path, const char *text)
{
	/* A link stays one: what it leads to is replaced. */
	auto_free char *target = realpath(path, NULL);
	const char *real = target ? target : path;

	if (text)
		return put(real, real, text);
	if (unlink(real) < 0 && errno != ENOENT)
		return -errno;
	return sync_directory(real);
}

int change_make(const struct change *change)
{
	return replace(change->path, change->new_text);
}

int change_put_back(const struct change *change)
{
	return replace(change->path, change->old_text);
}

int change_keep(const struct change *change)
{
	char path[PATH_BYTES];

	kept_path(change, path, sizeof(path));
	if (!change->old_text || access(path, F_OK) == 0)
		return 0;
	return put(path, change->path, change->old_text);
}

void change_forget(const struct change *change)
{
	char path[PATH_BYTES];

	kept_path(change, path, sizeof(path));
	(void)unlink(path);
}
