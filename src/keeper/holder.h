/*
 * What a keeper is: a terminal, its screen, a socket, and the reasons to end.
 *
 * Before the server has let go of the terminal the holder only waits.  From then on it reads what
 * is printed, whether somebody looks or not, and ends with the shell, with Drop, at the end of its
 * lifetime or when the last client of an ended shell has gone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper/backlog.h"
#include "keeper/keeper.h"
#include "keeper/screen.h"
#include "keeper/terminal.h"

struct server;

/* Of the event base; libevent gives what does not say otherwise the one in the middle. */
#define HOLDER_PRIORITIES 3

struct holder {
	struct keeper_start start;
	struct event_base *base;
	struct terminal terminal;
	struct terminal_events terminal_events;
	struct screen screen;	/* see holder_settle() */
	struct backlog backlog; /* what is not on it yet */
	size_t settled_at;	/* what the backlog had at the last look */
	struct server *server;
	struct event *link, *gone, *leader, *guessed, *patience, *lifetime, *ending, *settle;
	int link_fd, gone_fd, leader_fd; /* owned; -1: none */
	int guessed_fd; /* owned: the program whose use of the alternate screen is a guess; -1 */
	int64_t expires_at_ns;	   /* CLOCK_MONOTONIC; 0: never, or while somebody is attached */
	int32_t status;		   /* wait status of the shell; -1: not known */
	unsigned waits_for_status; /* times that it was asked for */
	bool committed;
	bool holding;	  /* the server is gone */
	bool leader_gone; /* the shell's process has ended ... */
	bool ended;	  /* ... and what it had printed has been read */
};

/* Takes over the descriptors KEEPER_FD_*. Sets up screen and socket; on failure (negative errno)
 * nothing has been changed. */
int holder_init(struct holder *holder, struct event_base *base, const struct keeper_start *start);
void holder_deinit(struct holder *holder);

/* For the server. */

/* Hangs up and ends; says why in the log and to the client. */
void holder_hang_up(struct holder *holder, const char *reason);

/* A client has come or gone: the lifetime stands still in between. */
void holder_attached(struct holder *holder, bool attached);

/* Another size of the client's terminal, pixels included. */
void holder_resize(struct holder *holder, const struct winsize *size);

/* Brings the screen up to date: before anybody looks at it. */
void holder_settle(struct holder *holder);

/* Everything that had to be said has been said. */
void holder_finish(struct holder *holder);
