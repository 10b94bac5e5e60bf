/* Work: what a channel's processes did, and when that is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-terminals.h"

/* What it did before its work counted is unknown; what it does from then on is measured. */
static void work_that_nobody_measured(void **state)
{
	static const struct policy no_limit = { .idle_timeout_ns = TIME_NEVER,
						.counts = USE_BIT(USE_WORK) };
	static const struct policy limit = { .idle_timeout_ns = 600 * S,
					     .counts = USE_BIT(USE_WORK),
					     .work_max_ns = TIME_NEVER,
					     .work_threshold_ppm = 3000 };
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	for (int64_t i = 1; i <= 4; i++) {
		session.channels[0].policy = i % 2 == 1 ? &no_limit : &limit;
		sample.channels[0].known |= TERMINAL_WORK;
		sample.channels[0].work_ns = (uint64_t)i;
		later(&sample, i * 1000 * S);
		assert_true(session_observe(&session, &sample));
		assert_true((session.channels[0].work.latest_ns == i * 1000 * S) == (i % 2 == 0));
	}
	later(&sample, 4020 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 4000 * S);
	/* Work of a minute after days without a look is above the share of a limit. */
	later(&sample, 90000 * S);
	sample.channels[0].work_ns += 60 * S;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 90000 * S);
	assert_true(session_channel_last_use(&session, &session.channels[0]).latest_ns ==
		    90000 * S);
	/* Who left took its share along, or it cannot be read. */
	later(&sample, 90010 * S);
	sample.channels[0].work_ns -= 1;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 90010 * S);
	later(&sample, 90020 * S);
	sample.channels[0].known &= ~(uint32_t)TERMINAL_WORK;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 90020 * S);
	session_deinit(&session);
}

/* 0.3 % of the span since the last time, of an eighth of the limit at least, of the limit at most, or a tick. */
static void how_much_is_work(void **state)
{
	static const struct work_row {
		int64_t limit_s, span_s;
		uint64_t work_ms;
		bool used;
	} rows[] = {
		{ 600, 10, 224, false },   { 600, 10, 225, true },    { 600, 300, 899, false },
		{ 600, 300, 900, true },   { 600, 600, 1799, false }, { 600, 9000, 1799, false },
		{ 600, 9000, 1800, true }, { 10, 1, 9, false },	      { 10, 1, 10, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct work_row *row = &rows[i];
		const struct policy policy = { .idle_timeout_ns = row->limit_s * S,
					       .counts = USE_BIT(USE_WORK),
					       .work_max_ns = TIME_NEVER,
					       .work_threshold_ppm = 3000 };
		int64_t at_ns = (200 + row->span_s) * S;
		struct session session;
		struct sample sample = start(&session, 1);

		session.channels[0].policy = &policy;
		sample.channels[0].known |= TERMINAL_WORK;
		sample.channels[0].work_ns = 1;
		later(&sample, 200 * S);
		assert_true(session_observe(&session, &sample));
		sample.channels[0].work_ns += row->work_ms * NS_PER_MS;
		later(&sample, at_ns);
		assert_true(session_observe(&session, &sample));
		assert_true((session.channels[0].work.latest_ns == at_ns) == row->used);
		/* What was too little for a whole limit is not added to what comes then. */
		sample.channels[0].work_ns += NS_PER_MS;
		later(&sample, at_ns + 1 * S);
		assert_true(session_observe(&session, &sample));
		assert_true((session.channels[0].work.latest_ns > at_ns) ==
			    (row->work_ms == 224 || row->work_ms == 9 || row->span_s == 600));
		session_deinit(&session);
	}
}

/* A channel that has just been opened has done no work that nobody knows of. */
static void work_of_a_new_channel(void **state)
{
	static const struct policy limit = { .idle_timeout_ns = 600 * S,
					     .counts = USE_BIT(USE_WORK),
					     .work_max_ns = TIME_NEVER,
					     .work_threshold_ppm = 3000 };
	struct channel_facts facts[2] = { terminals[0], terminals[1] };
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	facts[1].started_at_ns = 105 * S;
	assert_int_equal(session_set_channels(&session, facts, 2, 114 * S, 114 * S), 0);
	session.channels[0].policy = session.channels[1].policy = &limit;
	sample.n_channels = 2;
	sample.channels[0].known = sample.channels[1].known = TERMINAL_KNOWN | TERMINAL_WORK;
	later(&sample, 114 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 114 * S);
	assert_true(session.channels[1].work.latest_ns == 105 * S + FACTS_AGE_SLACK_NS);
	session_deinit(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_that_nobody_measured),
		cmocka_unit_test(how_much_is_work),
		cmocka_unit_test(work_of_a_new_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
