#include "keeper/holder.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "keeper/clock.h"
#include "keeper/exitinfo.h"
#include "keeper/programs.h"
#include "keeper/server.h"

enum {
	CANCELLED_WITHIN_S = 10, /* the link is closed and the server still there: it stays */
	COMMITTED_WITHIN_S = 60, /* the monitor goes on to SIGTERM and SIGKILL in this time */
	ENDING_MS = 200,	 /* for what the shell has printed last */
	STATUS_MS = 10,
	STATUS_TIMES = 100,
	FINISH_MS = 1000,
	ANSWERS_MOST_BYTES = 4096,
	SETTLE_BYTES = 64 * 1024,
	SETTLE_MS = 50,
	USUAL_ROWS = 24, /* of a terminal that has no size */
	USUAL_COLUMNS = 80,
};

static void after(struct event *timer, unsigned ms)
{
	const struct timeval span = clock_span(ms * NS_PER_MS);

	(void)event_add(timer, &span);
}

void holder_finish(struct holder *holder)
{
	(void)event_base_loopbreak(holder->base);
}

void holder_hang_up(struct holder *holder, const char *reason)
{
	log_info("ended what was parked: %s  id=%u tty=pts/%u", reason, holder->start.id,
		 holder->start.pty);
	terminal_hang_up(&holder->terminal);
	if (server_detach(holder->server, reason))
		after(holder->patience, FINISH_MS);
	else
		holder_finish(holder);
}

static void on_lifetime(int fd, short what, void *argument)
{
	struct holder *holder = argument;
	char span[DURATION_TEXT_BYTES], reason[64 + DURATION_TEXT_BYTES];

	(void)fd;
	(void)what;
	duration_format(holder->start.lifetime_ns, span);
	(void)snprintf(reason, sizeof(reason), "it was parked for %s (ParkLifetime)", span);
	holder_hang_up(holder, reason);
}

static void start_lifetime(struct holder *holder, int64_t for_ns)
{
	struct timeval left;

	if (holder->start.lifetime_ns <= 0)
		return;
	holder->expires_at_ns = clock_now_ns() + for_ns;
	left = clock_until(holder->expires_at_ns);
	(void)event_add(holder->lifetime, &left);
}

void holder_attached(struct holder *holder, bool attached)
{
	if (!attached) {
		start_lifetime(holder, holder->start.lifetime_ns);
		if (holder->ended && holder->start.lifetime_ns <= 0)
			holder_finish(holder);
		return;
	}
	(void)event_del(holder->lifetime);
	holder->expires_at_ns = 0;
}

void holder_resize(struct holder *holder, const struct winsize *size)
{
	if (size->ws_row == 0 || size->ws_col == 0)
		return;
	terminal_set_size(&holder->terminal, size);
	holder_settle(holder);
	if (screen_resize(&holder->screen, size->ws_row, size->ws_col) < 0)
		log_warning("no memory for a screen of %u rows and %u columns", size->ws_row,
			    size->ws_col);
}

static void put_word(struct holder *holder, const char *sequence)
{
	holder_settle(holder);
	server_output(holder->server, sequence, strlen(sequence));
	screen_feed(&holder->screen, sequence, strlen(sequence));
}

/* The program that was guessed to use the alternate screen has ended. If it has not left that, it never
 * was there. */
static void on_guessed(int fd, short what, void *argument)
{
	struct holder *holder = argument;

	const bool open = terminal_drain(&holder->terminal);

	(void)fd;
	(void)what;
	holder_settle(holder);
	if (open && holder->screen.in_alternate) {
		put_word(holder, "\033[?1049l");
		terminal_nudge(&holder->terminal);
	}
}

void holder_settle(struct holder *holder)
{
	(void)backlog_settle(&holder->backlog, &holder->screen, SIZE_MAX);
}

/* Less urgent than all else: when nothing has come for a moment, and then piece by piece. */
static void on_settle(int fd, short what, void *argument)
{
	struct holder *holder = argument;
	const size_t used = holder->backlog.used;

	(void)fd;
	(void)what;
	if (used != holder->settled_at) {
		holder->settled_at = used;
		after(holder->settle, SETTLE_MS);
	} else if (backlog_settle(&holder->backlog, &holder->screen, SETTLE_BYTES)) {
		after(holder->settle, 0);
	}
}

static void on_output(const char *bytes, size_t n, void *user)
{
	struct holder *holder = user;

	server_output(holder->server, bytes, n);
	if (server_answers(holder->server)) {
		backlog_add(&holder->backlog, &holder->screen, bytes, n);
		if (!event_pending(holder->settle, EV_TIMEOUT, NULL))
			after(holder->settle, SETTLE_MS);
		return;
	}
	holder_settle(holder);
	holder->screen.answers = true;
	screen_feed(&holder->screen, bytes, n);
	holder->screen.answers = false;
	server_shown(holder->server);
}

