#include "keeper/client.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/holder.h"
#include "keeper/server-private.h"

enum {
	MESSAGE_BYTES = 16 * 1024,	/* one call */
	OUTPUT_HIGH_BYTES = 256 * 1024, /* the terminal is not read beyond this ... */
	OUTPUT_LOW_BYTES = 64 * 1024,	/* ... until it is less than this */
	INPUT_HIGH_BYTES = 64 * 1024,	/* the client is not read while the program has this much */
	INPUT_LOW_BYTES = 16 * 1024,
	STREAM_BYTES = 2 * FRAME_MOST_BYTES,
	TAKES_BYTES = 4096, /* a client that takes less within STALLED_S is left behind */
	STALLED_S = 1,
	SILENT_S = 30, /* without a call */
	CLOSING_S = 1, /* a client that takes nothing for so long has gone, */
	LET_GO_S = 10, /* also while it is let go, */
	ENDING_S = 60, /* and at the end: 200 kB wait in the socket, and are taken in pieces */
	ANSWERS_MOST_BYTES = 64 * 1024, /* a client that calls and does not read is no client */
};

static struct evbuffer *queue_of(const struct client *client)
{
	return bufferevent_get_output(client->stream);
}

void client_free(struct client *client)
{
	if (!client)
		return;
	if (client->holds_up)
		terminal_read(&client->server->holder->terminal, true);
	if (client->stalled)
		event_free(client->stalled);
	if (client->unread)
		event_free(client->unread);
	if (client->stream)
		bufferevent_free(client->stream);
	client->stream = NULL;
	varlink_reader_deinit(&client->reader);
	server_forget(client->server, client);
	free(client);
}

void client_send(struct client *client, json_t *message)
{
	auto_free char *text = NULL;
	size_t n;

	if (varlink_encode(message, &text, &n) < 0 ||
	    evbuffer_get_length(queue_of(client)) > ANSWERS_MOST_BYTES ||
	    bufferevent_write(client->stream, text, n) < 0)
		client->closing = true;
}

void client_send_frame(struct client *client, enum frame_type type, const void *bytes, size_t n)
{
	const char *from = bytes;

	do {
		const size_t part = n < FRAME_MOST_BYTES ? n : FRAME_MOST_BYTES;
		uint8_t head[FRAME_HEAD_BYTES];

		frame_head(type, part, head);
		(void)bufferevent_write(client->stream, head, sizeof(head));
		if (part > 0)
			(void)bufferevent_write(client->stream, from, part);
		from += part;
		n -= part;
	} while (n > 0);
}

static void hold_up(struct client *client, bool on)
{
	const struct timeval stalled = { .tv_sec = STALLED_S };

	if (on == client->holds_up)
		return;
	client->holds_up = on;
	client->waiting = evbuffer_get_length(queue_of(client));
	terminal_read(&client->server->holder->terminal, !on);
	if (on)
		(void)event_add(client->stalled, &stalled);
	else
		(void)event_del(client->stalled);
}

static void on_stalled(int fd, short what, void *argument)
{
	const struct timeval stalled = { .tv_sec = STALLED_S };
	struct client *client = argument;
	const size_t waiting = evbuffer_get_length(queue_of(client));

	(void)fd;
	(void)what;
	if (waiting + TAKES_BYTES <= client->waiting) {
		client->waiting = waiting;
		(void)event_add(client->stalled, &stalled);
		return;
	}
	holder_settle(client->server->holder);
	client->behind = true;
	client->begin = PAINT_AGAIN;
	client->from = client->server->holder->screen.history.n_ever;
	hold_up(client, false);
}

static void check_room(struct client *client)
{
	const size_t waiting = evbuffer_get_length(queue_of(client));

	if (!client->behind && !client->ends && waiting > OUTPUT_HIGH_BYTES)
		hold_up(client, true);
	else if (waiting < OUTPUT_LOW_BYTES)
		hold_up(client, false);
}

