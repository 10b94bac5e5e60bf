/*
 * One session in the monitor's hands: sampled, pinged, tuned, ended, and followed to its last
 * words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "act/cut.h"
#include "act/hangup.h"
#include "act/keepalive.h"
#include "act/park.h"
#include "daemon/limits.h"
#include "daemon/link.h"
#include "daemon/quiet.h"
#include "observe/destroyed.h"
#include "observe/finder.h"
#include "observe/watch.h"

struct event;
struct event_base;
struct monitor_options;

/* What is done to a session: few ever have it. */
struct acts {
	struct monitor *monitor;
	struct event
		*step; /* timer of cut, park or hang-up, and of the wait for last words; or NULL */
	struct cut *cut;
	struct park *park;
	struct hangup *hangup;
	struct keepalive keepalive;
	struct link_last_words last_words;
	struct limits_session limits;
	int64_t ended_at_ns; /* as the limits have it */
	uint32_t handle;
};

/* Valid until the next monitored_new(). */
struct monitored {
	struct monitor *monitor;
	struct watch *watch; /* NULL: the slot is free */
	struct acts *acts;   /* NULL: nothing was done so far */
	uint32_t handle;
	bool server_ended;
	bool asked; /* its end was */
};

struct monitor {
	struct event_base *base;
	struct link *link;
	struct finder *finder;
	struct quiet *quiet;
	struct destroyed *destroyed; /* NULL: the kernel does not tell */
	struct event *look;
	struct event *starter; /* its end */
	struct event *destroyed_event;
	struct event *ended; /* a process of a session */
	int ended_fd;	     /* epoll(7): the pidfds; an event for each would take 200 bytes */
	struct monitored *sessions; /* by slot */
	size_t n_slots, size;
	size_t maybe_free; /* no slot below is */
	const struct monitor_options *options;
	int64_t look_every_ns;
	struct limits limits;
	struct park *parks_starting; /* of act/park.h */
	uint32_t generation;
	bool ready, looked, ping_refused, rough;
	int result;
};

/* monitor.c; out of memory ends the monitor's loop. */
void monitor_fail(struct monitor *monitor);
void monitor_send(struct monitor *monitor, enum link_type type, const void *message, size_t size);

/* How the monitor hears of their ends. */
int monitored_listen(struct monitor *monitor);
void monitored_stop_listening(struct monitor *monitor);

/* Takes over the watch; not on failure. */
int monitored_new(struct monitor *monitor, struct watch *watch, struct monitored **ret_monitored);
void monitored_free(struct monitored *monitored);

/* NULL: there is none with that handle (any more). */
struct monitored *monitored_find(const struct monitor *monitor, uint32_t handle);

/* It is being ended by an order. */
bool monitored_is_ending(const struct monitored *monitored);

/* Takes a sample and sends it, with the list of channels before it when that is new or wanted, and
 * with a ping after it where that can be sent. */
void monitored_sample(struct monitored *monitored, bool with_channels, bool with_ping);

/* Before anything is done. -ENOMEM: it must not be done. */
int monitored_make_acts(struct monitored *monitored);
/* The same before anything that takes more than one step. */
int monitored_make_timer(struct monitored *monitored);

/* Looks each `every_ns` whether anything moves, if the last sample was the one of that time, and takes
 * and sends another one when it does. Any sample ends it. */
void monitored_rest(struct monitored *monitored, int64_t since_ns, int64_t every_ns);

/* A quiet_look_fn: one of these looks. */
bool monitored_look(void *monitor, uint32_t slot);

/* Goes on with the cut, park or hang-up that was begun, now and by its timer. */
void monitored_step(struct monitored *monitored);

/* A destroyed_fn: the last words of one of the monitor's sessions. */
void monitored_take_words(void *monitor, uint64_t cookie, const struct destroyed_words *words);

/* Puts back what was changed on the connections. */
void monitored_leave(struct monitor *monitor);

/* Forgets all sessions, without a word. */
void monitored_free_all(struct monitor *monitor);
