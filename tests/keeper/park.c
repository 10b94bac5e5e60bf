/*
 * usage: park KEEPER RUNTIME-DIR ID USER UID GID ROWS COLUMNS OPTION=VALUE... -- COMMAND...
 *
 * Starts a command on a pseudo terminal as a user and holds it as an SSH server would; on "park" on
 * standard input hands the terminal to a keeper, as sshidled does.  Its words go both ways, one a
 * line, so that a test knows where it stands:
 *
 *   write TEXT   types it; C escapes
 *   read N       reads at least N bytes as the client before the park would, says "got N HEX"
 *   drain        reads until nothing has come for a while, says "drained N"
 *   park         stops output, starts the keeper, says "held PID", ends the server, says "parked"
 *   start        as park, but the server lives on; then: "commit", "cancel", "gone", "close"
 *   wait         waits for the command, says "status N" (its parent waits for it: we do)
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "keeper/keeper.h"

enum { QUIET_MS = 300 };

struct world {
	struct keeper_start start;
	const char *keeper;
	gid_t gid;
	int master, link;
	pid_t command, server, held;
};

static void fail(const char *what)
{
	(void)printf("failed %s: %s\n", what, strerror(errno));
	exit(1);
}

static void say(const char *word, long number)
{
	(void)printf("%s %ld\n", word, number);
	(void)fflush(stdout);
}

static uint64_t number(const char *text)
{
	uint64_t value;

	if (text_to_u64(text, INT64_MAX, &value) < 0)
		fail(text);
	return value;
}

static void take_option(struct keeper_start *start, const char *option)
{
	const char *value = strchr(option, '=') + 1;

	if (text_starts(option, "lifetime_ms="))
		start->lifetime_ns = (int64_t)number(value) * 1000000;
	else if (text_starts(option, "scrollback="))
		start->scrollback_bytes = number(value);
	else if (text_starts(option, "flags="))
		start->flags = (uint32_t)number(value);
	else if (text_starts(option, "leader="))
		start->has_leader = (uint32_t)number(value);
	else
		fail(option);
}

static void become(const struct world *world)
{
	if (geteuid() != 0 || world->start.uid == 0)
		return;
	if (initgroups(world->start.user, world->gid) < 0 ||
	    setresgid(world->gid, world->gid, world->gid) < 0 ||
	    setresuid(world->start.uid, world->start.uid, world->start.uid) < 0)
		fail("become");
}

static void start_command(struct world *world, char **command)
{
	const struct winsize size = { .ws_row = world->start.rows, .ws_col = world->start.columns };
	unsigned pty = 0;

	world->command = forkpty(&world->master, NULL, NULL, &size);
	if (world->command < 0)
		fail("forkpty");
	if (world->command == 0) {
		if (geteuid() == 0 && fchown(STDIN_FILENO, world->start.uid, world->gid) < 0)
			fail("fchown");
		become(world);
		(void)execvp(command[0], command);
		_exit(127);
	}
	if (ioctl(world->master, TIOCGPTN, &pty) < 0)
		fail("TIOCGPTN");
	world->start.pty = pty;
	world->start.leader_pid = world->command;
}

/* It stands for the server's session process. */
static void start_server(struct world *world)
{
	const pid_t parent = getpid();

	world->server = fork();
	if (world->server == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Unless that has come too late. */
		while (getppid() == parent)
			(void)pause();
		_exit(0);
	}
}

static int pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void put_fds(const int *fds, int n)
{
	int high[8];

	/* First out of the way of their places. */
	for (int i = 0; i < n; i++)
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
	for (int i = 0; i < n; i++)
		(void)dup2(high[i], KEEPER_FD_MASTER + i);
	(void)syscall(SYS_close_range, KEEPER_FD_MASTER + n, ~0U, 0);
}

static void start_keeper(struct world *world)
{
	int pair[2], slave;
	struct keeper_held held;
	pid_t pid;

	slave = ioctl(world->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcflow(slave, TCOOFF) < 0)
		fail("TCOOFF");
	(void)close(slave);
	world->start.created_ns = clock_ns(CLOCK_REALTIME);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		fail("socketpair");
	pid = fork();
	if (pid == 0) {
		const int fds[] = { world->master, pair[1], pidfd(world->server),
				    pidfd(world->command) };
		char *arguments[] = { (char *)(uintptr_t)world->keeper, NULL, NULL };
		static char to_stderr[] = "-d";
		char *environment[] = { NULL };

		if (getenv("KEEPER_LOG"))
			arguments[1] = to_stderr;
		(void)setsid();
		become(world);
		put_fds(fds, world->start.has_leader ? 4 : 3);
		if (world->keeper)
			(void)execve(world->keeper, arguments, environment);
		_exit(127);
	}
	(void)close(pair[1]);
	world->link = pair[0];
	if (send(world->link, &world->start, sizeof(world->start), 0) !=
		    (ssize_t)sizeof(world->start) ||
	    recv(world->link, &held, sizeof(held), MSG_WAITALL) != (ssize_t)sizeof(held))
		fail("held");
	if (held.result < 0) {
		errno = -held.result;
		fail("keeper");
	}
	world->held = held.pid;
	say("held", held.pid);
}

