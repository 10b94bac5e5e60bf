/*
 * Clients of the control socket: who they are, what they may take up, and the way of their
 * bytes.
 *
 * Calls of one client are answered in their order; the next one is looked at when the reply
 * before it has been taken, so a client that asks and does not read can hold no more than one
 * reply.  Each limit has a name in struct control_limits.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/control.h"
#include "text/varlink.h"

struct bufferevent;
struct evbuffer;
struct evconnlistener;
struct event;

struct control_limits {
	unsigned clients;	   /* in all */
	unsigned clients_for_root; /* of these, left to root alone */
	unsigned clients_per_uid;  /* root: no limit but the one in all */
	size_t message_bytes;	   /* one call */
	size_t waiting_bytes;	   /* of replies not taken, from which on the next call waits */
	size_t events_bytes;	   /* of events not taken, from which on the client is dropped */
	unsigned message_ms;	   /* from the first byte of a call to its last */
	unsigned idle_ms;	   /* without a call, unless it waits for events */
	unsigned stall_ms;	   /* without taking a byte of a reply */
	unsigned accept_pause_ms;  /* after accept(2) failed for want of descriptors or memory */
};

/* What control_new() takes. */
extern const struct control_limits control_limits_default;

TAILQ_HEAD(control_clients, control_client);

struct control {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *accept_again;
	struct engine *engine;
	struct control_clients clients;
	struct control_limits limits; /* changed by tests only */
	unsigned n_clients;
};

struct view_clock;

/* One session as an object. */
typedef json_t *control_view_fn(struct engine *engine, const struct session *session,
				const struct view_clock *clock);

struct control_client {
	TAILQ_ENTRY(control_client) link;
	struct control *control;
	struct bufferevent *stream;
	struct event *deadline;
	struct varlink_reader reader;
	uid_t uid;
	pid_t pid;
	uint32_t rules; /* temporary ones that are in force for as long as it is there; 0: none */
	control_view_fn *list_view;
	uint32_t list_from; /* a list is answered in parts, and goes on from this id; 0: none */
	bool sees_all;	    /* root and members of the engine's group */
	bool wants_events;
	bool in_message; /* the deadline is that of a call that has begun */
	bool ended;	 /* it has said all it will say */
	bool closing;	 /* what is queued is still sent, nothing more is read */
};

/* Takes over `fd`. Whom no place is left for is told so and let go. */
void control_client_admit(struct control *control, int fd);
void control_client_free(struct control_client *client);

/* Root, members of the engine's group, and the session's owner. */
bool control_client_sees(const struct control_client *client, const struct session *session);

/* Root and the session's owner. */
bool control_client_owns(const struct control_client *client, const struct session *session);

/* By terminal: N of /dev/pts/N, of a session that it sees.  Containers number their own: of several its own
 * is meant. */
const struct session *control_client_find_terminal(const struct control_client *client,
						   int32_t tty);

/* Queues one message; takes it over. Without memory for it the client is closed. */
void control_client_send(struct control_client *client, json_t *message);

/* Queues one event, already encoded with its NUL. Frees the client if it does not take its events.
 */
void control_client_send_event(struct control_client *client, const char *text, size_t n);

/* The queue itself, for replies too large to be built as one object. */
struct evbuffer *control_client_queue(struct control_client *client);

/* Sends what is queued, then closes. */
void control_client_close(struct control_client *client);
