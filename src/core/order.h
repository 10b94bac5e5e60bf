/*
 * Orders: what the engine has the monitor do to a session, and what came of it.
 *
 * A verdict rests on a sample that is a moment old when its order is carried out; the guard says
 * what must not have moved since.
 */
#pragma once

#include <stdint.h>

#include "core/facts.h"

#define ORDER_TEXT_BYTES    384
#define ORDER_SURVIVORS_MAX 16
#define ORDER_USER_BYTES    64
#define ORDER_WHY_BYTES	    128

/* What must not have moved when the monitor looks once more before it acts. */
struct order_guard {
	int64_t plain_in, plain_out; /* the highest values that the verdict rests on */
	int64_t observed_at_ns;	     /* of that sample */
	int64_t atime_s;	     /* of one terminal */
	int64_t realtime_offset_ns; /* of that sample: the clock of access times may be set since */
	uint64_t traffic;	    /* forward_written + forward_read */
	uint32_t forward_opened;
	uint32_t uses;	       /* USE_BIT()s to be checked; 0: do it whatever moved */
	uint32_t notice_bytes; /* of output that our own line makes: 0 from the engine */
	uint32_t alive;	       /* enum order_alive */
};

/*
 * A sign of life that holds an end for unresponsiveness back (rules 10 and 11): the ages at the
 * second look, taken from its time, give a moment later than `observed_at_ns`. Ages that cannot be
 * read count as a sign of life. It is looked at also where `uses` is 0.
 */
enum order_alive {
	ORDER_ALIVE_ANY = 0,	 /* not looked at */
	ORDER_ALIVE_HOST = 1,	 /* no acknowledgement and no data since */
	ORDER_ALIVE_PROGRAM = 2, /* no data since; acknowledgements are the kernel's */
};

/* The kernel's own care for a connection: SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
 * TCP_USER_TIMEOUT, as getsockopt(2) gives them. */
struct order_keepalive {
	int32_t on, idle_s, interval_s, count, user_timeout_ms;
};

/* What setsockopt(2) takes: MAX_TCP_KEEPIDLE and MAX_TCP_KEEPCNT, net/tcp.h. */
#define ORDER_KEEPALIVE_MOST_S	   32767
#define ORDER_KEEPALIVE_COUNT_MOST 127

/* A shorter TCP_USER_TIMEOUT ends what lives. */
#define ORDER_KEEPALIVE_TIMEOUT_LEAST_MS 1000

/* The nearest to these that can be set. */
struct order_keepalive order_keepalive_settable(const struct order_keepalive *values);

/*
 * Sets them on the connection's socket.  What stood there before the first change is put back
 * when the order says so and when the daemon leaves.
 */
struct order_tune {
	uint32_t handle;
	uint32_t put_back;		 /* 1: `wanted` is not looked at */
	uint32_t original_known;	 /* 1: changed by an earlier daemon; it stood at ... */
	struct order_keepalive original; /* ... this */
	struct order_keepalive wanted;
};

struct order_tuned {
	uint32_t handle;
	int32_t result;
	uint32_t changed; /* 1: the values differ from the original ones now */
	struct order_keepalive original;
};

struct order_warn {
	uint32_t handle;
	int32_t tty; /* -1: all of the session's terminals */
	char text[ORDER_TEXT_BYTES];
};

/* Said wherever somebody parks or comes back, and in the manuals. */
#define ORDER_NOT_KEPT "What stood on the screen before the park is not kept."

/* Has the terminals of a session outlive its end, each in the hands of a keeper of its own. */
struct order_park {
	int64_t lifetime_ns;	     /* 0: none */
	uint32_t wanted;	     /* 0: a cut like any other */
	uint32_t most;		     /* terminals of the user that may be parked, these included */
	uint32_t permit_root;	     /* 1: root may attach */
	uint32_t first_id;	     /* of the first terminal ... */
	uint32_t more_id;	     /* ... and of those after it, counting up */
	uint32_t reserved;	     /* 0 */
	char user[ORDER_USER_BYTES]; /* foreign text */
	char text[ORDER_TEXT_BYTES]; /* shown on the terminals instead of the cut's; "" nothing */
};

struct order_cut {
	struct order_guard guard;
	struct order_park park;
	uint32_t handle;
	uint32_t hang_up;	     /* 1: commands without a terminal get SIGHUP afterwards */
	uint32_t asked;		     /* 1: by a user, not by a rule: the guard may be empty */
	uint32_t reserved;	     /* 0 */
	char text[ORDER_TEXT_BYTES]; /* shown on the terminals first; "" nothing */
};

struct order_hangup {
	struct order_guard guard;
	uint32_t handle;
	int32_t tty;
	char text[ORDER_TEXT_BYTES];
};

struct order_survivor {
	int32_t pid;
	char name[20]; /* foreign text */
};

struct order_parked {
	uint32_t id;
	int32_t tty;
};

struct order_cut_done {
	uint32_t handle;
	int32_t result;	 /* 0; -EBUSY: used meanwhile, nothing was done; -EDQUOT: MaxCuts; -errno */
	uint32_t signal; /* that it took to end the server's process: 0 none */
	uint32_t notice_bytes;	 /* of output that our own line made, when it was not cut */
	uint32_t n_hung_up;	 /* processes that got SIGHUP from us; the first ones are named */
	uint32_t n_survivors;	 /* those that live on; the first ones are named */
	uint32_t more_survivors; /* 1: there may be more, not all could be looked at */
	struct order_survivor hung_up[ORDER_SURVIVORS_MAX];
	struct order_survivor survivors[ORDER_SURVIVORS_MAX];
	uint32_t n_parked;
	uint32_t drained; /* 1: the client has got all output up to the end */
	struct order_parked parked[FACTS_CHANNELS_MAX];
	/* Why nothing could be parked; the session is as it was then.  "": it could, or was not wanted. */
	char not_parked[ORDER_WHY_BYTES];
	/* What is wrong with what is parked, for an alarm; "" nothing. */
	char alarm[ORDER_WHY_BYTES];
};

struct order_hangup_done {
	uint32_t handle;
	int32_t tty;
	int32_t result;
	uint32_t signal;
};
