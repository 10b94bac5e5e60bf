#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/confine.h"
#include "daemon/fake-forger.h"
#include "daemon/monitor.h"
#include "daemon/privilege.h"
#include "observe/sockdiag.h"

static void ready(void *context)
{
	(void)context;
}

static int be_monitor(int fd, bool confined)
{
	struct confine_witnesses *witnesses = confined ? confine_witnesses_new() : NULL;
	struct monitor_options options = { .link_fd = fd,
					   .starter_fd = -1,
					   .runtime_dir = "/nonexistent",
					   .engine_pid = -1,
					   .privsep_uid = UINT32_MAX,
					   .witnesses = witnesses,
					   .ready = ready };

	log_open("forger", true, LOG_LEVEL_INFO);
	(void)sockdiag_hold();
	if (confined && (privilege_monitor() < 0 || confine_calls(CONFINE_MONITOR, witnesses) < 0))
		return 99;
	return monitor_run(&options);
}

int forger_start(struct forger *forger, bool confined)
{
	int ends[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	forger->monitor = fork();
	if (forger->monitor < 0)
		return -errno;
	if (forger->monitor == 0) {
		(void)close(ends[0]);
		_exit(be_monitor(ends[1], confined));
	}
	(void)close(ends[1]);
	forger->fd = ends[0];
	return 0;
}

void forger_send(const struct forger *forger, uint32_t type, const void *bytes, uint32_t size)
{
	uint32_t head[2] = { type, size };

	if (write(forger->fd, head, sizeof(head)) == sizeof(head) && bytes)
		(void)!write(forger->fd, bytes, size);
}

static int read_all(int fd, void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)bytes + done, size - done);

		if (n <= 0)
			return -EPIPE;
		done += (size_t)n;
	}
	return 0;
}

int forger_receive(const struct forger *forger, int wait_ms, uint32_t *ret_type, void *ret_bytes)
{
	struct pollfd poll_for = { .fd = forger->fd, .events = POLLIN };
	uint32_t head[2];

	if (poll(&poll_for, 1, wait_ms) <= 0)
		return 0;
	if (read_all(forger->fd, head, sizeof(head)) < 0 || head[1] > FORGER_BYTES_MAX ||
	    read_all(forger->fd, ret_bytes, head[1]) < 0)
		return -EPIPE;
	*ret_type = head[0];
	return 1;
}

int forger_stop(struct forger *forger, bool failed)
{
	int status = 0;

	if (!failed)
		(void)kill(forger->monitor, SIGTERM);
	(void)waitpid(forger->monitor, &status, 0);
	(void)close(forger->fd);
	return status;
}
