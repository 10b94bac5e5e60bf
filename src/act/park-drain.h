/*
 * Whether all that was printed has reached the client: judged by looks, some time apart, at the
 * terminals whose output is stopped and at the connection.
 *
 * Done is: nothing waits in the terminals, the server sleeps, nothing waits in the socket, and what the
 * server has read stands still, for some looks in a row.  A server that sleeps with nothing to read and
 * a socket that takes everything holds nothing in between; one that is runnable may, for as long as the
 * host lets it wait (seen: more than 40 ms, on a host that was busy to its limits).  A client that is
 * frozen never takes anything: when nothing has moved for a while this is given up, and what waits
 * in the terminals is left to the keeper.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PARK_DRAIN_LOOKS   3
#define PARK_DRAIN_LOOK_NS (10 * NS_PER_MS)

struct park_look {
	int64_t waiting;   /* bytes in the terminals */
	int64_t unsent;	   /* bytes in the socket that the client's machine has not acknowledged */
	int64_t plain_out; /* bytes that the server has read for channels */
	bool asleep;	   /* the server is; else it may hold something */
	bool runnable;	   /* it waits for its turn */
};

/* Zeroed: no look yet. */
struct park_drain {
	struct park_look last;
	int64_t from_ns, moved_at_ns;
	int still; /* looks in a row that found nothing */
	bool looked;
};

enum park_drained { PARK_DRAINING, PARK_DRAINED, PARK_FROZEN };

enum park_drained park_drain_judge(struct park_drain *drain, const struct park_look *look,
				   int64_t now_ns);
