#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-ledger.h"

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
	static const struct {
		uint32_t in, out;
		bool rekey;
	} sizes[] = {
		{ 96, 92, true },
		{ 97, 413, true },
		{ 104, 110, true },
		{ 147, 92, true },
		{ 115, 92, true },
		{ 504, 413, true },
		{ 208, 108, true },
		{ 81, 1132, true },
		{ 64, 3380, true },
		/* by the formula: with SHA-384; with a group and the key */
		{ 80, 92, true },
		{ 81, 413, true },
		{ 132, 364, true },
		/* near them */
		{ 96, 91, false },
		{ 96, 93, false },
		{ 104, 105, false },
		{ 104, 111, false },
		{ 81, 92, false },
		{ 81, 300, false },
		{ 81, 1131, false },
		{ 81, 1133, false },
		{ 80, 1132, false },
		{ 131, 364, false },
		{ 133, 364, false },
	};
	struct ledger_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);

		for (int n = 0; n <= LEDGER_REKEY_TRUST; n++) {
			rekey(&sample, sizes[i].in, sizes[i].out);
			assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN,
						&step));
		}
		if (step.rekey != sizes[i].rekey || step.rekey_out != sizes[i].rekey)
			fail_msg("%u, %u", sizes[i].in, sizes[i].out);
		ledger_deinit(&ledger);
	}
}

/* The output is known by itself: a signature of ECDSA has one of five lengths. */
static void an_answer_is_learned(void **state)
{
	static const uint64_t out[] = { 108, 109, 108, 108 };
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		rekey(&sample, 104, out[i]);
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_int_equal(step.rekey, i >= 2);
		assert_int_equal(step.rekey_out, i >= 3);
	}
	ledger_deinit(&ledger);
}

/* So much protocol each way besides the user's bytes, what is forwarded and small packets; and no bulk. */
static void the_shape_of_a_rekey(void **state)
{
	static const struct {
		uint64_t protocol, net_out, in, out, forwarded;
		bool rekey;
	} rows[] = {
		{ 900, 900, 96, 92, 0, true },	  { 899, 900, 96, 92, 0, false },
		{ 900, 899, 96, 92, 0, false },	  { 900, 900, 8192, 92, 0, true },
		{ 900, 900, 8193, 92, 0, false }, { 900, 900, 96, 8192, 0, true },
		{ 900, 900, 96, 8193, 0, false }, { 900, 900, 96, 92, 500, true },
		{ 899, 900, 96, 92, 500, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);
		struct ledger_step step;

		net(&sample, rows[i].protocol + rows[i].in + rows[i].forwarded + 3 * 60,
		    rows[i].net_out, 3);
		sample.wchar += rows[i].in + rows[i].forwarded;
		sample.forward_written += rows[i].forwarded;
		sample.rchar += rows[i].out;
		assert_true(
			ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNTOUCHED, &step));
		assert_true(step.rekey == rows[i].rekey && step.renewed == rows[i].rekey);
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
		{ 53, 400, false },
		{ 117, 91, false },
		{ 320, 112, true }, /* neither amount alone is known */
		{ 318, 114, true },
		{ 118, 285, true }, /* a certificate with RSA's key, and what is no signature of that */
		{ 118, 100, false },
		{ 369, 600, false }, /* RSA's question with a group, and eight ^C */
	};
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int n = 0; n <= LEDGER_REKEY_TRUST; n++) {
			rekey(&sample, rows[i].in, rows[i].out);
			assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNREAD,
						&step));
			if (step.rekey != (rows[i].rekey && n == LEDGER_REKEY_TRUST))
				fail_msg("%u, %u", rows[i].in, rows[i].out);
		}
	ledger_deinit(&ledger);
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

