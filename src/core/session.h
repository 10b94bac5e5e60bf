/*
 * A session as the judge sees it: a connection, its channels, and for every way to use it the
 * bounds of the last use.
 *
 * session_observe() is the only place where evidence becomes use.  Its one principle: what is
 * not known counts as use, at the time of the sample.
 *
 * Input belongs to the connection: the ledger cannot tell channels apart.  A terminal that
 * certainly did not get it is left out: its line discipline is raw before and after (every key is
 * then readable at once), nothing waits in it, nothing was read from it (its access time stands),
 * and something else is there that explains the input.  Everything else counts for all of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bounds.h"
#include "core/facts.h"
#include "core/ledger.h"
#include "core/liveness.h"
#include "core/order.h"
#include "core/policy.h"

#define SESSION_USER_BYTES 256 /* at most, with its end: LOGIN_NAME_MAX */

/* What of struct channel_facts tells a channel from others. */
struct channel_identity {
	uint64_t start_ticks;
	int32_t pid, tty;
	uint32_t kind;
};

/* What of the last sample that was known the next one is compared with. */
struct channel_seen {
	int64_t atime_s;
	uint32_t known; /* enum terminal_known */
};

/* What there is where work counts, or once something was said of a terminal alone. */
struct channel_notes {
	uint64_t work_anchor_ns;   /* CPU time when work last counted ... */
	int64_t work_anchor_at_ns; /* ... and when that was */
	int64_t warned_at_ns;	   /* 0: not warned */
	int64_t hung_up_at_ns;	   /* 0: not asked for */
};

struct channel {
	struct channel_identity facts;
	char *command;		     /* owned, of an exec channel; NULL: none.  Foreign text */
	const struct policy *policy; /* the caller's, also of others */
	struct bounds opened;	     /* an opening counts as use of any kind of channel */
	struct bounds input;	     /* of a terminal; others share the connection's */
	struct bounds work;
	struct channel_seen last;    /* zeroed: nothing was known */
	struct channel_notes *notes; /* owned; NULL: all of them are 0 */
};

enum session_phase {
	PHASE_OPEN,   /* watched */
	PHASE_ENDING, /* the monitor has been told to end it */
};

/* The kernel's care for a connection, from the first order to change it on. */
struct session_keepalive {
	struct order_keepalive wanted; /* as it was last ordered; zeroed: not changed */
	bool changed;		       /* it is another than it was: this */
	struct order_keepalive original;
};

/* What was said of a session or asked for it. */
struct session_notes {
	int64_t warned_at_ns;		     /* 0: not warned */
	int64_t reported_at_ns;		     /* 0: not reported (IdleAction report) */
	int64_t unresponsive_reported_at_ns; /* the same for the client that does not answer */
	int64_t not_parked_at_ns;	     /* when parking it last failed; 0: never */
	int64_t kept_until_ns;		     /* 0: not kept */
};

struct session {
	struct session_facts facts;
	struct ledger ledger;
	struct liveness liveness;
	struct bounds uses[USE_N]; /* of the connection; USE_WORK is not used here */
	struct bounds unsure; /* when the list of channels was last not certain; nothing since it is
				 again */
	char *record;	      /* owned: of a cut that has been ordered; NULL */
	struct session_keepalive *keepalive; /* owned; NULL: the kernel's was never touched */
	struct session_notes *notes;	     /* owned; NULL: all of them are 0 */
	struct channel *channels;	     /* owned; never empty once the first list came */
	const char *user;	/* the caller's, also of others; "" while unknown. Foreign text */
	int64_t observed_at_ns; /* from_ns of the last sample that said something */
	int64_t first_seen_ns;
	int64_t rekey_from_ns; /* since when a rekey was seen by the last sample; 0: none was */
	int64_t answer_from_ns; /* the same of input that a terminal seemed not to get, where an agent is forwarded */
	int64_t asked_at_ns; /* when output was seen that may be a question to an agent; 0: none waits */
	int64_t realtime_offset_ns; /* of the last sample */
	uint32_t known;		    /* the same */
	uint32_t forward_opened;
	uint32_t id;
	uint32_t n_channels;
	int64_t hidden_in; /* ... and what had come in at the last of them */
	struct ledger_traits traits;
	enum session_phase phase : 8;
	uint8_t undecided;    /* samples in a row with bytes that the server had not read */
	bool reaped_before;   /* in a sample that said nothing */
	uint8_t hidden_looks; /* in a row, at input that no terminal shows ... */
};

/* A session seen for the first time at `now_ns`; it counts as used in [started_at_ns, now_ns] until
 * a sample says better. Zeroes the rest. */
void session_init(struct session *session, const struct session_facts *facts, int64_t now_ns);
void session_deinit(struct session *session);

/*
 * Takes a new list of channels, seen in [from_ns, at_ns]. Channels that were there before (same
 * child, terminal and kind) keep their clocks; new ones are opened now. Policies of new ones are
 * policy_none: the caller resolves them. -ENOMEM leaves the old list.
 */
int session_set_channels(struct session *session, const struct channel_facts *facts, size_t n,
			 int64_t from_ns, int64_t at_ns);

/* "" is none. -ENOMEM leaves the old one. */
int session_set_command(struct channel *channel, const char *command);

/* Made by the first call; NULL without memory. */
struct session_keepalive *session_need_keepalive(struct session *session);
struct session_notes *session_need_notes(struct session *session);
struct channel_notes *session_need_channel_notes(struct channel *channel);

/* To be read. */
const struct session_notes *session_notes(const struct session *session);
const struct channel_notes *session_channel_notes(const struct channel *channel);

/*
 * Takes in one sample; `sample->channels` has the order of the list set before. False: it was taken
 * inside a system call of the server or amid a rekey (ledger.h), before the server had read what came, or while a key
 * may be on its way to a terminal, and says nothing of use; take another one soon. What it says of the client's life is
 * taken in all the same.
 */
bool session_observe(struct session *session, const struct sample *sample);

/*
 * The last sample has shown no use, and nothing that the next one may show in another light: until
 * something moves on the connection other samples would say the same.
 */
bool session_rests(const struct session *session);

/* The last use of one kind, for one channel of the session (input of a terminal is its own). */
struct bounds session_channel_use(const struct session *session, const struct channel *channel,
				  enum use use);

/* The last use of a channel: the latest of all that its policy counts, its opening included. */
struct bounds session_channel_last_use(const struct session *session,
				       const struct channel *channel);

/* A connection is named by its most telling channel; the kinds (enum channel_kind) are in that order. */
uint32_t session_kind(const struct session *session);
