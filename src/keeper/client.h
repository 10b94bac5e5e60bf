/*
 * One connection to the keeper's socket: calls first, frames after Attach.
 *
 * A client that takes nothing must not stop the program inside, one that takes what it can should
 * get every byte.  So output waits up to a limit; beyond it the terminal is not read while
 * the client goes on taking; if it does not, it is left behind: nothing is queued any more, and
 * when it has taken what is there it gets the screen as it is then, with the lines it missed.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "keeper/paint.h"
#include "text/frame.h"
#include "text/varlink.h"

struct bufferevent;
struct event;
struct server;

struct client {
	TAILQ_ENTRY(client) link;
	struct server *server;
	struct bufferevent *stream;
	struct event *stalled;
	struct event *unread; /* runs while it is not read */
	struct varlink_reader reader;
	uid_t uid;
	pid_t pid;
	struct winsize size; /* of its terminal */
	size_t waiting;	     /* at the last look whether it takes anything */
	uint64_t from;	     /* the first line it has missed */
	enum paint_begin begin;
	bool attached;
	bool holds_up; /* the terminal is not read for its sake */
	bool behind;
	bool ends;    /* the shell has ended: it is told so when it has been shown all */
	bool told;    /* it has got that */
	bool closing; /* what is queued is still sent */
};

/* Takes over `fd`, also on failure: NULL. */
struct client *client_new(struct server *server, int fd);
void client_free(struct client *client);

/* A message of Varlink; takes it over. */
void client_send(struct client *client, json_t *message);
void client_send_frame(struct client *client, enum frame_type type, const void *bytes, size_t n);

/* From now on frames; paints. */
void client_attach(struct client *client);

/* What was printed; and after it is on the screen. */
void client_output(struct client *client, const char *bytes, size_t n);
void client_shown(struct client *client);

/* The program has taken input: there may be room for more. */
void client_input_taken(struct client *client);

/* Whether nobody is there any more: what it has sent and the program does not take hides that it has ended. */
bool client_has_gone(const struct client *client);

/* Puts its terminal in order, says the last word, and closes when all is sent. */
void client_let_go(struct client *client, enum frame_type type, const void *bytes, size_t n);

/* The same with FRAME_END, after all that has been printed: on a slow line that takes its time. */
void client_end(struct client *client);
