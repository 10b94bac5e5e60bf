#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger.h"

static const struct ledger_traits plain = { 0 };
static const struct ledger_traits padding = { .padding_bytes = 32 };

/* A connection that has been up for a while. */
static struct sample start(struct ledger *ledger)
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

static void net(struct sample *sample, uint64_t in, uint64_t out, uint64_t segments)
{
	sample->received += in;
	sample->rchar += in;
	sample->sent += out;
	sample->wchar += out;
	sample->segments_in += segments;
}

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

static void rekey(struct sample *sample, uint64_t in, uint64_t out)
{
	net(sample, 2780, 2372, 3);
	sample->wchar += in;
	sample->rchar += out;
}

static void a_rekey_is_learned(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (int i = 0; i < LEDGER_REKEY_TRUST; i++) {
		rekey(&sample, 96, 92);
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_false(step.rekey);
	}
	rekey(&sample, 96, 92);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_true(step.rekey && step.rekey_out);
	/* One key more is a key. */
	rekey(&sample, 97, 93);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_false(step.rekey);
	/* Output beside it hides no input, and is output. */
	rekey(&sample, 96, 5000);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_true(step.rekey);
	assert_false(step.rekey_out);
	/* The same amount without a rekey's packets is typing. */
	net(&sample, 96 * 36, 96 * 36, 96);
	sample.wchar += 96;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_false(step.rekey);
	assert_int_equal(step.in_bytes, 96);
	/* A terminal that was read from is evidence of typing, and nothing is learned from such a
	 * step. */
	rekey(&sample, 96, 92);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_TOUCHED, &step));
	assert_false(step.rekey);
	ledger_deinit(&ledger);
}

/* A script's lines are of one size, and a client renews its keys before the first packet after a pause: they come
 * in the same step again and again. */
static void a_rekey_with_each_line(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (uint64_t i = 0; i < 40; i++) {
		net(&sample, 44, 0, 1);
		rekey(&sample, 96 + 1 + i / 4, 92);
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_false(step.rekey || step.rekey_out);
	}
	ledger_deinit(&ledger);
}

/* Those that were measured. */
static void the_sizes_of_signatures(void **state)
{
	static const uint32_t sizes[][2] = { { 96, 92 },
					     { 97, 413 },
					     { 104, 110 },
					     { 147, 92 },
					     { 115, 92 },
					     { 504, 413 },
					     { 208, 108 },
					     { 81, 1132 },
					     { 64, 3380 },
					     /* by the formula: with SHA-384 */
					     { 80, 92 },
					     { 81, 413 } };
	struct ledger_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);

		for (int n = 0; n <= LEDGER_REKEY_TRUST; n++) {
			rekey(&sample, sizes[i][0], sizes[i][1]);
			assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN,
						&step));
		}
		assert_true(step.rekey && step.rekey_out);
		ledger_deinit(&ledger);
	}
}

/* Small packets that a slow line has joined have a rekey's shape: a tunnel, or the same file fetched again. */
static void bulk_is_no_rekey(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (int i = 0; i < 2 * LEDGER_REKEY_TRUST; i++) {
		net(&sample, 3000 + 6000, 12000000, 20);
		sample.wchar += 3000;
		sample.rchar += 10000000;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_false(step.rekey || step.rekey_out);
		net(&sample, 90000 + 6000, 2000, 80);
		sample.wchar += 90000;
		assert_true(
			ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNTOUCHED, &step));
		assert_false(step.rekey);
	}
	ledger_deinit(&ledger);
}

/* The first one is known for what it is where nothing but terminals takes input, and none got any. */
static void a_rekey_that_terminals_prove(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	rekey(&sample, 96, 92);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNTOUCHED, &step));
	assert_true(step.rekey);
	assert_false(step.rekey_out);
	/* The amount is not believed for that. */
	rekey(&sample, 96, 92);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_false(step.rekey);
	/* What has not its shape is input, whatever terminals show. */
	net(&sample, 96 * 36, 96 * 36, 96);
	sample.wchar += 96;
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNTOUCHED, &step));
	assert_false(step.rekey);
	ledger_deinit(&ledger);
}

