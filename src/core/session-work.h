/*
 * The CPU time of the processes behind a channel as use: more than the policy's share of a span is work.
 */
#pragma once

#include "core/session.h"

/* Takes in what a sample says of it; unknown is work. The spans are those of session_observe(). */
void session_observe_work(struct channel *channel, const struct channel_sample *now,
			  int64_t from_ns, int64_t at_ns);
