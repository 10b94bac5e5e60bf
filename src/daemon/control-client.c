#include "daemon/control-client.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "daemon/control-methods.h"

/* Bytes taken from the socket's queue at a time. */
enum { CHUNK_BYTES = 4096 };

const struct control_limits control_limits_default = {
	.clients = 64,
	.clients_for_root = 8,
	.clients_per_uid = 16,
	.message_bytes = 64 * 1024,
	.waiting_bytes = 64 * 1024,
	.events_bytes = 1024 * 1024,
	.message_ms = 10 * 1000,
	.idle_ms = 5 * 60 * 1000,
	.stall_ms = 30 * 1000,
	.accept_pause_ms = 1000,
};

void control_client_free(struct control_client *client)
{
	struct engine *engine;
	uint32_t rules;

	if (!client)
		return;
	engine = client->control->engine;
	rules = client->rules;
	TAILQ_REMOVE(&client->control->clients, client, link);
	client->control->n_clients--;
	if (client->deadline)
		event_free(client->deadline);
	if (client->stream)
		bufferevent_free(client->stream);
	varlink_reader_deinit(&client->reader);
	free(client);
	if (rules != 0)
		engine_rules_remove(engine, rules);
}

bool control_client_sees(const struct control_client *client, const struct session *session)
{
	return client->sees_all || control_client_owns(client, session);
}

bool control_client_owns(const struct control_client *client, const struct session *session)
{
	return client->uid == 0 ||
	       (session->facts.uid != UINT32_MAX && session->facts.uid == client->uid);
}

static bool has_terminal(const struct session *session, int32_t tty)
{
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].facts.tty == tty)
			return true;
	return false;
}

const struct session *control_client_find_terminal(const struct control_client *client, int32_t tty)
{
	struct engine *engine = client->control->engine;
	const struct session *session = NULL, *found = NULL;

	while ((session = engine_next_session(engine, session))) {
		if (!has_terminal(session, tty) || !control_client_sees(client, session))
			continue;
		if (session->facts.uid == client->uid)
			return session;
		found = found ? found : session;
	}
	return found;
}

struct evbuffer *control_client_queue(struct control_client *client)
{
	return bufferevent_get_output(client->stream);
}

void control_client_send(struct control_client *client, json_t *message)
{
	auto_free char *text = NULL;
	size_t n;

	if (varlink_encode(message, &text, &n) < 0 ||
	    bufferevent_write(client->stream, text, n) < 0)
		control_client_close(client);
}

void control_client_send_event(struct control_client *client, const char *text, size_t n)
{
	const size_t queued = evbuffer_get_length(control_client_queue(client));

	if (queued + n > client->control->limits.events_bytes ||
	    bufferevent_write(client->stream, text, n) < 0)
		control_client_free(client);
}

void control_client_close(struct control_client *client)
{
	client->closing = true;
	(void)bufferevent_disable(client->stream, EV_READ);
}

/* Its call goes on until it ends the connection. */
static bool only_listens(const struct control_client *client)
{
	return client->wants_events || client->rules != 0;
}

/* One timer for the two things that are waited for: the rest of a call, or the next one. */
static void set_deadline(struct control_client *client)
{
	const struct control_limits *limits = &client->control->limits;
	const bool partial = varlink_reader_partial(&client->reader);
	struct timeval after;

	if (client->in_message && partial)
		return;
	client->in_message = partial;
	after = clock_span((partial ? limits->message_ms : limits->idle_ms) * NS_PER_MS);
	if (only_listens(client) && !partial)
		(void)event_del(client->deadline);
	else
		(void)event_add(client->deadline, &after);
}

/* A client that listens says nothing more: whatever it calls could never be answered in order. */
static void take_message(struct control_client *client, const char *message, size_t n)
{
	client->in_message = false;
	if (only_listens(client))
		control_client_close(client);
	else
		control_methods_take(client, message, n);
}

