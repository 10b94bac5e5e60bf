#include "act/park-terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "act/helper.h"
#include "act/park.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "core/policy.h"
#include "keeper/keeper.h"
#include "observe/process.h"

/* What shows a parked terminal is not worth to be parked itself. */
#define RESUME_PROGRAM "sshidle"
#define RESUME_WORD    "resume"

#define SCROLLBACK_BYTES (2u << 20)
#define COMMAND_BYTES	 256

/* The process in front, 0: none. */
static int32_t foreground(int master)
{
	pid_t group;

	return ioctl(master, TIOCGPGRP, &group) == 0 && group > 0 ? group : 0;
}

/* By its executable, and by one of its arguments, as options may come first.  Who makes something look so ends their
 * own. */
static bool shows_parked(int master)
{
	char name[PROCESS_EXECUTABLE_BYTES], command[COMMAND_BYTES];
	const int32_t pid = foreground(master);
	const size_t length = strlen(RESUME_WORD);

	if (pid == 0 || process_executable(pid, name) < 0 || strcmp(name, RESUME_PROGRAM) != 0 ||
	    process_command(pid, command, sizeof(command)) < 0)
		return false;
	for (const char *word = strchr(command, ' '); word; word = strchr(word + 1, ' '))
		if (strncmp(word + 1, RESUME_WORD, length) == 0 &&
		    (word[1 + length] == ' ' || word[1 + length] == '\0'))
			return true;
	return false;
}

bool park_terminal_has_leader(const struct park_terminal *terminal)
{
	const struct channel_facts *channel = &terminal->channel;
	struct procstat stat;

	return procstat_read(channel->pid, &stat) == 0 &&
	       stat.start_ticks == channel->start_ticks && !procstat_has_ended(&stat);
}

int park_terminal_open(struct park_terminal *terminal, const struct watch *watch,
		       const struct channel_facts *channel)
{
	struct stat status = { 0 };
	int r;

	*terminal = (struct park_terminal){ .channel = *channel,
					    .master = -1,
					    .slave = -1,
					    .link = -1,
					    .leader = -1,
					    .answer = -1 };
	if (channel->pid <= 0 || process_open(channel->pid, &terminal->leader) < 0)
		return -ESRCH;
	if (!park_terminal_has_leader(terminal)) {
		park_terminal_close(terminal);
		return -ESRCH;
	}
	r = watch_borrow_master(watch, channel->tty, &terminal->master);
	if (r == 0 && shows_parked(terminal->master))
		r = -EALREADY;
	if (r == 0)
		r = watch_open_terminal(watch, channel->tty, &terminal->slave);
	/* Its user has made it exclusive (TIOCEXCL).  That is no use of the session, which -EBUSY would be. */
	if (r == -EBUSY)
		r = -EACCES;
	if (r == 0 && fstat(terminal->slave, &status) < 0)
		r = -errno;
	if (r < 0) {
		park_terminal_close(terminal);
		return r;
	}
	terminal->uid = status.st_uid;
	terminal->gid = status.st_gid;
	terminal->mode = status.st_mode & 07777;
	return 0;
}

void park_terminal_close(struct park_terminal *terminal)
{
	park_terminal_go_on(terminal);
	cleanup_close(&terminal->master);
	cleanup_close(&terminal->slave);
	cleanup_close(&terminal->link);
	cleanup_close(&terminal->leader);
	cleanup_close(&terminal->answer);
	terminal->master = terminal->slave = terminal->link = -1;
	terminal->leader = terminal->answer = -1;
}

static void describe(const struct park_terminal *terminal, const struct watch *watch,
		     const struct order_park *order, const struct park_setup *setup,
		     struct keeper_start *start)
{
	const struct session_facts *facts = watch_facts(watch);
	char from[ADDRESS_TEXT_BYTES];
	struct winsize size = { 0 };
	struct termios mode;
	struct procstat stat;
	const int32_t front = foreground(terminal->master);

	*start = (struct keeper_start){
		.version = KEEPER_VERSION,
		.id = terminal->id,
		.uid = terminal->uid,
		.pty = (uint32_t)terminal->channel.tty,
		.leader_pid = terminal->channel.pid,
		.has_leader = 1,
		.leader_ticks = terminal->channel.start_ticks,
		.created_ns = setup->realtime_ns,
		.lifetime_ns = order->lifetime_ns,
		.scrollback_bytes = SCROLLBACK_BYTES,
		.flags = order->permit_root ? KEEPER_ROOT_MAY_ATTACH : 0,
	};
	(void)ioctl(terminal->master, TIOCGWINSZ, &size);
	start->rows = size.ws_row;
	start->columns = size.ws_col;
	(void)text_copy(address_format(&facts->peer, from), start->from, sizeof(start->from));
	(void)text_copy(order->user, start->user, sizeof(start->user));
	(void)text_copy(policy_server_name((enum server_id)facts->server), start->server,
			sizeof(start->server));
	(void)text_copy(setup->runtime_dir, start->runtime_dir, sizeof(start->runtime_dir));
	if (front == 0 || procstat_read(front, &stat) < 0)
		return;
	(void)text_copy(stat.name, start->program, sizeof(start->program));
	/* A line editor of the shell is raw as well. */
	if (front != terminal->channel.pid && tcgetattr(terminal->slave, &mode) == 0 &&
	    !(mode.c_lflag & (ICANON | ECHO)))
		start->flags |= KEEPER_FULL_SCREEN;
}

