/* Tests of sessions: one with raw terminals, seen at 20 s and observed at 100 s, in which keepalives come all the time. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/session.h"
#include "core/terminal.h"

#define S   NS_PER_S
#define ALL (SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_FORWARDS | SAMPLE_CHANNELS)

static const struct policy input_only = { .counts = USE_BIT(USE_INPUT) };

static const struct channel_facts terminals[2] = {
	{ .kind = KIND_SHELL, .tty = 3, .pid = 78, .start_ticks = 1 },
	{ .kind = KIND_SHELL, .tty = 4, .pid = 79, .start_ticks = 2 },
};

static inline struct sample start(struct session *session, size_t n)
{
	struct session_facts facts = { .started_at_ns = 10 * S };
	struct sample sample = { .from_ns = 100 * S,
				 .at_ns = 100 * S,
				 .known = ALL,
				 .wchar = 500,
				 .rchar = 900,
				 .sent = 100,
				 .received = 100 };

	sample.n_channels = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		sample.channels[i] =
			(struct channel_sample){ .known = TERMINAL_KNOWN | TERMINAL_RAW,
						 .tty = terminals[i].tty };
	session_init(session, &facts, 20 * S);
	assert_int_equal(session_set_channels(session, terminals, n, 20 * S, 20 * S), 0);
	for (size_t i = 0; i < n; i++)
		session->channels[i].policy = &input_only;
	assert_true(session_observe(session, &sample));
	return sample;
}

static inline void later(struct sample *sample, int64_t at_ns)
{
	sample->from_ns = sample->at_ns = at_ns;
	sample->received += 52;
	sample->rchar += 52;
	sample->segments_in++;
}
