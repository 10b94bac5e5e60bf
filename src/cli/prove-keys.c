/* Files of authorized keys, changed as the user whose they are. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/prove-private.h"

int prove_keys_become(uid_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	if (!entry)
		return -ENOENT;
	if (uid == 0)
		return 0;
	if (initgroups(entry->pw_name, entry->pw_gid) < 0 || setegid(entry->pw_gid) < 0 ||
	    seteuid(uid) < 0)
		return -errno;
	return 0;
}

void prove_keys_become_root(void)
{
	(void)!seteuid(0);
	(void)!setegid(0);
	(void)setgroups(0, NULL);
}

static bool ends_with(const char *line, size_t n, const char *tag)
{
	const size_t size = strlen(tag);

	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	return n >= size && memcmp(line + n - size, tag, size) == 0;
}

/* Copies all lines but those that end with `tag`; with `whole` the last one gets its line end. */
static int copy_lines(FILE *from, FILE *to, const char *tag, bool whole)
{
	auto_free char *line = NULL;
	size_t size = 0;
	ssize_t n;
	char last = '\n';

	while ((n = getline(&line, &size, from)) > 0) {
		if (ends_with(line, (size_t)n, tag))
			continue;
		if (fwrite(line, 1, (size_t)n, to) != (size_t)n)
			return -EIO;
		last = line[n - 1];
	}
	if (ferror(from) || (whole && last != '\n' && fputc('\n', to) == EOF))
		return -EIO;
	return 0;
}

/* The new file takes the old one's owner, or its user could not log in any more, and mode.  One of root's, outside
 * of homes, is read by the user. */
static int open_new(const char *path, const struct stat *old, char *ret_path, FILE **ret_file)
{
	int fd, r;

	if (snprintf(ret_path, PROVE_PATH_BYTES + 16, "%s.XXXXXX", path) >= PROVE_PATH_BYTES + 16)
		return -ENAMETOOLONG;
	fd = mkostemp(ret_path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if ((!old || fchown(fd, old->st_uid, old->st_gid) == 0) &&
	    fchmod(fd, old		? old->st_mode & 07777
		       : geteuid() == 0 ? 0644
					: 0600) == 0) {
		*ret_file = fdopen(fd, "w");
		if (*ret_file)
			return 0;
	}
	r = -errno;
	(void)close(fd);
	(void)unlink(ret_path);
	return r;
}

/* Only a plain file is changed: what a link leads to is somebody else's business. */
static int change(const char *path, const char *tag, const char *line)
{
	char new_path[PROVE_PATH_BYTES + 16];
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	auto_fclose FILE *from = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct stat old;
	FILE *to = NULL;
	int r;

	if (!from && (errno != ENOENT || !line))
		return -errno;
	if (from && (fstat(fd, &old) < 0 || !S_ISREG(old.st_mode)))
		return -EINVAL;
	r = open_new(path, from ? &old : NULL, new_path, &to);
	if (r < 0)
		return r;
	if (from)
		r = copy_lines(from, to, tag, line != NULL);
	if (r == 0 && line && fprintf(to, "%s\n", line) < 0)
		r = -EIO;
	if (fclose(to) != 0 && r == 0)
		r = -EIO;
	if (r == 0 && rename(new_path, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(new_path);
	return r;
}

int prove_keys_add(const char *path, const char *tag, const char *line)
{
	return change(path, tag, line);
}

int prove_keys_unmake(const char *path)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return -errno;
	/* A link is none that was made here. Others may have put theirs into the file meanwhile. */
	if (!S_ISDIR(status.st_mode) && (!S_ISREG(status.st_mode) || status.st_size > 0))
		return -ENOTEMPTY;
	return remove(path) < 0 ? -errno : 0;
}

int prove_keys_drop(const char *path, const char *tag)
{
	return change(path, tag, NULL);
}
