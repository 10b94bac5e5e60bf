#include "observe/sockdiag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* One of each for the process, as there is one kernel. */
static struct {
	int fd; /* or -errno */
	bool is_known;
} held[SOCKDIAG_N];

/* Bound, as messages for a group do not reach a socket that has no address. */
static int make_socket(void)
{
	const struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	auto_close int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		return -errno;
	return take_fd(&fd);
}

static void let_go(enum sockdiag_use use)
{
	if (held[use].is_known && held[use].fd >= 0)
		cleanup_close(&held[use].fd);
	held[use].is_known = false;
}

void sockdiag_give(enum sockdiag_use use, int fd)
{
	let_go(use);
	held[use].fd = fd;
	held[use].is_known = true;
}

int sockdiag_get(enum sockdiag_use use)
{
	if (!held[use].is_known)
		sockdiag_give(use, make_socket());
	return held[use].fd;
}

int sockdiag_hold(void)
{
	int r = 0;

	for (enum sockdiag_use use = 0; use < SOCKDIAG_N; use++)
		if (sockdiag_get(use) < 0)
			r = held[use].fd;
	return r;
}

void sockdiag_close(void)
{
	for (enum sockdiag_use use = 0; use < SOCKDIAG_N; use++)
		let_go(use);
}

ssize_t sockdiag_receive(int fd, void *buffer, size_t size)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_size = sizeof(from);
	ssize_t n = recvfrom(fd, buffer, size, 0, (struct sockaddr *)&from, &from_size);

	if (n < 0)
		return -errno;
	/* pid 0 is the kernel. */
	return from.nl_pid == 0 ? n : 0;
}