static void on_input_taken(void *user)
{
	struct holder *holder = user;

	server_input_taken(holder->server);
}

static void answer(const char *bytes, size_t n, void *user)
{
	struct holder *holder = user;

	/* To a program that asks and does not read: terminals forget such answers, too. */
	if (terminal_waiting(&holder->terminal) < ANSWERS_MOST_BYTES)
		terminal_write(&holder->terminal, bytes, n);
}

static void say_end(const struct holder *holder)
{
	const int status = holder->status;

	if (status < 0)
		log_info("the shell has ended  id=%u tty=pts/%u", holder->start.id,
			 holder->start.pty);
	else if (WIFEXITED(status))
		log_info("the shell has ended with status %d  id=%u tty=pts/%u",
			 WEXITSTATUS(status), holder->start.id, holder->start.pty);
	else
		log_info("the shell was ended by signal %d  id=%u tty=pts/%u", WTERMSIG(status),
			 holder->start.id, holder->start.pty);
}

/* Without a client, or with one that does not take them, the last screen and the status stay for whoever comes,
 * within the lifetime. */
static void end(struct holder *holder)
{
	if (holder->ended)
		return;
	holder->ended = true;
	(void)event_del(holder->ending);
	/* The terminal may have been seen closed before; that waits no more. */
	(void)event_del(holder->patience);
	(void)terminal_drain(&holder->terminal);
	say_end(holder);
	terminal_hang_up(&holder->terminal);
	if (!server_end(holder->server) && holder->start.lifetime_ns <= 0)
		holder_finish(holder);
}

/* The leader has ended: its status can be had as soon as its parent has waited for it. */
static void on_ending(int fd, short what, void *argument)
{
	struct holder *holder = argument;
	const int r = exitinfo_get(holder->leader_fd, &holder->status);

	(void)fd;
	(void)what;
	if (r == -EAGAIN && holder->waits_for_status++ < STATUS_TIMES)
		after(holder->ending, STATUS_MS);
	else
		end(holder);
}

static void on_leader(int fd, short what, void *argument)
{
	struct holder *holder = argument;

	(void)fd;
	(void)what;
	holder->leader_gone = true;
	after(holder->ending, ENDING_MS);
}

/* Nobody has the slave open. Where the shell lives on it may open it again (/dev/tty); else the
 * output has come to its end. */
static void on_closed(void *user)
{
	struct holder *holder = user;

	if (holder->leader_fd < 0)
		end(holder);
	else if (holder->leader_gone)
		after(holder->ending, STATUS_MS);
	else
		after(holder->patience, FINISH_MS);
}

/* Before the server is gone: it stays. Afterwards: the last words have been said, or were not
 * taken in time; or it is time to look for the terminal again. */
static void on_patience(int fd, short what, void *argument)
{
	struct holder *holder = argument;

	(void)fd;
	(void)what;
	if (holder->holding && !holder->ended && holder->terminal.master >= 0) {
		terminal_read(&holder->terminal, true);
		return;
	}
	if (!holder->holding) {
		const int r = terminal_release(&holder->terminal);

		log_warning("the terminal stays with its server, which has not ended%s  id=%u "
			    "tty=pts/%u",
			    r < 0 ? "; its output could not be let go on" : "", holder->start.id,
			    holder->start.pty);
	}
	holder_finish(holder);
}

static void guess_modes(struct holder *holder)
{
	const bool raw = terminal_is_raw(&holder->terminal);
	char name[GROUP_NAME_BYTES];
	const int pid = terminal_program(&holder->terminal, name);
	const char *modes = programs_modes(name, (holder->start.flags & KEEPER_FULL_SCREEN) != 0,
					   raw, pid > 0 && group_pager_stays(pid));

	screen_feed(&holder->screen, modes, strlen(modes));
	/* What comes first may be the rest of a character. */
	holder->screen.gate.begun = false;
	if (!holder->screen.in_alternate || pid <= 0)
		return;
	holder->guessed_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (holder->guessed_fd >= 0)
		holder->guessed =
			event_new(holder->base, holder->guessed_fd, EV_READ, on_guessed, holder);
	if (holder->guessed)
		(void)event_add(holder->guessed, NULL);
}

