/*
 * What the monitor allows the engine whatever the engine says, so that one that somebody else has
 * taken over can do no more harm than this: how many sessions end in a time, how often a terminal is
 * written to and a client pinged, and how short the kernel's patience with a connection may be made.
 *
 * MaxCuts comes from the engine, which alone reads the configuration, but at a time when it has read
 * nothing that others have a hand in: as its first message. Later the rate may only become lower,
 * unless root has just told the monitor itself to reload (SIGHUP).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/brake.h"
#include "core/facts.h"
#include "core/order.h"

struct limits {
	struct brake rules;	 /* ends by the policy, and hang-ups */
	struct brake asked;	 /* ends that users ask for have as much once more */
	int64_t reload_until_ns; /* until then any rate is taken */
};

/* Lines on the terminals of one session (each try to end it may show one), and its pings. */
struct limits_session {
	int64_t minute_at_ns, pinged_at_ns;
	uint32_t lines; /* in that minute */
};

/* 0; 1: the rate is held lower than that; -EINVAL, -ENOMEM. */
int limits_set(struct limits *limits, uint32_t most, int64_t span_ns, int64_t now_ns);
/* Root has asked for a reload. */
void limits_expect_reload(struct limits *limits, int64_t now_ns);
void limits_deinit(struct limits *limits);

/* -EPROTO: no engine of ours sends that. */
int limits_check_cut(const struct order_cut *order);
int limits_check_tune(const struct order_tune *order);

/* Whether one more may end, and notes it.  Sessions of `sshidle prove` are not counted: it comes from
 * an address of this host that nobody else has. */
bool limits_take_end(struct limits *limits, bool asked, const struct session_facts *facts,
		     int64_t now_ns);
/* It was not ended after all. */
void limits_give_back(struct limits *limits, bool asked, const struct session_facts *facts,
		      int64_t taken_at_ns);

bool limits_take_line(struct limits_session *session, int64_t now_ns);
bool limits_take_ping(struct limits_session *session, int64_t now_ns);
