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
	early = sample;
	early.rchar -= 1;
	assert_true(ledger_is_behind(&ledger, &early));
	assert_false(ledger_is_behind(&ledger, &sample));
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 0);
	sample.wchar += 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.in_bytes, 1);
	ledger_deinit(&ledger);
}

/* The kernel has 32 bits for them: a rekey's shape is told by them. */
static void segments_are_counted_on_and_on(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	sample.segments_in = UINT32_MAX - 9;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	net(&sample, 52 * 30, 52 * 30, 0);
	sample.segments_in = 20;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.segments_in, 30);
	assert_false(step.renewed);
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
	sample.forward_read += 500;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.traffic_bytes, 500);
	ledger_deinit(&ledger);
}

/* Answers to five keepalives; what is more than that, or more than they need, is output. */
static void what_padding_is(void **state)
{
	static const struct {
		uint64_t net_in, net_out, in, out, left;
	} rows[] = {
		{ 220, 260, 0, 160, 0 },   { 220, 260, 1, 160, 160 }, { 220, 261, 0, 160, 160 },
		{ 219, 260, 0, 160, 160 }, { 220, 260, 0, 161, 161 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);
		struct ledger_step step;

		net(&sample, rows[i].net_in, rows[i].net_out, 5);
		sample.wchar += rows[i].in;
		sample.rchar += rows[i].out;
		assert_true(
			ledger_step(&ledger, &padding, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_int_equal(step.out_bytes, rows[i].left);
		ledger_deinit(&ledger);
	}
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
	for (int i = 0; i < 2; i++) {
		net(&sample, 0, 86, 0);
		sample.rchar += i == 0 ? 60 : 40;
		sample.at_ns = 11 * NS_PER_S;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_int_equal(step.out_bytes, 0);
	}
	sample.rchar += 1;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 1);
	/* It was not read in time: then what comes is output. */
	ledger_expect_notice(&ledger, 100, 20 * NS_PER_S);
	sample.rchar += 100;
	sample.at_ns = 30 * NS_PER_S;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_int_equal(step.out_bytes, 100);
	/* tinyssh's packets have padding, and a line is not in so many of them. */
	for (uint64_t n = 8 * 32 - 1; n <= 9 * 32; n++) {
		ledger_expect_notice(&ledger, 100, 30 * NS_PER_S);
		sample.rchar += 100 + n;
		assert_true(
			ledger_step(&ledger, &padding, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_int_equal(step.out_bytes, n == 8 * 32 ? 0 : n);
	}
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
	sample.at_ns = 41 * NS_PER_S;
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
	/* What waits has not been moved by it. */
	for (int i = 0; i < 4; i++) {
		sample.received += 1000;
		sample.waiting += 1000;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_false(step.unusable);
	}
	/* One or two are nothing, and one way is enough. */
	for (int i = 0; i < 6; i++) {
		if (i == 2)
			net(&sample, 100, 100, 1);
		else if (i % 2 == 0)
			sample.received += 1000;
		else
			sample.sent += 1000;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_int_equal(step.unusable, i == 5);
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
	sample.wchar -= 1;
	assert_true(ledger_is_behind(&ledger, &sample));
	sample.wchar += 1;
	assert_false(ledger_is_behind(&ledger, &sample));
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
	sample.wchar -= 1;
	assert_false(ledger_is_behind(&ledger, &sample));
	ledger_deinit(&ledger);
}

/* A server's question to its client moves nothing but the socket; so what is quiet may be one. */
static void what_is_quiet(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);
		struct ledger_step step;

		sample.at_ns = 10 * NS_PER_S;
		net(&sample, 44, 52, 1);
		sample.wchar += i == 1;
		sample.rchar += i == 2;
		sample.forward_written += i == 3;
		sample.forward_read += i == 4;
		sample.known |= i == 5 ? SAMPLE_REAPED : 0;
		ledger.unusable = i == 6;
		ledger.notice_until_ns = i == 7 ? sample.at_ns : 0;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_true(step.quiet == (i == 0));
		ledger_deinit(&ledger);
	}
}

/* Amounts of rekeys: the oldest goes when there are too many. */
static void sixteen_are_remembered(void **state)
{
	struct ledger ledger;

	(void)state;
	(void)start(&ledger);
	for (uint32_t i = 0; i <= LEDGER_REKEYS_MAX; i++)
		assert_int_equal(ledger_add_rekey(&ledger, &(struct ledger_rekey){ i, i, 1 }), 0);
	assert_int_equal(ledger.n_rekeys, LEDGER_REKEYS_MAX);
	assert_int_equal(ledger.rekeys[0].in_bytes, LEDGER_REKEYS_MAX);
	for (uint32_t i = 1; i < LEDGER_REKEYS_MAX; i++)
		assert_int_equal(ledger.rekeys[i].in_bytes, i);
	ledger_deinit(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_exact),
		cmocka_unit_test(a_sample_inside_a_call_says_nothing),
		cmocka_unit_test(segments_are_counted_on_and_on),
		cmocka_unit_test(what_waits_is_not_read),
		cmocka_unit_test(behind_for_long_begins_anew),
		cmocka_unit_test(behind_for_ever_is_unusable),
		cmocka_unit_test(forwards_do_not_hide_keys),
		cmocka_unit_test(padding_is_no_output),
		cmocka_unit_test(what_padding_is),
		cmocka_unit_test(what_is_quiet),
		cmocka_unit_test(sixteen_are_remembered),
		cmocka_unit_test(a_notice_is_no_output),
		cmocka_unit_test(a_notice_outlives_the_daemon),
		cmocka_unit_test(a_reaped_child_does_not_hide_keys),
		cmocka_unit_test(a_ledger_that_does_not_fit_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