/* Not within a sequence that is longer than what is held of it. */
static void paint(struct client *client)
{
	const struct screen *screen = &client->server->holder->screen;
	const uint64_t ever = screen->history.n_ever;
	struct paint_text text;
	const char *held;
	size_t n;

	if (gate_held(&screen->gate, &held, &n) < 0)
		return;
	n = ever > client->from ? (size_t)(ever - client->from) : 0;
	n = n < screen->history.n_lines ? n : screen->history.n_lines;
	if (paint_whole(screen, client->begin, n, &text) < 0)
		return;
	client->behind = false;
	client_send_frame(client, FRAME_OUTPUT, text.bytes, text.n);
	paint_text_deinit(&text);
	check_room(client);
}

void client_attach(struct client *client)
{
	holder_settle(client->server->holder);
	client->attached = client->behind = true;
	client->begin = PAINT_FRESH;
	client->from = 0;
	(void)bufferevent_set_timeouts(client->stream, NULL, NULL);
	paint(client);
}

void client_output(struct client *client, const char *bytes, size_t n)
{
	if (client->behind || client->closing)
		return;
	client_send_frame(client, FRAME_OUTPUT, bytes, n);
	check_room(client);
}

bool client_has_gone(const struct client *client)
{
	struct pollfd poll_for = { .fd = bufferevent_getfd(client->stream), .events = POLLRDHUP };

	return (client->closing && !client->ends) || poll(&poll_for, 1, 0) > 0;
}

/* What is queued may still reach it, if it takes it. */
static void end_soon(struct client *client, int within_s)
{
	const struct timeval closing = { .tv_sec = within_s };

	hold_up(client, false);
	(void)event_del(client->unread);
	(void)bufferevent_disable(client->stream, EV_READ);
	(void)bufferevent_set_timeouts(client->stream, NULL, &closing);
}

static void say_last(struct client *client, enum frame_type type, const void *bytes, size_t n)
{
	struct paint_text text;

	holder_settle(client->server->holder);
	if (paint_leave(&client->server->holder->screen, client->behind, &text) == 0) {
		client_send_frame(client, FRAME_OUTPUT, text.bytes, text.n);
		paint_text_deinit(&text);
	}
	client_send_frame(client, type, bytes, n);
	client->closing = true;
}

void client_let_go(struct client *client, enum frame_type type, const void *bytes, size_t n)
{
	if (client->closing)
		return;
	client->ends = false;
	say_last(client, type, bytes, n);
	end_soon(client, LET_GO_S);
}

static void say_end(struct client *client)
{
	uint8_t status[4];

	frame_put_number(client->server->holder->status, status);
	say_last(client, FRAME_END, status, sizeof(status));
}

void client_shown(struct client *client)
{
	if (!client->behind || client->closing || evbuffer_get_length(queue_of(client)) > 0)
		return;
	paint(client);
	/* What cannot be painted now never will be: nothing more comes. */
	if (client->ends)
		say_end(client);
}

void client_end(struct client *client)
{
	if (client->closing || client->ends)
		return;
	client->ends = true;
	end_soon(client, ENDING_S);
	if (!client->behind)
		say_end(client);
	else
		client_shown(client);
}

static void take_frame(struct client *client, const struct frame *frame)
{
	struct holder *holder = client->server->holder;
	struct winsize *size = &client->size;

	switch (frame->type) {
	case FRAME_INPUT:
		terminal_write(&holder->terminal, frame->bytes, frame->n);
		break;
	case FRAME_WINDOW:
		if (frame_window(frame, &size->ws_row, &size->ws_col) == 0)
			holder_resize(holder, size);
		break;
	case FRAME_PIXELS:
		(void)frame_window(frame, &size->ws_ypixel, &size->ws_xpixel);
		break;
	case FRAME_DETACH:
		server_let_go(client);
		break;
	case FRAME_OUTPUT:
	case FRAME_END:
	case FRAME_DETACHED:
		break;
	}
}

/* Not by EV_CLOSED: a socket that was closed with unread bytes has an error (EPOLLERR), for which libevent 2.1.12 has
 * no such event, and wakes for ever. */
static void look_whether_gone(struct client *client)
{
	const struct timeval every = { .tv_sec = 1 };

	(void)event_add(client->unread, &every);
}

