/* For tests: a ledger's samples. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger.h"

static const struct ledger_traits plain = { 0 };

/* A connection that has been up for a while. */
static inline struct sample start(struct ledger *ledger)
{
	struct sample sample = { .wchar = 10000,
				 .rchar = 20000,
				 .sent = 4000,
				 .received = 3000,
				 .segments_in = 30,
				 .known = SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_FORWARDS };
	struct ledger_step step;

	*ledger = (struct ledger){ 0 };
	assert_false(ledger_step(ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	return sample;
}

static inline void net(struct sample *sample, uint64_t in, uint64_t out, uint64_t segments)
{
	sample->received += in;
	sample->rchar += in;
	sample->sent += out;
	sample->wchar += out;
	sample->segments_in += segments;
}
