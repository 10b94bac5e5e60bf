/*
 * The ledger: what the user sent and what was sent to the user, to the byte, from counters that
 * the kernel keeps anyway.
 *
 *     plain_in  = wchar - sent - forward_written
 *     plain_out = rchar - (received - waiting) - forward_read
 *
 * that is, what the server wrote and read elsewhere than on its own and on forwarded sockets.
 *
 * Only differences between two samples mean something.  A sample taken inside a system call is too
 * small, never too large (the order of the reads sees to it), so the highest value seen is the
 * truth.  A sample that is below it is behind: it could hide a key, so it says nothing, and another
 * one must be taken before anybody is called idle.
 *
 * A step of the ledger is not always a user.  ledger_step() takes out what is recognised:
 *
 *   a rekey              the privileged monitor's signature; the same amount each time for one
 *                        connection. An amount is believed when it has been seen
 *                        LEDGER_REKEY_TRUST times, each of which counted as use unless
 *                        the terminals proved that it was none.  Where the monitor's own counters can be
 *                        read no amount need be known: it is what the monitor was asked (decision 0005)
 *   our own notices      what the daemon writes to the terminals comes out of them as output
 *   tinyssh's padding    32 bytes of /dev/urandom read for each packet sent
 *
 * and says what it cannot take out: a child that was reaped (its whole life's bytes were added).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/facts.h"

#define LEDGER_REKEYS_MAX  16
#define LEDGER_REKEY_TRUST 2
/* One sample in twenty is behind while a server floods; so many in a row are not by chance. */
#define LEDGER_BEHIND_MOST 200
/* A server whose I/O the kernel does not count falls behind again and again. */
#define LEDGER_RESTARTS_MOST 64

/* What a server does to the counters besides its work; from the server's file in src/server. */
struct ledger_traits {
	uint32_t padding_bytes; /* read from a file for each packet sent; 0: none */
};

/* Amounts above 4 GiB are none. */
struct ledger_rekey {
	uint32_t in_bytes, out_bytes;
	uint32_t seen;
};

/* What the terminals of a session tell of a step. */
enum ledger_terminals {
	LEDGER_TERMINALS_UNKNOWN,
	LEDGER_TERMINALS_TOUCHED, /* one was read from or has keys waiting: no input is explained away */
	LEDGER_TERMINALS_UNREAD,    /* as the next, but for keys that leave no trace: ^C */
	LEDGER_TERMINALS_UNTOUCHED, /* nothing but terminals takes input, and none got any */
};

/* What the next sample is compared with; as in struct sample. */
struct ledger_counts {
	uint64_t wchar, rchar, sent, received;
	uint64_t forward_written, forward_read;
	uint32_t segments_in, waiting; /* the kernel's have no more bits */
	uint32_t parent_rchar, parent_wchar;
};

struct ledger_step {
	uint64_t in_bytes, out_bytes; /* plain, forwarded traffic taken out */
	uint64_t net_in_bytes, net_out_bytes, segments_in;
	uint64_t traffic_bytes;	     /* on forwarded sockets, both ways */
	uint64_t forwarded_in_bytes; /* those that came from the client */
	uint32_t asked_bytes;	     /* at most so many of `in` are questions to the monitor ... */
	uint32_t answered_bytes;     /* ... and so many of `out` its answers */
	bool asked_known;	     /* these two are */
	bool reaped;		     /* in and out are no counts in this step */
	bool renewed;		     /* it has the shape of a rekey */
	bool rekey;		     /* all of `in` was one */
	bool rekey_out;		     /* ... and all of `out` too */
	bool unusable;		     /* the counters do not fit a server that reads and writes */
	bool quiet; /* nothing moved but the SSH socket, and no notice of ours is out */
};

struct ledger {
	struct ledger_rekey *rekeys; /* owned, LEDGER_REKEYS_MAX; NULL: none was seen yet */
	struct ledger_counts last;
	int64_t high_in, high_out;
	int64_t notice_until_ns; /* so long is output taken for a notice of ours ... */
	uint64_t notice_bytes;	 /* ... and so much of it is still to come */
	uint8_t n_rekeys, next_rekey;
	uint8_t stuck;	   /* samples in a row in which data flowed past the counters */
	uint8_t behind;	   /* samples in a row that were behind */
	uint8_t mid_rekey; /* samples in a row that met a rekey under way */
	uint8_t restarts;  /* times that it began anew after too many that were behind */
	bool primed;	   /* `last` is valid ... */
	bool parent_known; /* ... and what it has of the parent */
	bool signs_itself; /* a rekey was waited for, and nobody was asked */
	bool unusable;	   /* from now on: this server's I/O is not counted by the kernel */
};

void ledger_deinit(struct ledger *ledger);

/* In the place of the oldest when there are too many. -ENOMEM. */
int ledger_add_rekey(struct ledger *ledger, const struct ledger_rekey *rekey);

/* plain_in and plain_out as the sample has them, before the high-water mark. */
int64_t ledger_plain_in(const struct sample *sample);
int64_t ledger_plain_out(const struct sample *sample);

/* The daemon has written to the session's terminals: so many bytes of output in the next moments
 * are its own. */
void ledger_expect_notice(struct ledger *ledger, uint64_t bytes, int64_t now_ns);

/* The ledger is taken up at `now_ns` as it was after the sample of `observed_at_ns`: a notice that was to
 * come out then is still to come, or came out meanwhile. */
void ledger_resume(struct ledger *ledger, int64_t observed_at_ns, int64_t now_ns);

/*
 * True when the sample was taken inside a system call of the server and says nothing: it is not to be
 * taken in. After too many of them in a row the ledger begins anew with this one, and in the end it is called
 * unusable.  What the kernel counts as sent grows too much, for good, where this host itself drops what is on its way out
 * (a packet filter on output, a full queue): each try counts (measured on Linux 6.18).
 */
bool ledger_is_behind(struct ledger *ledger, const struct sample *sample);

/* True when the sample met a rekey under way: its parts would look like use, so it is not to be
 * taken in either. */
bool ledger_is_mid_rekey(struct ledger *ledger, const struct sample *sample);

/*
 * Takes in one sample that knows SAMPLE_IO and SAMPLE_SOCKET. Returns false and only remembers it when
 * there was none before it to compare with; else fills the step.
 */
bool ledger_step(struct ledger *ledger, const struct ledger_traits *traits,
		 const struct sample *sample, enum ledger_terminals terminals,
		 struct ledger_step *ret_step);