/* ^C is never read by anybody: where it may have come, only what can be a signature is proved. */
static void a_rekey_with_a_signal_key(void **state)
{
	static const struct {
		uint32_t in, out;
		bool rekey;
	} rows[] = {
		{ 96, 92, true },
		{ 96, 300, true },
		{ 97, 92, false },
		{ 97, 150, false },
		{ 504, 500, true },
		{ 505, 500, false },
		{ 80, 1132, true },
		{ 84, 1132, false },
		{ 96, 80, false },
		/* RSA's, or Ed25519's and ^C with a prompt after it. */
		{ 97, 180, false },
		{ 81, 413, false },
		{ 65, 157, false },
		/* ECDSA's, or Ed25519's and eight. */
		{ 104, 250, false },
		/* The same with a group and SHA-256, or without and with SHA-384. */
		{ 132, 364, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);
		struct ledger_step step;

		rekey(&sample, rows[i].in, rows[i].out);
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNREAD, &step));
		assert_true(step.rekey == rows[i].rekey);
		ledger_deinit(&ledger);
	}
}

/* What no formula has is known when it was seen twice, but not where it is a signature and a few keys. */
static void a_rekey_of_another_kind(void **state)
{
	static const struct {
		uint32_t in, out;
		bool rekey;
	} rows[] = {
		{ 117, 92, true },  /* a certificate */
		{ 318, 112, true }, /* audited */
		{ 97, 98, false },  /* ^C */
		{ 104, 98, false }, /* eight of them */
		{ 40, 400, false }, /* many, joined by a slow line */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);
		struct ledger_step step;

		for (int n = 0; n <= LEDGER_REKEY_TRUST; n++) {
			rekey(&sample, rows[i].in, rows[i].out);
			assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNREAD,
						&step));
			assert_true(step.rekey == (rows[i].rekey && n == LEDGER_REKEY_TRUST));
		}
		ledger_deinit(&ledger);
	}
}

/* Five keys are what a certificate's name has more than its hash has less. */
static void a_rekey_without_a_certificate(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	rekey(&sample, 81, 413);
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNREAD, &step));
	for (int n = 0; n <= LEDGER_REKEY_TRUST; n++) {
		rekey(&sample, 86, 1143);
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNREAD, &step));
		assert_false(step.rekey);
	}
	ledger_deinit(&ledger);
}

/* Keepalives in the same step do not blur it, and its halves wait for each other. */
static void a_rekey_under_way(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (int i = 0; i < LEDGER_REKEY_TRUST; i++) {
		rekey(&sample, 96, 92);
		assert_false(ledger_is_mid_rekey(&ledger, &sample));
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	}
	net(&sample, 60 * 52, 60 * 52, 60);
	net(&sample, 2000, 1500, 2);
	assert_true(ledger_is_mid_rekey(&ledger, &sample));
	sample.wchar += 5;
	assert_true(ledger_is_mid_rekey(&ledger, &sample));
	net(&sample, 780, 872, 1);
	sample.wchar += 91;
	sample.rchar += 92;
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_true(step.rekey && step.rekey_out);
	/* Typing and pasting are never taken for one. */
	net(&sample, 96 * 35, 96 * 35, 96);
	sample.wchar += 96;
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
	assert_false(step.rekey);
	/* It does not wait for ever. */
	net(&sample, 2780, 0, 3);
	for (int i = 0; i < 50; i++)
		assert_true(ledger_is_mid_rekey(&ledger, &sample));
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
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
		cmocka_unit_test(a_rekey_is_learned),
		cmocka_unit_test(bulk_is_no_rekey),
		cmocka_unit_test(a_rekey_with_each_line),
		cmocka_unit_test(the_sizes_of_signatures),
		cmocka_unit_test(a_rekey_that_terminals_prove),
		cmocka_unit_test(a_rekey_with_a_signal_key),
		cmocka_unit_test(a_rekey_of_another_kind),
		cmocka_unit_test(a_rekey_without_a_certificate),
		cmocka_unit_test(a_rekey_under_way),
		cmocka_unit_test(padding_is_no_output),
		cmocka_unit_test(a_notice_is_no_output),
		cmocka_unit_test(a_notice_outlives_the_daemon),
		cmocka_unit_test(a_reaped_child_does_not_hide_keys),
		cmocka_unit_test(a_ledger_that_does_not_fit_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
