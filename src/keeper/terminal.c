#include "keeper/terminal.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A master gives at most 4 KiB at a time. */
enum { READ_BYTES = 64 * 1024, WRITE_BYTES = 4096, SHARED_MS = 200 };
#define OPEN_TO_ALL 0006

enum { NUDGE_MS = 200, NUDGE_TIMES = 10 };

static bool fill(struct terminal *terminal, char *bytes, size_t *ret_n)
{
	size_t n = 0;

	while (n < READ_BYTES) {
		const ssize_t got = read(terminal->master, bytes + n, READ_BYTES - n);

		if (got > 0) {
			n += (size_t)got;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		*ret_n = n;
		return got < 0 && errno == EAGAIN;
	}
	*ret_n = n;
	return true;
}

bool terminal_drain(struct terminal *terminal)
{
	static char bytes[READ_BYTES];
	size_t n = 0;
	bool open = false;

	if (terminal->master < 0)
		return false;
	open = fill(terminal, bytes, &n);
	terminal->printed = terminal->printed || n > 0;
	if (n > 0)
		terminal->events->output(bytes, n, terminal->events->user);
	return open;
}

static void on_readable(int fd, short what, void *argument)
{
	struct terminal *terminal = argument;

	(void)fd;
	(void)what;
	if (terminal_drain(terminal))
		return;
	terminal_read(terminal, false);
	terminal->events->closed(terminal->events->user);
}

static void on_writable(int fd, short what, void *argument)
{
	struct terminal *terminal = argument;

	(void)fd;
	(void)what;
	while (evbuffer_get_length(terminal->input) > 0) {
		const int n = evbuffer_write_atmost(terminal->input, terminal->master, WRITE_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* Nobody there to take it: it is lost, as on a line that is lost. */
			if (n < 0 && errno != EAGAIN)
				(void)evbuffer_drain(terminal->input,
						     evbuffer_get_length(terminal->input));
			break;
		}
	}
	if (evbuffer_get_length(terminal->input) > 0)
		(void)event_add(terminal->writable, NULL);
	terminal->events->input_taken(terminal->events->user);
}

static void apply_size(const struct terminal *terminal, uint16_t rows)
{
	struct winsize size = terminal->size;

	size.ws_row = rows;
	if (terminal->master >= 0)
		(void)ioctl(terminal->master, TIOCSWINSZ, &size);
}

static const struct timeval nudge_time = { .tv_usec = NUDGE_MS * 1000 };

static void on_nudged(int fd, short what, void *argument)
{
	struct terminal *terminal = argument;

	(void)fd;
	(void)what;
	/* On a busy host it may not have had its turn yet. */
	if (!terminal->printed && ++terminal->nudges < NUDGE_TIMES) {
		(void)event_add(terminal->nudge, &nudge_time);
		return;
	}
	terminal->nudged = false;
	apply_size(terminal, terminal->size.ws_row);
}

static void close_slave(struct terminal *terminal)
{
	cleanup_close(&terminal->slave);
	terminal->slave = -1;
}

/* Not while it is another's, nor while it is open to everybody and was not: dropbear does both to it, and of root's terminal
 * only the second can be seen.  Nor while it is closed to its user too: it is being given back (daemon/leftover.h). */
static bool may_be_shared(const struct terminal *terminal)
{
	struct stat status;

	if (fstat(terminal->slave, &status) < 0)
		return true;
	return status.st_uid == geteuid() &&
	       (status.st_mode & OPEN_TO_ALL & ~terminal->mode) == 0 &&
	       ((status.st_mode & 0777) != 0 || (terminal->mode & 0777) == 0);
}

static void on_shared(int fd, short what, void *argument)
{
	const struct timeval again = { .tv_usec = SHARED_MS * 1000 };
	struct terminal *terminal = argument;

	(void)fd;
	(void)what;
	if (terminal->slave < 0)
		return;
	if (!may_be_shared(terminal)) {
		(void)event_add(terminal->shared, &again);
		return;
	}
	(void)ioctl(terminal->slave, TIOCNXCL);
	close_slave(terminal);
}

int terminal_init(struct terminal *terminal, struct event_base *base, int master,
		  const struct terminal_events *events)
{
	struct stat status;

	*terminal = (struct terminal){ .events = events, .base = base, .master = master };
	terminal->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (terminal->slave < 0 || fstat(terminal->slave, &status) < 0)
		return -errno;
	terminal->mode = status.st_mode;
	if (ioctl(master, TIOCGWINSZ, &terminal->size) < 0)
		return -errno;
	terminal->readable = event_new(base, master, EV_READ | EV_PERSIST, on_readable, terminal);
	terminal->writable = event_new(base, master, EV_WRITE, on_writable, terminal);
	terminal->nudge = evtimer_new(base, on_nudged, terminal);
	terminal->shared = evtimer_new(base, on_shared, terminal);
	terminal->input = evbuffer_new();
	return terminal->readable && terminal->writable && terminal->nudge && terminal->shared &&
			       terminal->input
		       ? 0
		       : -ENOMEM;
}

void terminal_deinit(struct terminal *terminal)
{
	terminal_hang_up(terminal);
	if (terminal->readable)
		event_free(terminal->readable);
	if (terminal->writable)
		event_free(terminal->writable);
	if (terminal->nudge)
		event_free(terminal->nudge);
	if (terminal->shared)
		event_free(terminal->shared);
	if (terminal->input)
		evbuffer_free(terminal->input);
	*terminal = (struct terminal){ .master = -1, .slave = -1 };
}

int terminal_take(const struct terminal *terminal)
{
	const int flags = fcntl(terminal->master, F_GETFL);

	return flags < 0 || fcntl(terminal->master, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int terminal_release(struct terminal *terminal)
{
	int r = 0;

	if (terminal->slave < 0)
		return -EBADF;
	if (tcflow(terminal->slave, TCOON) < 0)
		r = -errno;
	on_shared(terminal->slave, EV_TIMEOUT, terminal);
	return r;
}

void terminal_read(struct terminal *terminal, bool on)
{
	if (terminal->master < 0)
		return;
	if (on)
		(void)event_add(terminal->readable, NULL);
	else
		(void)event_del(terminal->readable);
}

void terminal_write(struct terminal *terminal, const void *bytes, size_t n)
{
	if (terminal->master < 0)
		return;
	(void)evbuffer_add(terminal->input, bytes, n);
	on_writable(terminal->master, EV_WRITE, terminal);
}

size_t terminal_waiting(const struct terminal *terminal)
{
	return evbuffer_get_length(terminal->input);
}

void terminal_set_size(struct terminal *terminal, const struct winsize *size)
{
	const struct winsize before = terminal->size;
	const bool same_cells = size->ws_row == before.ws_row && size->ws_col == before.ws_col;

	terminal->size = *size;
	/* A nudge goes on: cut short, it would not be seen. At its end pixels are told, too. */
	if (same_cells && (terminal->nudged || (size->ws_xpixel == before.ws_xpixel &&
						size->ws_ypixel == before.ws_ypixel)))
		return;
	(void)event_del(terminal->nudge);
	terminal->nudged = false;
	apply_size(terminal, size->ws_row);
}

void terminal_nudge(struct terminal *terminal)
{
	const uint16_t rows = terminal->size.ws_row;

	/* Without a size nothing was ever drawn to fit. */
	if (terminal->master < 0 || rows == 0)
		return;
	terminal->nudged = true;
	terminal->printed = false;
	terminal->nudges = 0;
	apply_size(terminal, (uint16_t)(rows > 2 ? rows - 1 : rows + 1));
	(void)event_add(terminal->nudge, &nudge_time);
}

/* The foreground process group; 0: not known. */
static int group_of(const struct terminal *terminal)
{
	pid_t group = 0;

	if (terminal->master < 0 || ioctl(terminal->master, TIOCGPGRP, &group) < 0)
		return 0;
	return group > 0 ? group : 0;
}

int terminal_program(const struct terminal *terminal, char ret_name[static GROUP_NAME_BYTES])
{
	return group_name(group_of(terminal), ret_name);
}

bool terminal_is_raw(const struct terminal *terminal)
{
	struct termios settings;

	return terminal->master >= 0 && tcgetattr(terminal->master, &settings) == 0 &&
	       !(settings.c_lflag & ICANON);
}

void terminal_hang_up(struct terminal *terminal)
{
	if (terminal->master < 0)
		return;
	if (terminal->readable)
		(void)event_del(terminal->readable);
	if (terminal->writable)
		(void)event_del(terminal->writable);
	if (terminal->nudge)
		(void)event_del(terminal->nudge);
	if (terminal->shared)
		(void)event_del(terminal->shared);
	close_slave(terminal);
	cleanup_close(&terminal->master);
	terminal->master = -1;
}
