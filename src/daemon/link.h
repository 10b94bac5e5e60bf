/*
 * The link between engine and monitor: fixed-size messages over one socketpair.
 *
 * Each side has a table of the messages it takes: type, size, and what to do.  The size is compared by
 * equality (a message with a list has exactly as many elements as it says), anything else ends the
 * link, and with it both processes: neither trusts the other to be well.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"

#define LINK_TEXT_BYTES	    384
#define LINK_SURVIVORS_MAX  16

enum link_type {
	/* engine to monitor */
	LINK_SETTINGS = 1,
	LINK_SAMPLE,
	LINK_WARN,
	LINK_CUT,
	LINK_HANGUP,
	/* monitor to engine */
	LINK_OPENED,
	LINK_CHANNELS,
	LINK_SAMPLED,
	LINK_CLOSED,
	LINK_WARNED,
	LINK_CUT_DONE,
	LINK_HANGUP_DONE,
	LINK_TROUBLE,
	LINK_LOOKED,
	LINK_RELOAD,
	LINK_N
};

/* What must not have moved when the monitor looks once more before it acts. */
struct link_guard {
	int64_t plain_in, plain_out; /* the highest values that the verdict rests on */
	int64_t observed_at_ns;	     /* of that sample */
	int64_t atime_s;	     /* of one terminal, for LINK_HANGUP */
	uint64_t traffic;	     /* forward_written + forward_read */
	uint32_t forward_opened;
	uint32_t uses;		     /* USE_BIT()s to be checked; 0: do it whatever moved */
};

struct link_settings {
	int64_t look_every_ns; /* for new sessions */
};

struct link_sample {
	uint32_t handle;
	uint32_t with_work; /* 1: read the CPU time of the process trees too */
};

struct link_warn {
	uint32_t handle;
	int32_t tty; /* -1: all of the session's terminals */
	char text[LINK_TEXT_BYTES];
};

struct link_cut {
	struct link_guard guard;
	uint32_t handle;
	uint32_t hang_up; /* 1: commands without a terminal get SIGHUP afterwards */
	char text[LINK_TEXT_BYTES]; /* shown on the terminals first; "" nothing */
};

struct link_hangup {
	struct link_guard guard;
	uint32_t handle;
	int32_t tty;
	char text[LINK_TEXT_BYTES];
};

struct link_opened {
	struct session_facts facts;
	uint32_t handle; /* names the session on this link; not used again while it lives */
	uint32_t reserved;
};

struct link_channels {
	int64_t from_ns, at_ns;
	uint32_t handle;
	uint32_t uid; /* may have become known */
	uint32_t n_channels;
	uint32_t reserved;
	struct channel_facts channels[FACTS_CHANNELS_MAX];
};

struct link_sampled {
	uint32_t handle;
	uint32_t reserved;
	struct sample sample;
};

struct link_closed {
	uint32_t handle;
	uint32_t reserved;
};

struct link_warned {
	uint32_t handle;
	uint32_t reached, missed; /* terminals */
	uint32_t reserved;
};

struct link_survivor {
	int32_t pid;
	char name[20]; /* foreign text */
};

struct link_cut_done {
	uint32_t handle;
	int32_t result; /* 0, -EBUSY: used meanwhile, nothing was done; else -errno */
	uint32_t signal; /* that it took to end the server's process: 0 none */
	uint32_t n_survivors; /* all of them, the first ones are named */
	struct link_survivor survivors[LINK_SURVIVORS_MAX];
};

struct link_hangup_done {
	uint32_t handle;
	int32_t tty;
	int32_t result;
	uint32_t signal;
};

struct link_trouble {
	uint32_t handle; /* 0: of the host */
	uint32_t reserved;
	char text[LINK_TEXT_BYTES];
};

struct event_base;
struct link;

/* `message` has exactly the size that the table gives for its type. 0, or -EPROTO to end the link. */
typedef int link_handler(void *context, const void *message);

struct link_row {
	enum link_type type;
	size_t size;	      /* of the fixed part */
	size_t element_bytes; /* of a list at the end; 0: none */
	size_t count_offset;  /* of the uint32_t that counts it */
	link_handler *handler;
};

/* Called once when the peer has gone or broke the rules. */
typedef void link_lost_fn(void *context);

/* Takes over `fd` (a connected SOCK_STREAM, non-blocking). `rows` ends with type 0. */
int link_new(struct event_base *base, int fd, const struct link_row *rows, link_lost_fn *lost,
	     void *context, struct link **ret_link);
void link_free(struct link *link);

/* Queues a message; -ENOMEM. */
int link_send(struct link *link, enum link_type type, const void *message, size_t size);

/* Bytes of a message with a list of n elements. */
size_t link_channels_bytes(uint32_t n);
size_t link_sampled_bytes(uint32_t n);
