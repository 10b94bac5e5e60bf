#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * linux/landlock.h of the build may be older than the kernel, or missing: these are the values of
 * its sixth version, of which as much is asked as the kernel has.  The numbers of the calls are the
 * same on all machines.
 */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_VERSION (1u << 0)
#define RULE_PATH      1

enum {
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_REG = 1 << 8,
	FS_TRUNCATE = 1 << 14,
	NET_ALL = (1 << 0) | (1 << 1),	 /* bind(2), connect(2) of TCP */
	SCOPE_ALL = (1 << 0) | (1 << 1), /* abstract sockets, signals */
};

/* All that a version knows of files: beside those above execution, making and removing of other
 * kinds, links over directories (2), truncation (3), devices' ioctl(2) (5). */
static const uint64_t files_by_version[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff };

/* Of a file only these can be allowed. */
#define FS_OF_FILES ((uint64_t)(FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE))

struct ruleset {
	uint64_t files, net, scopes;
};

struct path_rule {
	uint64_t access;
	int32_t parent;
} __attribute__((packed));

static int version_of_kernel(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	/* EPERM: the filter of a container that does not know the call. */
	if (version < 0)
		return errno == ENOSYS || errno == EPERM ? -EOPNOTSUPP : -errno;
	return version > SANDBOX_FILES_BEST ? SANDBOX_FILES_BEST : (int)version;
}

static int new_ruleset(int version, const struct ruleset *wanted)
{
	size_t size = version < 4   ? offsetof(struct ruleset, net)
		      : version < 6 ? offsetof(struct ruleset, scopes)
				    : sizeof(*wanted);
	long fd = syscall(SYS_landlock_create_ruleset, wanted, size, 0);

	return fd < 0 ? -errno : (int)fd;
}

static int allow(int ruleset, const struct ruleset *wanted, const struct sandbox_place *place)
{
	struct path_rule rule = { .access = FS_READ_FILE | FS_READ_DIR };
	auto_close int fd = open(place->path, O_PATH | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	switch (place->access) {
	case SANDBOX_READ:
		break;
	case SANDBOX_USE:
		rule.access |= FS_WRITE_FILE;
		break;
	case SANDBOX_KEEP:
		rule.access |= FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_TRUNCATE;
		break;
	}
	if (!S_ISDIR(status.st_mode))
		rule.access &= FS_OF_FILES;
	rule.access &= wanted->files;
	rule.parent = fd;
	return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

int sandbox_close_files(const struct sandbox_place *places, size_t n)
{
	int version = version_of_kernel(), r = 0;
	struct ruleset wanted = { .net = NET_ALL, .scopes = SCOPE_ALL };
	auto_close int ruleset = -1;

	if (version < 0)
		return version;
	wanted.files = files_by_version[version];
	ruleset = new_ruleset(version, &wanted);
	if (ruleset < 0)
		return ruleset;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = allow(ruleset, &wanted, &places[i]);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return -errno;
	return version < SANDBOX_FILES_BEST ? version : 0;
}
