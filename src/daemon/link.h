/*
 * The link between engine and monitor: fixed-size messages over one socketpair.
 *
 * Each side has a table of the messages it takes: type, size, and what to do.  The size is compared
 * by equality (a message with a list has exactly as many elements as it says), anything else ends
 * the link, and with it both processes: neither trusts the other to be well.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"
#include "core/order.h"

enum link_type {
	/* engine to monitor */
	LINK_SETTINGS = 1,
	LINK_SAMPLE,
	LINK_WARN,
	LINK_CUT,
	LINK_HANGUP,
	LINK_TUNE,
	LINK_QUIET,
	/* monitor to engine */
	LINK_OPENED,
	LINK_CHANNELS,
	LINK_SAMPLED,
	LINK_CLOSED,
	LINK_WARNED,
	LINK_CUT_DONE,
	LINK_HANGUP_DONE,
	LINK_TUNED,
	LINK_TROUBLE,
	LINK_LOOKED,
	LINK_RELOAD,
	LINK_N
};

struct link_settings {
	int64_t look_every_ns; /* for new sessions */
	int64_t cuts_span_ns;  /* MaxCuts, see daemon/limits.h */
	uint32_t cuts_most;
	uint32_t reserved;
};

struct link_sample {
	uint32_t handle;
	uint32_t with_work; /* 1: read the CPU time of the process trees too */
	uint32_t with_ping; /* 1: ask the client's machine for a sign of life, after the reading */
	uint32_t reserved;
};

/*
 * Nothing is due at the session: until a sample is asked for it is enough to look whether anything
 * moves on its connection, and to take one then (daemon/quiet.h, watch_is_still()).
 */
struct link_quiet {
	int64_t every_ns; /* QUIET_LEAST_NS to QUIET_MOST_NS */
	int64_t since_ns; /* `from_ns` of the last sample; where there was another one since it is void */
	uint32_t handle;
	uint32_t reserved; /* 0 */
};

struct link_opened {
	struct session_facts facts;
	int64_t seen_at_ns;
	uint32_t handle; /* names the session on this link; not used again while it lives */
	uint32_t reserved;
};

struct link_channel {
	struct channel_facts facts;
	char command[FACTS_COMMAND_BYTES]; /* of an exec channel, else empty */
};

struct link_channels {
	int64_t from_ns, at_ns;
	uint32_t handle;
	uint32_t uid; /* may have become known */
	uint32_t n_channels;
	uint32_t reserved;
	struct link_channel channels[FACTS_CHANNELS_MAX];
};

struct link_sampled {
	uint32_t handle;
	uint32_t reserved;
	struct sample sample;
};

/* How a connection was when it ended, where the kernel has told (SKNLGRP_INET_TCP_DESTROY). */
struct link_last_words {
	int64_t last_data_recv_ns; /* ages at the end */
	int64_t last_ack_recv_ns;
	uint32_t known;	      /* 1: all of this was told */
	uint32_t probes;      /* keepalives or window probes without an answer */
	uint32_t retransmits; /* of the oldest data, without an answer */
	uint32_t from_peer;   /* 1: the client's end closed or reset it */
};

struct link_closed {
	struct link_last_words last_words;
	uint32_t handle;
	uint32_t reserved;
};

struct link_warned {
	uint32_t handle;
	uint32_t reached, missed; /* terminals */
	uint32_t bytes;		  /* of output that it makes */
};

struct link_trouble {
	uint32_t handle; /* 0: of the host */
	uint32_t reserved;
	char text[ORDER_TEXT_BYTES];
};

struct event_base;
struct link;

/* `message` has exactly the size that the table gives for its type. 0, or -EPROTO to end the link.
 */
typedef int link_handler(void *context, const void *message);

/* In which stage of the link a message is legal. */
enum link_stage { LINK_STARTING = 1 << 0, LINK_RUNNING = 1 << 1 };

struct link_row {
	enum link_type type;
	uint32_t stages;      /* enum link_stage */
	size_t size;	      /* of the fixed part */
	size_t element_bytes; /* of a list at the end; 0: none */
	size_t count_offset;  /* of the uint32_t that counts it */
	link_handler *handler;
};

/* Called once when the peer has gone or broke the rules. */
typedef void link_lost_fn(void *context);

struct link_setup {
	int fd;			     /* connected SOCK_STREAM, non-blocking; taken over */
	const struct link_row *rows; /* end with type 0 */
	link_lost_fn *lost;
	void *context;
};

int link_new(struct event_base *base, const struct link_setup *setup, struct link **ret_link);
void link_free(struct link *link);

/* A link starts in LINK_STARTING. */
void link_set_stage(struct link *link, enum link_stage stage);

/* Sends a message before there is a link, over an empty socket. -errno. */
int link_send_first(int fd, enum link_type type, const void *message, size_t size);

/* Queues a message; -ENOMEM. */
int link_send(struct link *link, enum link_type type, const void *message, size_t size);

/* Bytes of a message with a list of n elements. */
size_t link_channels_bytes(uint32_t n);
size_t link_sampled_bytes(uint32_t n);
