/*
 * slow.so, for LD_PRELOAD: an sshd that takes its time with each socket that it listens on, as on a host
 * without a free processor: before it closes one, and before and after it opens one.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAP_MS = 150, FDS_MOST = 64 };

static bool listens[FDS_MOST];

int listen(int fd, int n)
{
	int r;

	(void)poll(NULL, 0, NAP_MS);
	r = (int)syscall(SYS_listen, fd, n);
	(void)poll(NULL, 0, NAP_MS);
	if (r == 0 && fd < FDS_MOST)
		listens[fd] = true;
	return r;
}

int close(int fd)
{
	if (fd >= 0 && fd < FDS_MOST && listens[fd]) {
		listens[fd] = false;
		(void)poll(NULL, 0, NAP_MS);
	}
	return (int)syscall(SYS_close, fd);
}
