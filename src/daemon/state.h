/*
 * What must outlive a restart of the daemon: for each session the bounds of its last uses with the
 * ledger they rest on, warnings and keeps.
 *
 * Written often and atomically (a new file, renamed), so that kill -9 at any moment loses at most
 * what happened since the last write.  That is safe: the ledger only grows, so whatever was used
 * since then shows as a step from the saved ledger to the present one.
 */
#pragma once

#include <stdint.h>

#include "core/session.h"

struct state; /* as read: what has not been taken up yet */

/* Reads the file of a daemon that ran before. A missing, foreign or broken file, or one of another
 * boot, gives an empty state (with a reason in the log where one is due). -ENOMEM. */
int state_load(const char *file, struct state **ret_state);
void state_free(struct state *state);

/* First id that was not given out. */
uint32_t state_next_id(const struct state *state);

/*
 * Takes up a session with the same identity: its id, user, bounds, ledger, warning and keep;
 * channels (which the session must have by now) where child, terminal and kind are the same.
 * Returns whether there was one. It is forgotten then.
 */
bool state_restore(struct state *state, struct session *session);

/* The records of cuts that had been ordered, of sessions that were not taken up: they ended while
 * nobody watched. `at` counts from 0; NULL behind the last. */
const char *state_record(const struct state *state, size_t at);

/* The id that a session with this identity had; 0: none. */
uint32_t state_find_id(const struct state *state, const struct session_identity *identity);

/* One write. `next` gives one session after the other, NULL at the end. */
int state_save(const char *file, uint32_t next_id,
	       const struct session *(*next)(void *context, const struct session *after),
	       void *context);
