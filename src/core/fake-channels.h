/* Tests of the judge: channels that were last used at USED_AT, or when the test says. */
#pragma once

#include <stdint.h>

#include "core/judge.h"

#define S NS_PER_S
/* The session's last use. */
#define USED_AT (1000 * S)

/* By the number of their terminal. */
static struct policy policies[4];
static struct channel_notes notes_of[4];

static inline struct policy *fill_channel(struct channel *channel, int32_t tty, int64_t used_at_ns)
{
	struct policy *policy = &policies[tty < 0 ? 0 : tty];

	notes_of[tty < 0 ? 0 : tty] = (struct channel_notes){ 0 };
	*policy = (struct policy){ .counts = USE_BIT(USE_INPUT), .idle_action = ACTION_DISCONNECT };
	*channel = (struct channel){
		.facts = { .kind = tty < 0 ? KIND_SFTP : KIND_SHELL, .tty = tty, .pid = 7 + tty },
		.opened = { 0, 1 },
		.input = { used_at_ns, used_at_ns },
		.policy = policy,
		.notes = &notes_of[tty < 0 ? 0 : tty],
	};
	return policy;
}

static inline struct session two_terminals(struct channel channels[static 2])
{
	struct session session = { .channels = channels, .n_channels = 2 };

	for (int32_t i = 0; i < 2; i++) {
		(void)fill_channel(&channels[i], i, USED_AT);
		policies[i].idle_timeout_ns = 60 * S;
		policies[i].idle_warning_ns = 10 * S;
	}
	return session;
}
