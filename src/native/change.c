#include "native/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"

#define PATH_BYTES (SETTINGS_PATH_BYTES + 32)

/* Beside the file, and not ending in .conf: nobody includes them. What is held is the old file itself, or a link
 * to nothing where there was none. */
#define NEW  ".sshidle-new"
#define HELD ".sshidle-held"

enum { ATTRIBUTE_BYTES = 65536, NEW_MODE = 0644, LOCK_MODE = 0600, DIRECTORY_MODE = 0755 };

void change_deinit(struct change *change)
{
	free(change->old_text);
	free(change->new_text);
	change->old_text = change->new_text = NULL;
}

int change_lock(int *ret_fd)
{
	auto_close int fd = open(CHANGE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

int change_read(struct change *change)
{
	/* A link stays one: what it leads to is replaced. */
	auto_free char *target = realpath(change->path, NULL);
	size_t size;
	int r;

	if (!text_copy(target ? target : change->path, change->real, sizeof(change->real)))
		return -ENAMETOOLONG;
	r = file_read(change->path, &change->old_text, &size);

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

static void held_path(const struct change *change, char *ret_path, size_t size)
{
	(void)snprintf(ret_path, size, "%s" HELD, change->real);
}

bool change_is_held(const struct change *change)
{
	char path[PATH_BYTES];
	struct stat status;

	held_path(change, path, sizeof(path));
	return lstat(path, &status) == 0;
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

/* Names onto the disk. Whether it succeeds or not the whole old file is there or the whole new one. */
static void sync_directory(const char *path)
{
	char directory[PATH_BYTES];
	auto_close int fd = -1;

	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path + 1),
		       path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)fsync(fd);
}

static void make_directory(const char *path)
{
	char directory[PATH_BYTES];

	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path),
		       path);
	(void)mkdir(directory, DIRECTORY_MODE);
}

static int create(const char *path)
{
	int fd;

	make_directory(path);
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	return fd < 0 ? -errno : fd;
}

/* Beside `path`, with the rights of `model`. */
static int write_new(const char *path, const char *model, const char *text,
		     char ret_path[static PATH_BYTES])
{
	auto_close int fd = -1;
	int r;

	if (snprintf(ret_path, PATH_BYTES, "%s" NEW, path) >= PATH_BYTES)
		return -ENAMETOOLONG;
	fd = create(ret_path);
	if (fd < 0)
		return fd;
	r = copy_rights(model, fd);
	r = r < 0 ? r : write_all(fd, text);
	if (r < 0)
		(void)unlink(ret_path);
	return r;
}

static int put(const char *path, const char *model, const char *text)
{
	char new[PATH_BYTES];
	int r = write_new(path, model, text, new);

	if (r == 0 && rename(new, path) < 0) {
		r = -errno;
		(void)unlink(new);
	}
	if (r == 0)
		sync_directory(path);
	return r;
}

int change_try(const struct change *change, const char *text, char *ret_path, size_t size)
{
	char path[PATH_BYTES];
	int r = write_new(change->real, change->real, text, path);

	if (r == 0 && !text_copy(path, ret_path, size))
		r = -ENAMETOOLONG;
	return r;
}

void change_untry(const struct change *change)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s" NEW, change->real);
	(void)unlink(path);
}

/* The old file gets a second name: putting it back must need no room on the disk. 1: it has one already, from
 * a change to the same text that was cut off. */
static int hold(const struct change *change)
{
	char held[PATH_BYTES];
	int r;

	if (change_is_none(change) && change_is_held(change))
		return 1;
	held_path(change, held, sizeof(held));
	(void)unlink(held);
	if (!change->old_text) {
		make_directory(held);
		r = symlink("none", held) < 0 ? -errno : 0;
	} else {
		r = link(change->real, held) < 0 ? -errno : 0;
		/* a file system without such links */
		if (r == -EPERM || r == -EOPNOTSUPP || r == -EMLINK)
			r = put(held, change->real, change->old_text);
	}
	sync_directory(held);
	return r;
}

/* Whether the file is still what was read. */
static bool is_unchanged(const struct change *change)
{
	struct change now = { .old_text = NULL };
	bool same;

	(void)text_copy(change->path, now.path, sizeof(now.path));
	same = change_read(&now) == 0 && !now.old_text == !change->old_text &&
	       (!now.old_text || text_equal(now.old_text, change->old_text));
	change_deinit(&now);
	return same;
}

static int take_away(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* With the old file held. */
static int exchange(const struct change *change, const char *new)
{
	int r;

	if (change->new_text)
		r = rename(new, change->real) < 0 ? -errno : 0;
	else
		r = take_away(change->real);
	sync_directory(change->real);
	return r;
}

int change_make(const struct change *change)
{
	char new[PATH_BYTES], held[PATH_BYTES];
	int r = is_unchanged(change) ? 0 : -ESTALE, was_held = 1;

	if (r == 0 && change->new_text)
		r = write_new(change->real, change->real, change->new_text, new);
	if (r == 0)
		r = was_held = hold(change);
	if (r >= 0)
		r = exchange(change, new);
	if (r < 0)
		change_untry(change);
	if (r < 0 && was_held == 0) {
		held_path(change, held, sizeof(held));
		(void)unlink(held);
	}
	return r;
}

/* One that was kept by what is put back says no more than the file itself. */
static void forget_same(const struct change *change)
{
	auto_free char *kept = change_kept(change), *text = NULL;
	size_t size;

	if (kept && file_read(change->path, &text, &size) == 0 && text_equal(kept, text))
		change_forget(change);
}

int change_put_back(const struct change *change)
{
	char held[PATH_BYTES];
	struct stat status;
	int r;

	held_path(change, held, sizeof(held));
	if (lstat(held, &status) < 0)
		return -errno;
	if (S_ISLNK(status.st_mode))
		r = take_away(change->real);
	else
		r = rename(held, change->real) < 0 ? -errno : 0;
	if (r == 0) {
		(void)unlink(held);
		forget_same(change);
	}
	sync_directory(held);
	return r;
}

void change_done(const struct change *change)
{
	char path[PATH_BYTES];

	held_path(change, path, sizeof(path));
	(void)unlink(path);
}

int change_keep(const struct change *change)
{
	char path[PATH_BYTES];

	kept_path(change, path, sizeof(path));
	if (!change->old_text || access(path, F_OK) == 0)
		return 1;
	return put(path, change->real, change->old_text);
}

void change_forget(const struct change *change)
{
	char path[PATH_BYTES];

	kept_path(change, path, sizeof(path));
	(void)unlink(path);
}
