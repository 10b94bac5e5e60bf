#include "daemon/owner.h"

#include <errno.h>

#include "daemon/bus.h"

#if HAVE_SYSTEMD

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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

int owner_ask(int fd, uid_t uid)
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

int owner_ask(int fd, uid_t uid)
{
	(void)fd;
	(void)uid;
	return -EPERM;
}

#endif
