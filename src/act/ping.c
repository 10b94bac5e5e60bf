#include "act/ping.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* TCP_ESTABLISHED of net/tcp_states.h: the only state in which the kernel sends the probe. */
#define STATE_ESTABLISHED 1

#define PUT_BACK_TRIES 3

static int check_state(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info.tcpi_state);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return -errno;
	return info.tcpi_state == STATE_ESTABLISHED ? 0 : -ENOTCONN;
}

/* Again if it fails: without it a session is no longer told from a client by the next daemon. */
static int put_back(int fd, int reuse)
{
	int r = -EIO;

	for (int i = 0; r < 0 && i < PUT_BACK_TRIES; i++)
		r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) < 0 ? -errno
											: 0;
	return r;
}

int ping_send(const struct watch *watch)
{
	auto_close int fd = -1;
	int reuse = 0, off = 0;
	socklen_t size = sizeof(reuse);
	int r = watch_borrow_socket(watch, &fd);

	if (r == 0)
		r = check_state(fd);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &size) < 0)
		return -errno;
	r = setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0 ? -errno : 0;
	return r == 0 && reuse ? put_back(fd, reuse) : r;
}