/* False: there is no whole frame, or the program has to read first. */
static bool next_frame(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	const size_t n = evbuffer_get_length(input);
	uint8_t head[FRAME_HEAD_BYTES];
	struct frame frame;
	size_t length;
	int r;

	if (client->closing || evbuffer_copyout(input, head, sizeof(head)) < FRAME_HEAD_BYTES)
		return false;
	if (terminal_waiting(&client->server->holder->terminal) > INPUT_HIGH_BYTES) {
		(void)bufferevent_disable(client->stream, EV_READ);
		look_whether_gone(client);
		return false;
	}
	length =
		FRAME_HEAD_BYTES + ((size_t)head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16);
	r = frame_parse(length <= n ? evbuffer_pullup(input, (ev_ssize_t)length) : head,
			length <= n ? length : sizeof(head), &frame);
	if (r < 0) {
		client->closing = true;
		end_soon(client, CLOSING_S);
	}
	if (r <= 0)
		return false;
	take_frame(client, &frame);
	(void)evbuffer_drain(input, length);
	return true;
}

void client_input_taken(struct client *client)
{
	if (client->closing || (bufferevent_get_enabled(client->stream) & EV_READ) ||
	    terminal_waiting(&client->server->holder->terminal) > INPUT_LOW_BYTES)
		return;
	(void)event_del(client->unread);
	(void)bufferevent_enable(client->stream, EV_READ);
	/* Not from within: this may be called while a frame is taken. */
	bufferevent_trigger(client->stream, EV_READ,
			    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

/* What it has typed is still for the program. */
static void on_unread(int fd, short what, void *argument)
{
	struct client *client = argument;

	(void)fd;
	(void)what;
	if (!client_has_gone(client)) {
		look_whether_gone(client);
		return;
	}
	hold_up(client, false);
	server_left(client->server, client);
}

/* False: there is nothing to take. */
static bool next_call(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	char chunk[1024];
	const char *message;
	size_t n;
	int r;

	if (client->closing || client->attached)
		return false;
	r = varlink_reader_next(&client->reader, &message, &n);
	if (r > 0) {
		server_take(client, message, n);
		return true;
	}
	r = r < 0 ? 0 : evbuffer_remove(input, chunk, sizeof(chunk));
	if (r > 0 && varlink_reader_feed(&client->reader, chunk, (size_t)r) == 0)
		return true;
	client->closing = r != -1 && evbuffer_get_length(input) > 0;
	return false;
}

static void on_read(struct bufferevent *stream, void *argument)
{
	struct client *client = argument;

	while (next_call(client))
		;
	while (client->attached && next_frame(client))
		;
	if (client->closing && evbuffer_get_length(bufferevent_get_output(stream)) == 0)
		client_free(client);
}

static void on_written(struct bufferevent *stream, void *argument)
{
	struct client *client = argument;

	if (client->closing) {
		if (evbuffer_get_length(bufferevent_get_output(stream)) > 0)
			return;
		client->told = client->ends;
		client_free(client);
		return;
	}
	if (!client->attached)
		return;
	check_room(client);
	client_shown(client);
}

static void on_end(struct bufferevent *stream, short what, void *argument)
{
	(void)stream;
	(void)what;
	client_free(argument);
}

static int start(struct client *client, int *fd)
{
	const struct timeval silent = { .tv_sec = SILENT_S };
	struct event_base *base = client->server->holder->base;

	client->stalled = evtimer_new(base, on_stalled, client);
	client->unread = evtimer_new(base, on_unread, client);
	client->stream = bufferevent_socket_new(base, *fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client->stalled || !client->unread || !client->stream)
		return -1;
	*fd = -1;
	bufferevent_setcb(client->stream, on_read, on_written, on_end, client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, STREAM_BYTES);
	bufferevent_setwatermark(client->stream, EV_WRITE, OUTPUT_LOW_BYTES, 0);
	(void)bufferevent_set_timeouts(client->stream, &silent, &silent);
	return bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

struct client *client_new(struct server *server, int fd)
{
	auto_close int owned = fd;
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;
	struct client *client;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || size != sizeof(peer))
		return NULL;
	if (peer.uid != 0 && peer.uid != geteuid())
		return NULL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->server = server;
	client->uid = peer.uid;
	client->pid = peer.pid;
	varlink_reader_init(&client->reader, MESSAGE_BYTES);
	TAILQ_INSERT_TAIL(&server->clients, client, link);
	server->n_clients++;
	if (start(client, &owned) == 0)
		return client;
	client_free(client);
	return NULL;
}
