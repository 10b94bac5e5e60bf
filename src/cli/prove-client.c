/* One ssh(1): on a terminal of its own, as a person has it, or on pipes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/prove.h"
#include "native/launch.h"

/* Wide enough that nothing that is typed is wrapped. */
static const struct winsize window = { .ws_row = 24, .ws_col = 400 };

struct ends {
	int ours, theirs;
};

static int open_terminal(struct ends *ret_ends)
{
	auto_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	char name[64];
	int slave;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0 || ioctl(master, TIOCSWINSZ, &window) < 0)
		return -errno;
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	*ret_ends = (struct ends){ take_fd(&master), slave };
	return 0;
}

static int open_pair(struct ends *ret_ends)
{
	int both[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) < 0)
		return -errno;
	if (fcntl(both[0], F_SETFL, O_NONBLOCK) < 0) {
		const int error = errno;

		(void)close(both[0]);
		(void)close(both[1]);
		return -error;
	}
	*ret_ends = (struct ends){ both[0], both[1] };
	return 0;
}

int prove_client_start(const struct prove_run *run, const struct prove_situation *situation,
		       const char *const *argv, const char *mark, struct prove_client *ret_client)
{
	char home[PROVE_PATH_BYTES + 8], marked[64];
	char *const environment[] = {
		"PATH=/usr/bin:/bin", "LC_ALL=C", "TERM=vt100", home, marked, NULL
	};
	struct ends ends = { -1, -1 };
	int r = situation->traits & PROVE_TERMINAL ? open_terminal(&ends) : open_pair(&ends);
	pid_t pid;

	if (r < 0)
		return r;
	(void)snprintf(home, sizeof(home), "HOME=%s", run->directory);
	(void)snprintf(marked, sizeof(marked), PROVE_MARK "=%s", mark);
	r = launch_program(&(struct launch){ .argv = argv,
					     .environment = environment,
					     .in = ends.theirs,
					     .out = ends.theirs,
					     .error = ends.theirs,
					     .session = true },
			   &pid);
	(void)close(ends.theirs);
	if (r < 0) {
		(void)close(ends.ours);
		return r;
	}
	*ret_client = (struct prove_client){ .pid = pid, .fd = ends.ours };
	return 0;
}

void prove_client_end(struct prove_client *client)
{
	if (client->pid > 0) {
		(void)kill(client->pid, SIGKILL);
		while (waitpid(client->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (client->fd >= 0)
		(void)close(client->fd);
	*client = (struct prove_client){ .fd = -1 };
}

int prove_client_send(const struct prove_client *client, const void *bytes, size_t n)
{
	/* Some bytes into an empty buffer: they fit, or nobody reads any more. */
	return write(client->fd, bytes, n) == (ssize_t)n ? 0 : -EPIPE;
}