/* What the server does when its connection ends. */
static void end_server(struct world *world)
{
	(void)close(world->master);
	world->master = -1;
	(void)kill(world->server, SIGKILL);
	(void)waitpid(world->server, NULL, 0);
	say("parked", world->server);
}

static void type_text(const struct world *world, const char *text)
{
	char bytes[4096];
	size_t n = 0;

	for (; *text != '\0' && *text != '\n' && n < sizeof(bytes); text++) {
		if (*text != '\\') {
			bytes[n++] = *text;
		} else if (text[1] == 'x') {
			bytes[n++] = (char)strtol((char[]){ text[2], text[3], '\0' }, NULL, 16);
			text += 3;
		} else {
			bytes[n++] = *++text == 'r' ? '\r' : *text == 'n' ? '\n' : *text;
		}
	}
	if (write(world->master, bytes, n) != (ssize_t)n)
		fail("write");
}

static void read_output(const struct world *world, size_t least)
{
	char bytes[4096];
	size_t total = 0;

	(void)fputs("got ", stdout);
	while (total < least) {
		const ssize_t n =
			read(world->master, bytes,
			     least - total < sizeof(bytes) ? least - total : sizeof(bytes));

		if (n <= 0)
			fail("read");
		for (ssize_t i = 0; i < n; i++)
			(void)printf("%02x", (unsigned char)bytes[i]);
		total += (size_t)n;
	}
	say("", (long)total);
}

static void drain_output(const struct world *world)
{
	struct pollfd fd = { .fd = world->master, .events = POLLIN };
	char bytes[4096];
	long total = 0;

	while (poll(&fd, 1, QUIET_MS) == 1 && fd.revents & POLLIN)
		total += read(world->master, bytes, sizeof(bytes));
	say("drained", total);
}

static void wait_for_command(const struct world *world)
{
	int status = 0;

	if (waitpid(world->command, &status, 0) < 0)
		fail("waitpid");
	say("status", status);
}

static void obey(struct world *world, const char *line)
{
	if (text_starts(line, "write "))
		type_text(world, line + strlen("write "));
	else if (text_starts(line, "read "))
		read_output(world, (size_t)strtoul(line + strlen("read "), NULL, 10));
	else if (text_starts(line, "drain"))
		drain_output(world);
	else if (text_starts(line, "start") || text_starts(line, "park"))
		start_keeper(world);
	else if (text_starts(line, "wait"))
		wait_for_command(world);
	else if (text_starts(line, "commit"))
		(void)send(world->link, &(char){ KEEPER_COMMIT }, 1, 0);
	else if (text_starts(line, "cancel"))
		(void)send(world->link, &(char){ KEEPER_CANCEL }, 1, 0);
	else if (text_starts(line, "close"))
		(void)close(world->link);
	if (text_starts(line, "park") || text_starts(line, "gone"))
		end_server(world);
}

int main(int argc, char **argv)
{
	static struct world world = {
		.start = { .version = KEEPER_VERSION, .has_leader = 1, .scrollback_bytes = 2 << 20 }
	};
	char line[8192];
	int at = 9;

	if (argc < 10)
		return 2;
	world.keeper = argv[1];
	world.start.id = (uint32_t)number(argv[3]);
	world.start.uid = (uint32_t)number(argv[5]);
	world.gid = (gid_t)number(argv[6]);
	world.start.rows = (uint16_t)number(argv[7]);
	world.start.columns = (uint16_t)number(argv[8]);
	(void)text_copy(argv[2], world.start.runtime_dir, sizeof(world.start.runtime_dir));
	(void)text_copy(argv[4], world.start.user, sizeof(world.start.user));
	(void)text_copy("192.0.2.7", world.start.from, sizeof(world.start.from));
	(void)text_copy("openssh", world.start.server, sizeof(world.start.server));
	for (; at < argc && !text_equal(argv[at], "--"); at++)
		take_option(&world.start, argv[at]);
	start_command(&world, argv + at + 1);
	start_server(&world);
	say("started", world.command);
	while (fgets(line, sizeof(line), stdin))
		obey(&world, line);
	return 0;
}