/* What the monitor was asked tells a rekey at once, and a line that comes with each. */
static void a_rekey_that_the_monitor_proves(void **state)
{
	static const struct {
		enum ledger_terminals terminals;
		uint32_t in, out, asked, answered;
		bool rekey, rekey_out;
	} rows[] = {
		{ LEDGER_TERMINALS_UNKNOWN, 316, 112, 316, 112, true, true }, /* with audit */
		{ LEDGER_TERMINALS_UNKNOWN, 168, 92, 168, 92, true, true },   /* certificate */
		{ LEDGER_TERMINALS_UNKNOWN, 96, 5000, 96, 92, true, false },
		{ LEDGER_TERMINALS_UNKNOWN, 115, 92, 96, 92, false,
		  false }, /* another hash's sum */
		{ LEDGER_TERMINALS_UNREAD, 97, 157, 96, 92, false,
		  false }, /* ^C; another key's sum */
		/* Eight of them; another hash's sum. Then a question that is on its way, and more than keys. */
		{ LEDGER_TERMINALS_UNREAD, 96, 200, 88, 106, false, false },
		{ LEDGER_TERMINALS_UNREAD, 96, 200, 0, 0, true, false },
		{ LEDGER_TERMINALS_UNREAD, 96, 200, 87, 106, true, false },
		{ LEDGER_TERMINALS_UNTOUCHED, 97, 92, 96, 92, true, false },
		{ LEDGER_TERMINALS_TOUCHED, 96, 92, 96, 92, false, false },
		/* It reads or writes files too. */
		{ LEDGER_TERMINALS_UNKNOWN, 769, 223, 1433, 239, false, false },
		{ LEDGER_TERMINALS_UNKNOWN, 769, 223, 769, 239, false, false },
		{ LEDGER_TERMINALS_UNKNOWN, 769, 239, 1433, 223, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);
		struct ledger_step step;

		sample.known |= SAMPLE_PARENT;
		sample.parent_rchar = UINT32_MAX - rows[i].asked;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		for (int n = 0; n < 4; n++) {
			rekey(&sample, rows[i].in, rows[i].out);
			sample.parent_rchar += rows[i].asked;
			sample.parent_wchar += rows[i].answered;
			assert_true(
				ledger_step(&ledger, &plain, &sample, rows[i].terminals, &step));
			assert_int_equal(step.rekey, rows[i].rekey);
			assert_int_equal(step.rekey_out, rows[i].rekey_out);
		}
		ledger_deinit(&ledger);
	}
}

static void step_as(struct ledger *ledger, struct sample *sample, enum ledger_terminals terminals,
		    bool rekey_expected)
{
	struct ledger_step step;

	rekey(sample, 115, 92);
	assert_true(ledger_step(ledger, &plain, sample, terminals, &step));
	assert_int_equal(step.rekey, rekey_expected);
}

/* Of a monitor that could not be read before, or cannot be read now, nobody knows what it was asked. */
static void a_monitor_that_was_not_read(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);

	(void)state;
	sample.known |= SAMPLE_PARENT;
	sample.parent_rchar = 115;
	sample.parent_wchar = 92;
	step_as(&ledger, &sample, LEDGER_TERMINALS_UNKNOWN, false);
	sample.parent_rchar += 115;
	sample.parent_wchar += 92;
	step_as(&ledger, &sample, LEDGER_TERMINALS_UNKNOWN, true);
	sample.known &= ~(uint32_t)SAMPLE_PARENT;
	sample.parent_rchar += 115;
	sample.parent_wchar += 92;
	ledger.n_rekeys = 0;
	step_as(&ledger, &sample, LEDGER_TERMINALS_UNKNOWN, false);
	ledger_deinit(&ledger);
}

/* Amounts that were more than it was asked are believed where terminals vouch for them (what the server logs is in
 * them), and nowhere else. */