/* The keeper may read and write without care; our own end never waits. */
static int make_link(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		int r = -errno;

		(void)close(ends[0]);
		(void)close(ends[1]);
		return r;
	}
	return 0;
}

int park_terminal_ask(struct park_terminal *terminal, const struct watch *watch,
		      const struct order_park *order, const struct park_setup *setup)
{
	struct helper_request request = { .type = HELPER_START,
					  .uid = terminal->uid,
					  .pty = (uint32_t)terminal->channel.tty,
					  .id = terminal->id,
					  .most = order->most,
					  .leader_pid = terminal->channel.pid,
					  .leader_ticks = terminal->channel.start_ticks };
	uint32_t uid = watch_facts(watch)->uid;
	auto_close int far_end = -1;
	struct keeper_start start;
	int ends[2], r;

	/* Both say whose it is, or nothing is given to anybody. */
	if (uid != terminal->uid)
		return -EPERM;
	r = make_link(ends);
	if (r < 0)
		return r;
	terminal->link = ends[0];
	far_end = ends[1];
	describe(terminal, watch, order, setup, &start);
	if (send(terminal->link, &start, sizeof(start), MSG_NOSIGNAL) != (ssize_t)sizeof(start))
		return -EPIPE;
	r = helper_ask(setup->starter, &request,
		       (int[START_N]){ [START_FD_LINK] = far_end,
				       [START_FD_MASTER] = terminal->master,
				       [START_FD_SERVER] = watch_pidfd(watch),
				       [START_FD_LEADER] = terminal->leader },
		       START_N);
	if (r == 0)
		terminal->state = PARK_ASKED;
	return r == -EPIPE || r == -ECONNRESET ? -ENOTCONN : r;
}

int park_terminal_wait(struct park_terminal *terminal)
{
	struct keeper_held held;
	ssize_t n = recv(terminal->link, &held, sizeof(held), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n != (ssize_t)sizeof(held))
		return -EPIPE;
	if (held.result < 0)
		return held.result;
	terminal->keeper = held.pid;
	terminal->state = PARK_HELD;
	return 1;
}

bool park_terminal_is_held(const struct park_terminal *terminal)
{
	char word;

	return terminal->state == PARK_HELD && recv(terminal->link, &word, 1, MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}

int park_terminal_stop(struct park_terminal *terminal)
{
	if (tcflow(terminal->slave, TCOOFF) < 0)
		return -errno;
	terminal->stopped = true;
	return 0;
}

void park_terminal_go_on(struct park_terminal *terminal)
{
	if (!terminal->stopped)
		return;
	(void)tcflow(terminal->slave, TCOON);
	terminal->stopped = false;
}

static void tell(const struct park_terminal *terminal, enum keeper_word word)
{
	char byte = (char)word;

	if (terminal->link >= 0)
		(void)send(terminal->link, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void park_terminal_exclude(struct park_terminal *terminal)
{
	int before = 0;

	/* One that its user made so stays so. */
	if (ioctl(terminal->slave, TIOCGEXCL, &before) == 0 && before == 0)
		terminal->exclusive = ioctl(terminal->slave, TIOCEXCL) == 0;
}

void park_terminal_commit(const struct park_terminal *terminal)
{
	tell(terminal, KEEPER_COMMIT);
}

void park_terminal_share(struct park_terminal *terminal)
{
	if (terminal->exclusive)
		(void)ioctl(terminal->slave, TIOCNXCL);
	terminal->exclusive = false;
}

void park_terminal_cancel(struct park_terminal *terminal)
{
	park_terminal_go_on(terminal);
	tell(terminal, KEEPER_CANCEL);
	park_terminal_close(terminal);
}

int park_terminal_waiting(const struct park_terminal *terminal)
{
	struct pollfd poll_for = { .fd = terminal->master, .events = POLLIN };
	int n = 0;

	/* poll(2) has the kernel finish what it moves from the slave to the master in the background
	 * (n_tty_poll(), tty_buffer_flush_work()); FIONREAD alone does not see it. */
	if (poll(&poll_for, 1, 0) < 0 || ioctl(terminal->master, FIONREAD, &n) < 0)
		return 0;
	return n;
}