/* Returns false when there is nothing left to take or the client has to read first. */
static bool take_next(struct control_client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	char chunk[CHUNK_BYTES];
	const char *message;
	size_t bytes;
	int r, n;

	if (client->closing || evbuffer_get_length(control_client_queue(client)) >=
				       client->control->limits.waiting_bytes)
		return false;
	if (client->list_from != 0) {
		control_methods_list_on(client);
		return true;
	}
	r = varlink_reader_next(&client->reader, &message, &bytes);
	if (r > 0) {
		take_message(client, message, bytes);
		return true;
	}
	n = r == 0 ? evbuffer_remove(input, chunk, sizeof(chunk)) : 0;
	if (n > 0)
		r = varlink_reader_feed(&client->reader, chunk, (size_t)n);
	if (r < 0) {
		control_client_send(client, control_methods_invalid("message: too large"));
		control_client_close(client);
	}
	return n > 0 && r == 0;
}

static void on_progress(struct bufferevent *stream, void *argument)
{
	struct control_client *client = argument;

	(void)stream;
	while (take_next(client))
		;
	if (!client->closing && !client->ended)
		set_deadline(client);
	else if (evbuffer_get_length(control_client_queue(client)) == 0)
		control_client_free(client);
}

/* Whoever has said all may still wait for the answers; one that only listens has nothing to say, so
 * its end is the end. */
static void on_end(struct bufferevent *stream, short what, void *argument)
{
	struct control_client *client = argument;

	if ((what & BEV_EVENT_EOF) && !only_listens(client)) {
		client->ended = true;
		on_progress(stream, client);
		return;
	}
	control_client_free(client);
}

static void on_deadline(int fd, short what, void *argument)
{
	struct control_client *client = argument;

	(void)fd;
	(void)what;
	/* Replies that it does not take are the business of stall_ms; the time starts anew
	 * after. */
	if (evbuffer_get_length(control_client_queue(client)) > 0) {
		client->in_message = false;
		return;
	}
	if (client->in_message) {
		control_client_send(client,
				    control_methods_invalid("message: not completed in time"));
		control_client_close(client);
		return;
	}
	control_client_free(client);
}

/* Members of the engine's group may see what root sees. */
static bool in_group(int fd, gid_t primary, gid_t group)
{
	socklen_t size = 0;
	auto_free gid_t *groups = NULL;

	if (primary == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
		return false;
	groups = malloc(size);
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static unsigned count_uid(const struct control *control, uid_t uid)
{
	const struct control_client *client;
	unsigned n = 0;

	TAILQ_FOREACH (client, &control->clients, link)
		n += client->uid == uid;
	return n;
}

/* NULL: there is a place; else why not. */
static const char *find_no_place(const struct control *control, uid_t uid)
{
	const struct control_limits *limits = &control->limits;

	if (uid == 0)
		return control->n_clients < limits->clients ? NULL : "too many clients";
	if (control->n_clients + limits->clients_for_root >= limits->clients)
		return "too many clients";
	if (count_uid(control, uid) >= limits->clients_per_uid)
		return "too many clients of this user";
	return NULL;
}

static void refuse(int fd, const char *reason)
{
	auto_free char *text = NULL;
	size_t n;

	if (varlink_encode(
		    varlink_error_new("io.sshidle.Failed", json_pack("{s:s}", "reason", reason)),
		    &text, &n) == 0)
		(void)send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int client_start(struct control_client *client, int *fd)
{
	struct control *control = client->control;
	const struct timeval stall = clock_span(control->limits.stall_ms * NS_PER_MS);

	client->deadline = evtimer_new(control->base, on_deadline, client);
	client->stream = bufferevent_socket_new(control->base, *fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client->stream || !client->deadline)
		return -ENOMEM;
	*fd = -1;
	bufferevent_setcb(client->stream, on_progress, on_progress, on_end, client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, control->limits.message_bytes);
	(void)bufferevent_set_timeouts(client->stream, NULL, &stall);
	(void)bufferevent_enable(client->stream, EV_READ | EV_WRITE);
	set_deadline(client);
	return 0;
}

void control_client_admit(struct control *control, int fd)
{
	auto_close int owned = fd;
	struct control_client *client;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	const char *reason;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || size != sizeof(peer))
		return;
	reason = find_no_place(control, peer.uid);
	if (reason) {
		refuse(fd, reason);
		return;
	}
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->control = control;
	client->uid = peer.uid;
	client->pid = peer.pid;
	client->sees_all = peer.uid == 0 || in_group(fd, peer.gid, getegid());
	varlink_reader_init(&client->reader, control->limits.message_bytes);
	TAILQ_INSERT_TAIL(&control->clients, client, link);
	control->n_clients++;
	if (client_start(client, &owned) < 0)
		control_client_free(client);
}
