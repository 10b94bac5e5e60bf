#include "act/park-mend.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/helper.h"
#include "base/cleanup.h"

/* systemd may be asked for it (daemon/owner.h), and be busy. */
#define MEND_FOR_NS (8 * NS_PER_S)

bool park_mend_is_due(const struct park_terminal *terminal)
{
	struct stat status;

	return terminal->slave >= 0 && fstat(terminal->slave, &status) == 0 &&
	       (status.st_uid != terminal->uid || status.st_gid != terminal->gid ||
		(status.st_mode & 07777) != terminal->mode);
}

static int ask(struct park_terminal *terminal, int starter)
{
	struct helper_request request = {
		.type = HELPER_MEND,
		.uid = terminal->uid,
		.pty = (uint32_t)terminal->channel.tty,
		.gid = terminal->gid,
		.mode = terminal->mode,
	};
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	r = helper_ask(
		starter, &request,
		(int[MEND_N]){ [MEND_FD_ANSWER] = ends[1], [MEND_FD_SLAVE] = terminal->slave },
		MEND_N);
	(void)close(ends[1]);
	if (r < 0)
		(void)close(ends[0]);
	else
		terminal->answer = ends[0];
	return r;
}

int park_mend_step(struct park_terminal *terminal, int starter, int64_t now_ns)
{
	int32_t result;
	ssize_t n;

	if (terminal->answer < 0) {
		int r = ask(terminal, starter);

		terminal->mend_until_ns = now_ns + MEND_FOR_NS;
		return r;
	}
	n = recv(terminal->answer, &result, sizeof(result), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return now_ns < terminal->mend_until_ns ? 0 : -ETIMEDOUT;
	(void)close(take_fd(&terminal->answer));
	if (n != (ssize_t)sizeof(result))
		return -EPIPE;
	return result < 0 ? result : 1;
}
