#include "cli/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/clock.h"
#include "cli/escape.h"
#include "text/frame.h"

enum {
	KEYS_BYTES = 4096, /* what a terminal gives at once */
	FROM_BYTES = 2 * (FRAME_HEAD_BYTES + FRAME_MOST_BYTES),
	TO_BYTES =
		64 * 1024, /* keys are not read while this much is on its way to the keeper ... */
	STUCK_MS = 1000,   /* ... unless it takes nothing for so long: one may be the escape */
	TO_MOST_BYTES = 64 << 20, /* what comes then is lost, and the bell says so */
	LEAVE_WITHIN_MS =
		1000, /* or without the keeper: it has a slow line or unread keys before it */
};

/* A keeper that has died has not put the terminal in order, and may have been cut off within a string (CAN).  47, not
 * 1049: that would move the cursor of a terminal that shows its main screen. */
static const char put_in_order[] =
	"\030\033[!p\033[<99u\033[=0u\033[?47l\033[<99u\033[=0u\033[?5;9;1000;1002;1003;1004;1005l\033[?1006;1015;1016;2004l"
	"\033[?1;6l\033[?7;25h\033>\033[4;20l\033[>4m\033(B\033)B\017\033[r\033[m\033[999;1H\r\n";

struct attach {
	int fd;
	int terminal; /* owned: our terminal once more, non-blocking, for output; -1: none */
	int signals;  /* owned */
	struct termios before;
	sigset_t before_mask;
	struct escape escape;
	struct attach_end *end;
	bool ended;
	bool alone;	       /* it ended without a last word of the keeper */
	int64_t leave_ms;      /* when it was told to leave; 0: not yet */
	int64_t sent_ms;       /* when the keeper has last taken something */
	const uint8_t *output; /* of the current frame, not written yet */
	size_t n_output;
	size_t from_at, from_n; /* of `from`: taken, there */
	size_t to_at, to_n;	/* of `to`: sent, there */
	size_t to_size;
	uint8_t *to; /* owned */
	uint8_t from[FROM_BYTES];
};