/* The server is gone. */
static void on_gone(int fd, short what, void *argument)
{
	struct holder *holder = argument;
	const int64_t parked_for_ns = clock_wall_ns() - holder->start.created_ns;
	int r = terminal_take(&holder->terminal);

	(void)fd;
	(void)what;
	if (r < 0)
		log_warning("pts/%u cannot be made non-blocking: %s", holder->start.pty,
			    strerror(-r));
	holder->holding = true;
	(void)event_del(holder->patience);
	(void)event_del(holder->link);
	guess_modes(holder);
	r = terminal_release(&holder->terminal);
	if (r < 0)
		log_warning("output of pts/%u cannot be let go on: %s", holder->start.pty,
			    strerror(-r));
	terminal_read(&holder->terminal, true);
	terminal_nudge(&holder->terminal);
	if (holder->leader_fd >= 0)
		(void)event_add(holder->leader, NULL);
	/* A wall clock that was set counts as no time. */
	start_lifetime(holder, parked_for_ns >= 0 && parked_for_ns < holder->start.lifetime_ns
				       ? holder->start.lifetime_ns - parked_for_ns
				       : holder->start.lifetime_ns);
	server_open(holder->server);
}

static void on_link(int fd, short what, void *argument)
{
	struct holder *holder = argument;
	char word;
	const ssize_t n = recv(fd, &word, sizeof(word), MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 1 && word == KEEPER_CANCEL) {
		after(holder->patience, 0);
	} else if (n == 1 && word == KEEPER_COMMIT) {
		holder->committed = true;
		after(holder->patience, COMMITTED_WITHIN_S * 1000);
		return;
	} else if (!holder->committed) {
		after(holder->patience, CANCELLED_WITHIN_S * 1000);
	}
	(void)event_del(holder->link);
}

static int make_events(struct holder *holder)
{
	const short readable = EV_READ | EV_PERSIST;

	holder->link = event_new(holder->base, holder->link_fd, readable, on_link, holder);
	holder->gone = event_new(holder->base, holder->gone_fd, EV_READ, on_gone, holder);
	holder->patience = evtimer_new(holder->base, on_patience, holder);
	holder->lifetime = evtimer_new(holder->base, on_lifetime, holder);
	holder->ending = evtimer_new(holder->base, on_ending, holder);
	holder->settle = evtimer_new(holder->base, on_settle, holder);
	if (holder->leader_fd >= 0)
		holder->leader =
			event_new(holder->base, holder->leader_fd, EV_READ, on_leader, holder);
	if (!holder->link || !holder->gone || !holder->patience || !holder->lifetime ||
	    !holder->ending || !holder->settle ||
	    event_priority_set(holder->settle, HOLDER_PRIORITIES - 1) < 0 ||
	    (holder->leader_fd >= 0 && !holder->leader))
		return -ENOMEM;
	if (event_add(holder->link, NULL) < 0 || event_add(holder->gone, NULL) < 0)
		return -ENOMEM;
	return 0;
}

int holder_init(struct holder *holder, struct event_base *base, const struct keeper_start *start)
{
	int r;

	memset(holder, 0, sizeof(*holder));
	holder->start = *start;
	holder->base = base;
	holder->link_fd = KEEPER_FD_LINK;
	holder->gone_fd = KEEPER_FD_SERVER;
	holder->leader_fd = start->has_leader ? KEEPER_FD_LEADER : -1;
	holder->guessed_fd = holder->status = -1;
	holder->terminal_events = (struct terminal_events){ .output = on_output,
							    .input_taken = on_input_taken,
							    .closed = on_closed,
							    .user = holder };
	r = terminal_init(&holder->terminal, base, KEEPER_FD_MASTER, &holder->terminal_events);
	if (r == 0 && holder->terminal.size.ws_row > 0 && holder->terminal.size.ws_col > 0)
		r = screen_init(&holder->screen, holder->terminal.size.ws_row,
				holder->terminal.size.ws_col, start->scrollback_bytes);
	else if (r == 0)
		r = screen_init(&holder->screen, USUAL_ROWS, USUAL_COLUMNS,
				start->scrollback_bytes);
	if (r < 0)
		return r;
	holder->screen.answer = answer;
	holder->screen.user = holder;
	r = make_events(holder);
	return r < 0 ? r : server_new(holder, &holder->server);
}

void holder_deinit(struct holder *holder)
{
	struct event *events[] = { holder->link,    holder->gone,     holder->leader,
				   holder->guessed, holder->patience, holder->lifetime,
				   holder->ending,  holder->settle };

	server_free(holder->server);
	terminal_deinit(&holder->terminal);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	backlog_deinit(&holder->backlog);
	screen_deinit(&holder->screen);
	cleanup_close(&holder->link_fd);
	cleanup_close(&holder->gone_fd);
	cleanup_close(&holder->leader_fd);
	cleanup_close(&holder->guessed_fd);
}
