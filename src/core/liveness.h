/*
 * Liveness: does the client still answer, its machine and its program?
 *
 * Two clocks, each with the bounds of the last sign of life.  The host's is any acknowledgement or
 * data, the program's is data alone: a living kernel acknowledges for a program that has stopped.
 * The ages are the kernel's, so each sample has them complete, whatever was missed before it.
 *
 * Age alone proves nothing: a silent connection is not a dead one.  What proves something stands
 * unanswered:
 *
 *   a ping           asks the host.  Sent by the monitor when the engine says so; counted from the
 *                    last sign of life on.
 *   a server's probe asks the program (ClientAliveInterval of sshd, -K of dropbear).  The ledger
 *                    shows it: bytes went out on the socket, nothing came in, and nothing was read
 *                    or written elsewhere.  Other packets look like that (a channel's end of file,
 *                    a late refusal), so the descriptors and the channels must have stood, and the
 *                    size must be known: seen answered before on this connection (more went out
 *                    than came in: an answer to a client's keepalive is the other way round), or
 *                    twice without an answer.  It counts from when the host has acknowledged it;
 *                    before that the network may have it.
 *   a full window    output waits, nothing is under way, and nothing more is acknowledged: the
 *                    program does not read.
 *
 * The program is called dead only beside a living host, heard of in the last seconds.  Without one
 * it is the network's doing, and the host's clock decides.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/bounds.h"
#include "core/facts.h"
#include "core/ledger.h"

#define LIVENESS_SIZES_MAX 4

/* Probes of one size (or its multiples) since the program was last heard of. */
struct liveness_probe {
	uint32_t bytes;
	uint32_t n;
	int64_t delivered_at_ns; /* the first was acknowledged by then; 0: not yet */
};

/* What the client was asked and has not taken. A session has it from the first question on; without
 * memory for it nothing was asked, and nobody is called dead. */
struct liveness_proof {
	/* Pings since the host's last sign of life. */
	int64_t first_ping_at_ns, second_ping_at_ns, last_ping_at_ns;
	int64_t full_since_ns;
	uint64_t acked; /* nothing was acknowledged since this in ... */
	uint64_t received;
	uint64_t lost; /* by so much `sent` is too high for good, see note_lost() */
	struct liveness_probe probes[LIVENESS_SIZES_MAX];
	uint32_t answered[LIVENESS_SIZES_MAX]; /* sizes that were answered; 0: none */
	uint32_t pings;
	uint32_t full_looks; /* ... so many samples in a row, all with a full window */
	uint32_t n_probes;   /* in use */
	uint32_t next_answered;
};

struct liveness {
	struct bounds host, program; /* the last sign of life */
	int64_t looked_at_ns;	     /* from_ns of the last sample with a socket */
	/* The longest time without such a sample, of those that ended within the last second. */
	int64_t gap_ns, gap_ended_at_ns;
	struct liveness_proof *proof; /* owned; NULL: there is none */
	uint32_t n_descriptors;
	bool known : 1;		    /* the last sample had the socket */
	bool no_ping : 1;	    /* the last ping that was asked for could not be sent */
	bool descriptors_known : 1; /* n_descriptors, of the ledger's last sample */
	bool still : 1;		    /* nothing was printed in the ledger's last step */
	bool relisted : 1;	    /* the list of channels changed since the ledger's last step */
};

/* What the policy wants: ClientAliveInterval, and that times ClientAliveCountMax. */
struct liveness_terms {
	int64_t interval_ns;
	int64_t limit_ns; /* TIME_NEVER: off */
};

/* When something is to be done if no sign of life comes; TIME_NEVER: never. */
struct liveness_due {
	int64_t host_ns;    /* the host is to be called dead */
	int64_t program_ns; /* the program is */
	int64_t silent_ns;  /* the first of them will be, as far as it can be told */
	int64_t ping_ns;    /* a sample taken then or later is to be taken with a ping */
	int64_t look_ns;    /* a sample is to be taken, for another reason than these */
};

void liveness_deinit(struct liveness *liveness);

/*
 * Takes in the socket's part of a sample, also of one that says nothing to the ledger: the ages and
 * counts of a socket are consistent in themselves. Without SAMPLE_SOCKET nothing is known any more.
 */
void liveness_look(struct liveness *liveness, const struct sample *sample);

/* Takes in a step of the ledger; after liveness_look() of the same sample. */
void liveness_step(struct liveness *liveness, const struct sample *sample,
		   const struct ledger_step *step);

/* A sample that knows no ledger, or one that was the first: no step to be compared with. */
void liveness_no_step(struct liveness *liveness);

/* What is due under these terms; `now_ns` is not before the last sample. */
void liveness_find_due(const struct liveness *liveness, const struct liveness_terms *terms,
		       int64_t now_ns, struct liveness_due *ret_due);

/* Pings that had their time and were not answered. */
uint32_t liveness_pings_unanswered(const struct liveness *liveness);

/* The server's probes that reached the host and were not answered, counted ones only. */
uint32_t liveness_probes_unanswered(const struct liveness *liveness);

/* A probe was seen on this connection, answered or not. */
bool liveness_has_probes(const struct liveness *liveness);

/* Pings since the host's last sign of life, with those that may still be answered. */
uint32_t liveness_pings(const struct liveness *liveness);

/* The sizes that were seen answered, from 0 to LIVENESS_SIZES_MAX; 0: none. */
uint32_t liveness_answered(const struct liveness *liveness, uint32_t index);

/* In the place of the oldest when there are too many. -ENOMEM. */
int liveness_add_answered(struct liveness *liveness, uint32_t bytes);

/* The window was full in the last samples. */
bool liveness_is_full(const struct liveness *liveness);
