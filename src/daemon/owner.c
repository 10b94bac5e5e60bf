#include "daemon/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/bus.h"
#include "daemon/privilege.h"

#if HAVE_SYSTEMD

#include <linux/capability.h>
#include <poll.h>
#include <stdint.h>

#include "base/cleanup.h"

#define PROGRAM	 "/bin/chown"
#define FILE_ARG "/proc/self/fd/0"

#define RUN_USEC UINT64_C(2000000)
#define LOOKS	 600
#define LOOK_MS	 10

static int start(sd_bus *bus, int path_fd, uid_t uid)
{
	sd_bus_message *message = NULL;
	char name[64], user[16];
	int r;

	(void)snprintf(name, sizeof(name), "sshidle-give-back-%d.service", getpid());
	(void)snprintf(user, sizeof(user), "%u", uid);
	r = bus_new_unit(bus, name, &message);
	if (r >= 0)
		r = bus_library.message_append(
			message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
			"Gives a parked terminal back to its user", "Type", "s", "oneshot",
			"ExecStart", "a(sasb)", 1, PROGRAM, 3, PROGRAM, user, FILE_ARG, 0,
			"StandardInputFileDescriptor", "h", path_fd, "CapabilityBoundingSet", "t",
			UINT64_C(1) << CAP_CHOWN, "NoNewPrivileges", "b", 1, "TimeoutStartUSec",
			"t", RUN_USEC, "CollectMode", "s", "inactive-or-failed");
	return bus_start_unit(bus, message, r);
}

/* The answer comes before the unit has run, and on a busy host its process starts late. */
static int wait_for(int fd, uid_t uid)
{
	for (int look = 0; look < LOOKS; look++) {
		struct stat status;

		if (fstat(fd, &status) < 0)
			return -errno;
		if (status.st_uid == uid)
			return 0;
		(void)poll(NULL, 0, LOOK_MS);
	}
	return -ETIMEDOUT;
}

bool owner_can_ask(void)
{
	return bus_is_there() && access(PROGRAM, X_OK) == 0;
}

/* Returns when the file is the user's; its mode and group stay. */
static int ask(int fd, uid_t uid)
{
	auto_close int path_fd = -1;
	char path[48];
	sd_bus *bus;
	int r;

	if (!owner_can_ask())
		return -EPERM;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	path_fd = open(path, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	r = bus_open(&bus);
	if (r < 0)
		return r;
	r = start(bus, path_fd, uid);
	if (r == 0)
		r = wait_for(path_fd, uid);
	bus_library.close_unref(bus);
	return r;
}

#else

bool owner_can_ask(void)
{
	return false;
}

static int ask(int fd, uid_t uid)
{
	(void)fd;
	(void)uid;
	return -EPERM;
}

#endif

/* As its owner, who needs no right for it, and by what works on O_PATH too. */
static int settle(int fd, const char *path, const struct privilege_user *owner, mode_t mode)
{
	int r = privilege_act_as(owner), back;

	if (r < 0)
		return r;
	if (fchownat(fd, "", (uid_t)-1, owner->gid, AT_EMPTY_PATH) < 0 || chmod(path, mode) < 0)
		r = -errno;
	back = privilege_act_as_root();
	return r < 0 ? r : back;
}

/* Whom it is not given to can do nothing with it: it is root's and closed until it is somebody's. */
int owner_give_back(int fd, uid_t uid, gid_t gid, mode_t mode)
{
	struct privilege_user owner = { .uid = uid, .gid = gid };
	struct stat status;
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_uid != uid) {
		if (chmod(path, 0) < 0)
			return -errno;
		if (fchownat(fd, "", uid, (gid_t)-1, AT_EMPTY_PATH) < 0)
			return errno == EPERM ? 1 : -errno;
	}
	if (gid == (gid_t)-1)
		owner.gid = status.st_gid;
	return settle(fd, path, &owner, mode);
}

int owner_ask_back(int fd, uid_t uid, gid_t gid, mode_t mode)
{
	int r = ask(fd, uid);

	if (r == 0)
		r = owner_give_back(fd, uid, gid, mode);
	return r == 1 ? -EPERM : r;
}

static int make_as(int parent, const char *name, const struct privilege_user *user)
{
	int r = privilege_act_as(user), back;

	if (r < 0)
		return r;
	if (mkdirat(parent, name, 0700) < 0)
		r = -errno;
	back = privilege_act_as_root();
	return r < 0 ? r : back;
}

/* 1: it is the user's. */
static int look_at_directory(int parent, const char *name, const struct privilege_user *user)
{
	struct stat status;

	if (fstatat(parent, name, &status, 0) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return status.st_uid == user->uid;
}

int owner_make_directory(int parent, const char *name, const struct privilege_user *user)
{
	int r;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = look_at_directory(parent, name, user);
	if (r != 0)
		return r < 0 ? r : 0;
	if (fchownat(parent, name, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != EPERM || unlinkat(parent, name, AT_REMOVEDIR) < 0)
		return -errno;
	return make_as(parent, name, user);
}
