/*
 * A stand-in for sshidle-keeper, for tests of the hand-over alone: it is started in the same way (see
 * keeper/keeper.h) and writes all that it reads from the terminal to RUNTIME/parked/UID/ID.dump, so
 * that bytes can be counted.  It lives until the terminal's last user has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "keeper/keeper.h"

#define PATIENCE_MS 10000

static int make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	return fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
			       listen(fd, 8) < 0
		       ? -errno
		       : 0;
}

static void release(int slave)
{
	(void)tcflow(slave, TCOON);
	(void)close(slave);
}

/* Whether the server has ended and the terminal is ours. */
static int wait_for_end(void)
{
	struct pollfd poll_for[2] = { { .fd = KEEPER_FD_SERVER, .events = POLLIN },
				      { .fd = KEEPER_FD_LINK, .events = POLLIN } };
	int patience = -1;
	char word;

	while (poll(poll_for, 2, patience) > 0) {
		if (poll_for[0].revents)
			return 1;
		if (read(KEEPER_FD_LINK, &word, 1) == 1 && word == KEEPER_CANCEL)
			return 0;
		patience = PATIENCE_MS;
		poll_for[1].fd = -1;
	}
	return 0;
}

static void dump(int file)
{
	struct pollfd poll_for = { .fd = KEEPER_FD_MASTER, .events = POLLIN };
	static char bytes[65536];

	for (;;) {
		ssize_t n = read(KEEPER_FD_MASTER, bytes, sizeof(bytes));

		if (n > 0)
			(void)!write(file, bytes, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			(void)poll(&poll_for, 1, -1);
		else
			return;
	}
}

int main(void)
{
	struct keeper_held held = { .pid = (int32_t)getpid() };
	char path[160], name[160];
	struct keeper_start start;
	int file, slave;

	if (recv(KEEPER_FD_LINK, &start, sizeof(start), MSG_WAITALL) != (ssize_t)sizeof(start))
		return 1;
	(void)snprintf(path, sizeof(path), "%s/parked/%u/%u.sock", start.runtime_dir, start.uid,
		       start.id);
	(void)snprintf(name, sizeof(name), "%s/parked/%u/%u.dump", start.runtime_dir, start.uid,
		       start.id);
	file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	slave = ioctl(KEEPER_FD_MASTER, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	held.result = slave < 0 || file < 0 ? -errno : make_socket(path);
	(void)send(KEEPER_FD_LINK, &held, sizeof(held), MSG_NOSIGNAL);
	if (held.result < 0)
		return 1;
	if (wait_for_end() == 1) {
		release(slave);
		dump(file);
	} else {
		release(slave);
	}
	(void)unlink(path);
	return 0;
}