static void more_than_the_monitor_was_asked(void **state)
{
	static const struct {
		enum ledger_terminals terminals;
		uint32_t asked;
		bool at_first, then;
	} rows[] = { { LEDGER_TERMINALS_UNKNOWN, 96, false, false },
		     { LEDGER_TERMINALS_UNREAD, 96, true, true },
		     { LEDGER_TERMINALS_UNKNOWN, 1000, false, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger;
		struct sample sample = start(&ledger);

		sample.known |= SAMPLE_PARENT;
		ledger.parent_known = true;
		for (int n = 0; n < LEDGER_REKEY_TRUST; n++) {
			sample.parent_rchar += rows[i].asked;
			step_as(&ledger, &sample, rows[i].terminals, rows[i].at_first);
		}
		sample.parent_rchar += 1000;
		step_as(&ledger, &sample, LEDGER_TERMINALS_UNKNOWN, rows[i].then);
		sample.known &= ~(uint32_t)SAMPLE_PARENT;
		step_as(&ledger, &sample, LEDGER_TERMINALS_UNKNOWN, rows[i].then);
		ledger_deinit(&ledger);
	}
}

/* A server renews its keys before the first packet after a pause, and that is our own line. */
static void a_rekey_with_our_own_line(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	sample.known |= SAMPLE_PARENT;
	ledger.parent_known = true;
	for (uint64_t more = 0; more < 2; more++) {
		ledger_expect_notice(&ledger, 110, sample.at_ns);
		rekey(&sample, 96, 92 + 110 + more);
		sample.parent_rchar += 96;
		sample.parent_wchar += 92;
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_true(step.rekey && !step.rekey_out);
		assert_int_equal(step.out_bytes, more);
	}
	ledger_deinit(&ledger);
}

/* Then none need be whole. */
static void a_rekey_in_two_parts(void **state)
{
	/* in, out, asked, answered */
	static const uint32_t parts[][4] = {
		{ 5, 0, 5, 0 }, { 91, 0, 91, 0 }, { 0, 92, 0, 92 }, { 5, 0, 0, 0 }, { 0, 92, 0, 0 }
	};
	struct ledger ledger;
	struct sample sample = start(&ledger);
	struct ledger_step step;

	(void)state;
	sample.known |= SAMPLE_PARENT;
	ledger.parent_known = true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		sample.wchar += parts[i][0];
		sample.rchar += parts[i][1];
		sample.parent_rchar += parts[i][2];
		sample.parent_wchar += parts[i][3];
		assert_true(ledger_step(&ledger, &plain, &sample, LEDGER_TERMINALS_UNKNOWN, &step));
		assert_int_equal(step.rekey, i < 3);
		assert_int_equal(step.rekey_out, i < 3);
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
	/* It does not wait for ever, and not again for a server that signs by itself; of a monitor the question comes. */
	net(&sample, 2780, 0, 3);
	for (int i = 0; i < 50; i++)
		assert_true(ledger_is_mid_rekey(&ledger, &sample));
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	net(&sample, 2780, 2372, 3);
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	sample.known |= SAMPLE_PARENT;
	ledger.parent_known = true;
	assert_true(ledger_is_mid_rekey(&ledger, &sample));
	ledger_deinit(&ledger);
}

/* Also of a client that is far away: its next packet takes several looks. */
static void a_question_after_a_long_way(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);

	(void)state;
	sample.known |= SAMPLE_PARENT;
	ledger.parent_known = true;
	net(&sample, 2780, 2372, 3);
	for (int n = 0; n < 10; n++)
		assert_true(ledger_is_mid_rekey(&ledger, &sample));
	sample.wchar += 96;
	for (int n = 0; n < 3; n++)
		assert_true(ledger_is_mid_rekey(&ledger, &sample));
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	ledger_deinit(&ledger);
}

/* A question or an answer is on its way; another look tells. A key with each rekey holds nothing up for long. */
static void a_question_on_its_way(void **state)
{
	struct ledger ledger;
	struct sample sample = start(&ledger);

	(void)state;
	sample.known |= SAMPLE_PARENT;
	ledger.parent_known = true;
	rekey(&sample, 96, 0);
	assert_true(ledger_is_mid_rekey(&ledger, &sample));
	sample.parent_rchar += 96;
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	/* Inside a system call, which hides a part of the question. */
	sample.wchar -= 36;
	assert_true(ledger_is_mid_rekey(&ledger, &sample));
	sample.wchar += 36;
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	sample.parent_wchar += 92;
	assert_true(ledger_is_mid_rekey(&ledger, &sample));
	sample.rchar += 92;
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	sample.wchar += 1;
	for (int n = 0; n < 3; n++)
		assert_true(ledger_is_mid_rekey(&ledger, &sample));
	assert_false(ledger_is_mid_rekey(&ledger, &sample));
	ledger_deinit(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rekey_is_learned),
		cmocka_unit_test(a_rekey_with_each_line),
		cmocka_unit_test(the_sizes_of_signatures),
		cmocka_unit_test(an_answer_is_learned),
		cmocka_unit_test(the_shape_of_a_rekey),
		cmocka_unit_test(bulk_is_no_rekey),
		cmocka_unit_test(a_rekey_that_terminals_prove),
		cmocka_unit_test(a_rekey_with_a_signal_key),
		cmocka_unit_test(a_rekey_of_another_kind),
		cmocka_unit_test(a_rekey_without_a_certificate),
		cmocka_unit_test(a_rekey_that_the_monitor_proves),
		cmocka_unit_test(a_monitor_that_was_not_read),
		cmocka_unit_test(more_than_the_monitor_was_asked),
		cmocka_unit_test(a_rekey_with_our_own_line),
		cmocka_unit_test(a_rekey_in_two_parts),
		cmocka_unit_test(a_rekey_under_way),
		cmocka_unit_test(a_question_on_its_way),
		cmocka_unit_test(a_question_after_a_long_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
