#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "act/guard.h"
#include "core/terminal.h"

#define VERDICT_NS (1000 * NS_PER_S)
#define LOOK_NS	   (VERDICT_NS + 50 * NS_PER_MS)

static const struct order_guard input = { .plain_in = 100,
					  .observed_at_ns = VERDICT_NS,
					  .uses = USE_BIT(USE_INPUT) };

/* Of a session with 100 + `more` bytes of input, the last of them `after` the verdict's sample. */
static struct sample sample_of(uint64_t more, int64_t after_ns)
{
	return (struct sample){ .at_ns = LOOK_NS,
				.known = SAMPLE_LEDGER | SAMPLE_CHANNELS,
				.wchar = 600 + more,
				.sent = 500,
				.last_data_recv_ns = LOOK_NS - (VERDICT_NS + after_ns) };
}

static int judge(uint64_t more, int64_t after_ns)
{
	const struct sample sample = sample_of(more, after_ns);

	return guard_judge(&sample, false, &input);
}

static void nothing_came(void **state)
{
	(void)state;
	assert_int_equal(judge(0, -5 * NS_PER_S), 0);
	/* Whatever the ledger says: the server's own writing. */
	assert_int_equal(judge(7, -5 * NS_PER_S), 0);
}

/* An age is rounded to ticks of up to 10 ms: a key that comes a moment after the verdict's sample
 * may look as if it had come before. */
static void a_key_comes(void **state)
{
	(void)state;
	assert_int_equal(judge(1, 40 * NS_PER_MS), -EBUSY);
	assert_int_equal(judge(1, 1), -EBUSY);
	assert_int_equal(judge(1, -4 * NS_PER_MS), -EBUSY);
	assert_int_equal(judge(1, -10 * NS_PER_MS), -EBUSY);
	assert_int_equal(judge(0, -4 * NS_PER_MS), 0);
}

/* Unknown is not idle. */
static void what_cannot_be_read(void **state)
{
	struct sample sample = sample_of(0, NS_PER_MS);

	(void)state;
	assert_int_equal(guard_judge(&sample, true, &input), -EBUSY);
	for (uint32_t known = 0; known < (SAMPLE_LEDGER | SAMPLE_CHANNELS); known++) {
		sample.known = known;
		assert_int_equal(guard_judge(&sample, false, &input), -EBUSY);
	}
}

/* On a forwarded unix socket nothing is counted: what moves there is input or output in the ledger. Our own line is
 * neither. */
static void a_forward_without_counts(void **state)
{
	const struct order_guard guard = { .plain_in = 100,
					   .plain_out = 50,
					   .observed_at_ns = VERDICT_NS,
					   .uses = USE_BIT(USE_INPUT) | USE_BIT(USE_TRAFFIC),
					   .notice_bytes = 30 };
	struct sample sample = sample_of(0, -5 * NS_PER_S);

	(void)state;
	sample.known |= SAMPLE_UNMEASURED;
	sample.rchar = 80;
	assert_int_equal(guard_judge(&sample, false, &guard), 0);
	sample.rchar = 81;
	assert_int_equal(guard_judge(&sample, false, &guard), -EBUSY);
	sample.known &= ~(uint32_t)SAMPLE_UNMEASURED;
	assert_int_equal(guard_judge(&sample, false, &guard), 0);
	sample = sample_of(1, -5 * NS_PER_S);
	sample.rchar = 50;
	assert_int_equal(guard_judge(&sample, false, &guard), 0);
	sample.known |= SAMPLE_UNMEASURED;
	assert_int_equal(guard_judge(&sample, false, &guard), -EBUSY);
}

static void a_host_answers(void **state)
{
	const struct order_guard host = { .observed_at_ns = VERDICT_NS, .alive = ORDER_ALIVE_HOST };
	struct sample sample = sample_of(0, -5 * NS_PER_S);

	(void)state;
	sample.last_ack_recv_ns = LOOK_NS - (VERDICT_NS - 5 * NS_PER_S);
	assert_int_equal(guard_judge(&sample, false, &host), 0);
	sample.last_ack_recv_ns = LOOK_NS - (VERDICT_NS - 4 * NS_PER_MS);
	assert_int_equal(guard_judge(&sample, false, &host), -EBUSY);
}

/* The kernel moves a terminal's time of access once in 8 s: a key within such a window does not show. */
static void a_terminal_is_read(void **state)
{
	const int64_t window_s = 1600000000; /* begins then */
	struct order_guard guard = input;
	struct sample sample = sample_of(1, NS_PER_MS);

	(void)state;
	guard.atime_s = window_s;
	sample.n_channels = 1;
	sample.channels[0] = (struct channel_sample){ .tty = 3,
						      .atime_s = window_s,
						      .known = TERMINAL_KNOWN | TERMINAL_RAW };
	sample.realtime_offset_ns = (window_s + 8) * NS_PER_S - VERDICT_NS;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
	assert_int_equal(guard_judge_terminal(&sample, true, &guard, 3), -EBUSY);
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 4), -ENOENT);
	sample.realtime_offset_ns -= 1;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.realtime_offset_ns += 1;
	sample.channels[0].atime_s++;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.channels[0].known = TERMINAL_KNOWN;
	sample.wchar--;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
}

/* ^C is never read: where it takes effect a byte or two of input may have been that. */
static void a_signal_key_in_a_terminal(void **state)
{
	struct order_guard guard = input;
	struct sample sample = sample_of(1, NS_PER_MS);

	(void)state;
	sample.n_channels = 1;
	sample.channels[0] = (struct channel_sample){
		.tty = 3, .known = TERMINAL_KNOWN | TERMINAL_RAW | TERMINAL_SIGNALS
	};
	sample.realtime_offset_ns = 8 * NS_PER_S;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.wchar += TERMINAL_SIGNAL_KEYS_MOST;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
	sample.wchar = 600;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_came),
		cmocka_unit_test(a_key_comes),
		cmocka_unit_test(what_cannot_be_read),
		cmocka_unit_test(a_host_answers),
		cmocka_unit_test(a_forward_without_counts),
		cmocka_unit_test(a_terminal_is_read),
		cmocka_unit_test(a_signal_key_in_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