int attach_size(struct winsize *ret_size)
{
	struct winsize size;

	if (!isatty(STDIN_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return -ENOTTY;
	size.ws_row = size.ws_row > 0 ? size.ws_row : 24;
	size.ws_col = size.ws_col > 0 ? size.ws_col : 80;
	*ret_size = size;
	return 0;
}

static size_t to_waiting(const struct attach *attach)
{
	return attach->to_n - attach->to_at;
}

/* Moves what waits only when more than that has been sent. */
static bool make_room(struct attach *attach, size_t n)
{
	const size_t waiting = to_waiting(attach);
	const size_t size = attach->to_size > 0 ? 2 * attach->to_size : 2 * TO_BYTES;
	uint8_t *more;

	if (waiting + n > TO_MOST_BYTES)
		return false;
	if (attach->to_at > waiting) {
		memmove(attach->to, attach->to + attach->to_at, waiting);
		attach->to_n = waiting;
		attach->to_at = 0;
	}
	if (attach->to_size - attach->to_n >= n)
		return true;
	more = realloc(attach->to, size);
	if (!more)
		return false;
	attach->to = more;
	attach->to_size = size;
	return true;
}

/* False: there is no room for it. */
static bool queue(struct attach *attach, enum frame_type type, const void *bytes, size_t n)
{
	if (!make_room(attach, FRAME_HEAD_BYTES + n))
		return false;
	frame_head(type, n, attach->to + attach->to_n);
	if (n > 0)
		memcpy(attach->to + attach->to_n + FRAME_HEAD_BYTES, bytes, n);
	attach->to_n += FRAME_HEAD_BYTES + n;
	return true;
}

static void finish(struct attach *attach, int how, int32_t status)
{
	if (attach->ended)
		return;
	attach->ended = true;
	attach->end->how = how;
	attach->end->status = status;
}

static void send_queued(struct attach *attach)
{
	const ssize_t n = send(attach->fd, attach->to + attach->to_at, to_waiting(attach),
			       MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0) {
		attach->to_at += (size_t)n;
		attach->sent_ms = clock_now_ms();
	} else if (errno != EAGAIN && errno != EINTR && errno != EPIPE && errno != ECONNRESET)
		finish(attach, ATTACH_LOST, -1);
	/* Its last words may still be there to read: their end is the end. */
	else if (errno == EPIPE || errno == ECONNRESET)
		attach->to_at = attach->to_n;
}

static void write_output(struct attach *attach)
{
	const int fd = attach->terminal >= 0 ? attach->terminal : STDOUT_FILENO;
	/* Where the terminal cannot be opened once more, writing may block: little at a time. */
	const size_t most = attach->terminal >= 0 ? attach->n_output : 512;
	const ssize_t n =
		write(fd, attach->output, attach->n_output < most ? attach->n_output : most);

	if (n > 0) {
		attach->output += n;
		attach->n_output -= (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		finish(attach, ATTACH_LOST, -1);
	}
}

static void take_frame(struct attach *attach, const struct frame *frame)
{
	int32_t status = -1;
	size_t n;

	switch (frame->type) {
	case FRAME_OUTPUT:
		attach->output = frame->bytes;
		attach->n_output = frame->n;
		break;
	case FRAME_END:
		(void)frame_number(frame, &status);
		finish(attach, ATTACH_ENDED, status);
		break;
	case FRAME_DETACHED:
		n = frame->n < sizeof(attach->end->reason) - 1 ? frame->n
							       : sizeof(attach->end->reason) - 1;
		memcpy(attach->end->reason, frame->bytes, n);
		attach->end->reason[n] = '\0';
		finish(attach, ATTACH_LET_GO, 0);
		break;
	case FRAME_INPUT:
	case FRAME_WINDOW:
	case FRAME_DETACH:
	case FRAME_PIXELS:
		break;
	}
}

/* Frames that are there, until one has output that the terminal does not take at once. */
static void take_frames(struct attach *attach)
{
	struct frame frame;
	int r;

	while (attach->n_output == 0 && !attach->ended) {
		r = frame_parse(attach->from + attach->from_at, attach->from_n - attach->from_at,
				&frame);
		if (r < 0)
			finish(attach, ATTACH_LOST, -1);
		if (r <= 0)
			return;
		attach->from_at += FRAME_HEAD_BYTES + frame.n;
		take_frame(attach, &frame);
		if (attach->n_output > 0)
			write_output(attach);
	}
}

static void receive(struct attach *attach)
{
	ssize_t n;

	if (attach->from_at > 0) {
		memmove(attach->from, attach->from + attach->from_at,
			attach->from_n - attach->from_at);
		attach->from_n -= attach->from_at;
		attach->from_at = 0;
	}
	n = recv(attach->fd, attach->from + attach->from_n, sizeof(attach->from) - attach->from_n,
		 MSG_DONTWAIT);
	if (n > 0)
		attach->from_n += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		finish(attach, ATTACH_LOST, -1);
	take_frames(attach);
}

static void print_help(int character)
{
	char key[ESCAPE_NAME_BYTES];

	escape_name(character, key);
	(void)dprintf(STDOUT_FILENO,
		      "\r\n%s.  let go: the session stays parked\r\n"
		      "%s%s  send the escape character\r\n"
		      "%s?  this\r\n",
		      key, key, key, key);
}

static void read_keys(struct attach *attach)
{
	char keys[KEYS_BYTES], passed[KEYS_BYTES + 1];
	const ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	enum escape_wish wish;
	size_t n_passed = 0;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			finish(attach, ATTACH_LOST, -1);
		return;
	}
	wish = escape_take(&attach->escape, keys, (size_t)n, passed, &n_passed);
	if (n_passed > 0 && !queue(attach, FRAME_INPUT, passed, n_passed))
		(void)!write(STDOUT_FILENO, "\a", 1);
	if (wish == ESCAPE_LEAVE && attach->leave_ms == 0) {
		(void)queue(attach, FRAME_DETACH, NULL, 0);
		attach->leave_ms = clock_now_ms();
	} else if (wish == ESCAPE_HELP) {
		print_help(attach->escape.character);
	}
	send_queued(attach);
}

static void send_size(struct attach *attach)
{
	struct winsize size;
	uint8_t bytes[4];

	if (attach_size(&size) < 0)
		return;
	frame_put_window(size.ws_ypixel, size.ws_xpixel, bytes);
	(void)queue(attach, FRAME_PIXELS, bytes, sizeof(bytes));
	frame_put_window(size.ws_row, size.ws_col, bytes);
	(void)queue(attach, FRAME_WINDOW, bytes, sizeof(bytes));
	send_queued(attach);
}

static void set_raw(const struct attach *attach)
{
	struct termios raw = attach->before;

	cfmakeraw(&raw);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* The shell had the terminal meanwhile, and was told of another size. */
static void continued(struct attach *attach)
{
	set_raw(attach);
	send_size(attach);
}

static void take_signals(struct attach *attach)
{
	struct signalfd_siginfo signal;

	while (read(attach->signals, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
		if (signal.ssi_signo == SIGWINCH)
			send_size(attach);
		else if (signal.ssi_signo == SIGCONT)
			continued(attach);
		else
			finish(attach, ATTACH_SIGNAL, (int32_t)signal.ssi_signo);
	}
}

/* It is let go all the same: to the keeper, who closes has gone. */
static void leave(struct attach *attach)
{
	static const char reason[] = "as you asked";

	memcpy(attach->end->reason, reason, sizeof(reason));
	attach->alone = true;
	finish(attach, ATTACH_LET_GO, 0);
}

/* For poll(2): until so long after that. */
static int left_ms(int64_t since_ms, int64_t for_ms)
{
	const int64_t ms = since_ms + for_ms - clock_now_ms();

	return ms > 0 ? (int)ms : 0;
}

static void turn(struct attach *attach)
{
	const int stuck_ms = to_waiting(attach) < TO_BYTES ? 0 : left_ms(attach->sent_ms, STUCK_MS);
	int wait_ms = stuck_ms > 0 ? stuck_ms : -1;
	const int terminal = attach->terminal >= 0 ? attach->terminal : STDOUT_FILENO;
	const short if_output = attach->n_output > 0 ? POLLOUT : 0;
	const short if_queued = to_waiting(attach) > 0 ? POLLOUT : 0;
	struct pollfd fds[] = {
		{ .fd = attach->fd,
		  .events = (short)((attach->n_output == 0 ? POLLIN : 0) | if_queued) },
		{ .fd = stuck_ms == 0 ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = attach->signals, .events = POLLIN },
		{ .fd = if_output ? terminal : -1, .events = if_output },
	};

	if (attach->leave_ms != 0)
		wait_ms = left_ms(attach->leave_ms, LEAVE_WITHIN_MS);
	if (wait_ms == 0) {
		leave(attach);
		return;
	}
	if (poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms) < 0)
		return;
	if (fds[2].revents)
		take_signals(attach);
	if (fds[1].revents)
		read_keys(attach);
	if (fds[0].revents & POLLOUT)
		send_queued(attach);
	if (fds[3].revents) {
		write_output(attach);
		take_frames(attach);
	}
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR) && attach->n_output == 0)
		receive(attach);
}

static int open_all(struct attach *attach)
{
	char name[128];
	sigset_t mask;

	if (tcgetattr(STDIN_FILENO, &attach->before) < 0)
		return -errno;
	/* Once more: O_NONBLOCK on standard output would be set for the shell, too. */
	if (ttyname_r(STDOUT_FILENO, name, sizeof(name)) == 0)
		attach->terminal = open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	(void)sigemptyset(&mask);
	for (const int *number =
		     (const int[]){ SIGWINCH, SIGCONT, SIGTERM, SIGHUP, SIGINT, SIGQUIT, 0 };
	     *number != 0; number++)
		(void)sigaddset(&mask, *number);
	if (sigprocmask(SIG_BLOCK, &mask, &attach->before_mask) < 0)
		return -errno;
	attach->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return attach->signals >= 0 ? 0 : -errno;
}

/* The keeper has said how to leave its terminal before END and DETACHED. */
static void put_back(const struct attach *attach)
{
	if (attach->end->how == ATTACH_LOST || attach->end->how == ATTACH_SIGNAL || attach->alone)
		(void)!write(STDOUT_FILENO, put_in_order, sizeof(put_in_order) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &attach->before);
	(void)sigprocmask(SIG_SETMASK, &attach->before_mask, NULL);
}

int attach_run(int fd, int escape_character, struct attach_end *ret_end)
{
	auto_free struct attach *attach = calloc(1, sizeof(*attach));
	auto_close int terminal = -1, signals = -1;
	int r;

	if (!attach)
		return -ENOMEM;
	attach->fd = fd;
	attach->terminal = attach->signals = -1;
	attach->escape.character = escape_character;
	attach->end = ret_end;
	r = open_all(attach);
	terminal = attach->terminal;
	signals = attach->signals;
	if (r < 0)
		return r;
	set_raw(attach);
	/* The window may have changed since the keeper was told its size. */
	send_size(attach);
	while (!attach->ended)
		turn(attach);
	put_back(attach);
	free(attach->to);
	return 0;
}
