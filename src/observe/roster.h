/*
 * The processes of servers that the finder knows, by pid: which are to be looked at again, which
 * rest, which belong to a session.  A sorted array, as most pids come in ascending order and the
 * whole of it is walked each second.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"

enum roster_state {
	ROSTER_PENDING, /* not a session, or not yet: look again */
	ROSTER_RESTING, /* a listener, or a helper of a known session */
	ROSTER_SESSION, /* the ledger process of a known session */
};

struct roster_row {
	uint64_t cookie; /* of its connection; 0: not known */
	uint64_t start_ticks;
	int32_t pid;
	uint8_t server; /* enum server_id */
	uint8_t state;	/* enum roster_state */
};

struct roster {
	struct roster_row *rows; /* by ascending pid */
	size_t n, size;
};

void roster_deinit(struct roster *roster);

/* NULL: none. Valid until the next change. */
struct roster_row *roster_find(const struct roster *roster, int32_t pid);

/* The first pending row with this pid or a higher one, as above. One call walks over all that are not. */
struct roster_row *roster_pending_from(const struct roster *roster, int32_t pid);

/* A new pending row, or the one that is there. */
int roster_add(struct roster *roster, int32_t pid, enum server_id server,
	       struct roster_row **ret_row);
void roster_remove(struct roster *roster, int32_t pid);

/* Whether a session with this cookie is known. */
bool roster_has_session(const struct roster *roster, uint64_t cookie);

/* Makes all rows of a connection pending again. */
void roster_reopen(struct roster *roster, uint64_t cookie);
