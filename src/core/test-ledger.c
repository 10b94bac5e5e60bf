#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-ledger.h"

static const struct ledger_traits padding = { .padding_bytes = 32 };

static void keys_are_exact(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	net(&sample, 36, 36, 1);
	sample.wchar += 1;
	sample.rchar += 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 1);
	assert_int_equal(step.out_bytes, 1);
	net(&sample, 52 * 100, 52 * 100, 100);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 0);
	assert_int_equal(step.out_bytes, 0);
	ledger_deinit(&ledger);
}

/* A sample inside a write is too small and says nothing; the next one is no use, and hides none. */
static void a_sample_inside_a_call_says_nothing(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger), early;
	struct ledger_step step;

	(void)state;
	net(&sample, 0, 32804, 0);
	early = sample;
	early.wchar -= 32804;
	assert_true(ledger_is_behind(&ledger, &early));
	/* Also with a key in it, which it hides. */
	early.wchar += 1;
	assert_true(ledger_is_behind(&ledger, &early));
	assert_false(ledger_is_behind(&ledger, &sample));
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 0);
	sample.wchar += 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 1);
	ledger_deinit(&ledger);
}

static void what_waits_is_not_read(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	sample.received += 44;
	sample.waiting = 44;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 0);
	sample.waiting = 0;
	sample.rchar += 44;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 0);
	ledger_deinit(&ledger);
}

/* Read after io, forwarded bytes may run ahead of it; a key beside them is not lost. */
static void forwards_do_not_hide_keys(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	sample.forward_written += 1000;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 0);
	assert_int_equal(step.traffic_bytes, 1000);
	net(&sample, 1036 + 36, 0, 2);
	sample.wchar += 1000 + 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 1);
	assert_int_equal(step.traffic_bytes, 0);
	ledger_deinit(&ledger);
}

static void padding_is_no_output(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	net(&sample, 5 * 52, 5 * 44, 5);
	sample.rchar += 5 * 32;
	assert_true(ledger_step(&ledger, &padding, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 0);
	net(&sample, 0, 300, 0);
	sample.rchar += 32 + 200;
	assert_true(ledger_step(&ledger, &padding, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 232);
	ledger_deinit(&ledger);
}

/* What the daemon writes to a terminal is not the session's output. */
static void a_notice_is_no_output(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	ledger_expect_notice(&ledger, 100, 10 * NS_PER_S);
	net(&sample, 0, 136, 0);
	sample.rchar += 100;
	sample.at_ns = 11 * NS_PER_S;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 0);
	sample.rchar += 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 1);
	/* It was not read in time: then what comes is output. */
	ledger_expect_notice(&ledger, 100, 20 * NS_PER_S);
	sample.rchar += 100;
	sample.at_ns = 30 * NS_PER_S;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 100);
	/* tinyssh's packets have padding. */
	ledger_expect_notice(&ledger, 100, 30 * NS_PER_S);
	sample.rchar += 100 + 2 * 32;
	assert_true(ledger_step(&ledger, &padding, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 0);
	ledger_deinit(&ledger);
}

/* It comes out while no daemon is there to see it. */
static void a_notice_outlives_the_daemon(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	ledger_expect_notice(&ledger, 100, 10 * NS_PER_S);
	ledger_resume(&ledger, 9 * NS_PER_S, 40 * NS_PER_S);
	sample.rchar += 101;
	sample.at_ns = 40 * NS_PER_S;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 1);
	/* A sample later than its time had been taken: what it did not find does not come. */
	ledger_expect_notice(&ledger, 100, 50 * NS_PER_S);
	ledger_resume(&ledger, 53 * NS_PER_S, 60 * NS_PER_S);
	sample.rchar += 100;
	sample.at_ns = 60 * NS_PER_S;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 100);
	ledger_deinit(&ledger);
}

static void a_reaped_child_does_not_hide_keys(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	sample.wchar += 5000000;
	sample.rchar += 5014797;
	sample.known |= SAMPLE_REAPED;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_true(step.reaped);
	sample.known &= ~(uint32_t)SAMPLE_REAPED;
	sample.wchar += 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 1);
	ledger_deinit(&ledger);
}

/* A server that moves its data with recv(2) and send(2): the counters stand while data flows. */
static void a_ledger_that_does_not_fit_is_noticed(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (int i = 0; i < 3; i++) {
		sample.received += 1000;
		sample.sent += 1000;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_int_equal(step.unusable, i == 2);
	}
	net(&sample, 100, 100, 1);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_true(step.unusable);
	ledger_deinit(&ledger);
}

/* The first sample that says something begins the ledger anew. */
static void fall_behind(struct ledger *ledger, struct sample *sample)
{
	sample->wchar -= 1;
	for (int i = 0; i < LEDGER_BEHIND_MOST; i++)
		assert_true(ledger_is_behind(ledger, sample));
	assert_false(ledger_is_behind(ledger, sample));
}

static void behind_for_long_begins_anew(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	fall_behind(&ledger, &sample);
	assert_false(ledger.unusable);
	assert_false(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_false(ledger_is_behind(&ledger, &sample));
	sample.wchar += 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 1);
	ledger_deinit(&ledger);
}

static void behind_for_ever_is_unusable(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (int i = 0; i < LEDGER_RESTARTS_MOST; i++) {
		fall_behind(&ledger, &sample);
		assert_false(ledger.unusable);
		assert_false(
			ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	}
	fall_behind(&ledger, &sample);
	assert_true(ledger.unusable);
	ledger_deinit(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_exact),
		cmocka_unit_test(a_sample_inside_a_call_says_nothing),
		cmocka_unit_test(what_waits_is_not_read),
		cmocka_unit_test(behind_for_long_begins_anew),
		cmocka_unit_test(behind_for_ever_is_unusable),
		cmocka_unit_test(forwards_do_not_hide_keys),
		cmocka_unit_test(padding_is_no_output),
		cmocka_unit_test(a_notice_is_no_output),
		cmocka_unit_test(a_notice_outlives_the_daemon),
		cmocka_unit_test(a_reaped_child_does_not_hide_keys),
		cmocka_unit_test(a_ledger_that_does_not_fit_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
