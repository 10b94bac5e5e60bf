#include "daemon/passed.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "observe/sockdiag.h"

#define FIRST_FD   3
#define PASSED_MAX 1024

static uint64_t number_in(const char *name, uint64_t most)
{
	const char *text = getenv(name);
	uint64_t number;

	return text && text_to_u64(text, most, &number) == 0 ? number : 0;
}

/* How many there are for this process. */
static int count(void)
{
	const int n = number_in("LISTEN_PID", INT32_MAX) == (uint64_t)getpid()
			      ? (int)number_in("LISTEN_FDS", PASSED_MAX)
			      : 0;

	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return n;
}

static bool option_is(int fd, int option, int wanted)
{
	socklen_t size = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static bool is_wanted(int fd)
{
	return option_is(fd, SO_DOMAIN, AF_NETLINK) &&
	       option_is(fd, SO_PROTOCOL, NETLINK_SOCK_DIAG);
}

static bool prepare(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
	       fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

void passed_take(void)
{
	enum sockdiag_use use = 0;
	int n = count(), unwanted = 0;

	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		if (use < SOCKDIAG_N && is_wanted(fd) && prepare(fd)) {
			sockdiag_give(use++, fd);
		} else {
			(void)close(fd);
			unwanted++;
		}
	}
	if (unwanted > 0)
		log_warning("%d of %d descriptors from the service manager are not wanted and are "
			    "closed: sshidle.socket has %d, netlink sockets for inet-diag",
			    unwanted, n, SOCKDIAG_N);
}
