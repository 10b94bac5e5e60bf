/* What the monitor allows at most, whatever an engine says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "daemon/limits.h"

#define S NS_PER_S

static struct session_facts from(const char *peer)
{
	struct session_facts facts = { 0 };

	assert_int_equal(address_parse(peer, &facts.peer), 0);
	return facts;
}

static void so_many_end_in_a_time(void **state)
{
	const struct session_facts facts = from("10.0.0.7");
	struct limits limits = { 0 };

	(void)state;
	assert_int_equal(limits_set(&limits, 2, 60 * S, S), 0);
	assert_true(limits_take_end(&limits, false, &facts, 100 * S));
	assert_true(limits_take_end(&limits, false, &facts, 101 * S));
	assert_false(limits_take_end(&limits, false, &facts, 102 * S));
	/* as many again where somebody is said to have asked, and no more */
	assert_true(limits_take_end(&limits, true, &facts, 102 * S));
	assert_true(limits_take_end(&limits, true, &facts, 102 * S));
	assert_false(limits_take_end(&limits, true, &facts, 102 * S));
	/* one that was refused by the guard counts for nothing */
	limits_give_back(&limits, true, &facts, 102 * S);
	assert_true(limits_take_end(&limits, true, &facts, 102 * S));
	assert_false(limits_take_end(&limits, true, &facts, 102 * S));
	limits_give_back(&limits, false, &facts, 101 * S);
	assert_true(limits_take_end(&limits, false, &facts, 103 * S));
	assert_false(limits_take_end(&limits, false, &facts, 104 * S));
	assert_true(limits_take_end(&limits, false, &facts, 160 * S));
	assert_false(limits_take_end(&limits, false, &facts, 161 * S));
	limits_deinit(&limits);
}

/* One that comes to nothing is told late: others were ended meanwhile. Never are there more than allowed in
 * any span, and never is one refused that would not be too much. */
static void never_more_in_any_span(void **state)
{
	enum { MOST = 5, SPAN = 100, STEPS = 20000 };
	static int64_t taken[STEPS];
	const struct session_facts facts = from("10.0.0.7");
	struct limits limits = { 0 };
	int64_t now = 1000;
	int n = 0;

	(void)state;
	assert_int_equal(limits_set(&limits, MOST, SPAN, 1), 0);
	for (uint32_t step = 0, chance = 1; step < STEPS; step++) {
		int in_span = 0;

		chance = chance * 1664525 + 1013904223;
		now += 1 + (chance >> 16) % 12;
		for (int i = 0; i < n; i++)
			in_span += taken[i] > now - SPAN;
		if ((chance >> 28) < 5 && n > 0) {
			int i = n - 1 - (int)((chance >> 20) % (n < 8 ? n : 8));

			limits_give_back(&limits, false, &facts, taken[i]);
			memmove(&taken[i], &taken[i + 1], (size_t)(--n - i) * sizeof(taken[0]));
			continue;
		}
		assert_int_equal(limits_take_end(&limits, false, &facts, now), in_span < MOST);
		if (in_span < MOST)
			taken[n++] = now;
	}
	assert_true(n > 1000);
	limits_deinit(&limits);
}

static void prove_is_not_counted(void **state)
{
	const struct session_facts proving = from("127.83.1.2"), jump = from("127.0.0.1");
	const struct session_facts other = from("2001:db8::7f53:102");
	struct limits limits = { 0 };

	(void)state;
	assert_int_equal(limits_set(&limits, 1, 60 * S, S), 0);
	for (int i = 0; i < 50; i++)
		assert_true(limits_take_end(&limits, false, &proving, 100 * S));
	assert_true(limits_take_end(&limits, false, &jump, 100 * S));
	limits_give_back(&limits, false, &proving, 100 * S);
	assert_false(limits_take_end(&limits, false, &jump, 100 * S));
	assert_false(limits_take_end(&limits, false, &other, 100 * S));
	limits_deinit(&limits);
}

static void the_rate_only_falls(void **state)
{
	const struct session_facts facts = from("10.0.0.7");
	struct limits limits = { 0 };

	(void)state;
	assert_int_equal(limits_set(&limits, 0, 60 * S, S), -EINVAL);
	assert_int_equal(limits_set(&limits, 1, 0, S), -EINVAL);
	assert_int_equal(limits_set(&limits, BRAKE_MOST + 1, S, S), -EINVAL);
	assert_int_equal(limits_set(&limits, 2, 60 * S, S), 0);
	assert_int_equal(limits_set(&limits, 2, 60 * S, 2 * S), 0);
	assert_int_equal(limits_set(&limits, 2, 59 * S, 2 * S), 1);
	assert_int_equal(limits_set(&limits, 1000, S, 2 * S), 1);
	assert_int_equal(limits.rules.most, 2);
	assert_int_equal(limits.rules.span_ns, 60 * S);
	assert_true(limits_take_end(&limits, false, &facts, 3 * S));
	assert_int_equal(limits_set(&limits, 1, 90 * S, 3 * S), 0);
	assert_false(limits_take_end(&limits, false, &facts, 80 * S));
	/* root says so to the monitor: once, and soon */
	limits_expect_reload(&limits, 80 * S);
	assert_int_equal(limits_set(&limits, 5, 10 * S, 91 * S), 1);
	limits_expect_reload(&limits, 100 * S);
	assert_int_equal(limits_set(&limits, 5, 10 * S, 109 * S), 0);
	assert_int_equal(limits.asked.most, 5);
	assert_int_equal(limits_set(&limits, 6, 10 * S, 109 * S), 1);
	limits_deinit(&limits);
}

static const struct order_cut by_rule = { .guard = { .uses = 1 } };

static void orders_that_no_engine_gives(void **state)
{
	struct order_cut cut = by_rule;

	(void)state;
	assert_int_equal(limits_check_cut(&cut), 0);
	cut.guard = (struct order_guard){ 0 };
	assert_int_equal(limits_check_cut(&cut), -EPROTO); /* whatever moves */
	cut.guard.alive = ORDER_ALIVE_HOST;
	assert_int_equal(limits_check_cut(&cut), 0);
	cut.guard.alive = ORDER_ALIVE_PROGRAM;
	assert_int_equal(limits_check_cut(&cut), 0);
	cut.guard.alive = 3;
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
	cut = (struct order_cut){ .asked = 1 };
	assert_int_equal(limits_check_cut(&cut), 0);
	cut.park.wanted = 1;
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
	for (int i = 0; i < 4; i++) {
		cut = by_rule;
		cut.park = (struct order_park){ .wanted = i == 1 ? 2 : 1,
						.permit_root = i == 2 ? 2 : 1,
						.reserved = i == 3 };
		assert_int_equal(limits_check_cut(&cut), i == 0 ? 0 : -EPROTO);
	}
	cut = by_rule;
	memset(cut.text, 'x', sizeof(cut.text));
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
	cut = by_rule;
	memset(cut.park.user, 'x', sizeof(cut.park.user));
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
	cut = by_rule;
	cut.asked = 2;
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
	cut = by_rule;
	cut.hang_up = UINT32_MAX;
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
	cut = by_rule;
	cut.park.lifetime_ns = -1;
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
	cut = by_rule;
	cut.reserved = 1;
	assert_int_equal(limits_check_cut(&cut), -EPROTO);
}

/* Impatience with a connection would end it as surely as a cut, and is counted by nobody. */
static void the_kernel_stays_patient(void **state)
{
	const struct order_keepalive usual = { 1, 15, 15, 127, 135000 };
	static const struct {
		struct order_keepalive values;
		bool patient;
	} rows[] = {
		{ { 1, 1, 1, 9, 1000 }, true },	   { { 0, 32767, 32767, 127, 0 }, true },
		{ { 2, 15, 15, 9, 0 }, false },	   { { 1, 0, 15, 9, 0 }, false },
		{ { 1, -1, 15, 9, 0 }, false },	   { { 1, 15, 0, 9, 0 }, false },
		{ { 1, 32768, 15, 9, 0 }, false }, { { 1, 15, 32768, 9, 0 }, false },
		{ { 1, 15, 15, 8, 0 }, false },	   { { 1, 15, 15, 128, 0 }, false },
		{ { 1, 15, 15, 9, 999 }, false },
	};
	struct order_tune tune = { .wanted = usual };

	(void)state;
	assert_int_equal(limits_check_tune(&tune), 0);
	tune.wanted.user_timeout_ms = 0;
	assert_int_equal(limits_check_tune(&tune), 0);
	for (int32_t ms = 1; ms < 1000; ms += 333) {
		tune.wanted.user_timeout_ms = ms;
		assert_int_equal(limits_check_tune(&tune), -EPROTO);
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tune.wanted = rows[i].values;
		assert_int_equal(limits_check_tune(&tune), rows[i].patient ? 0 : -EPROTO);
	}
	/* nor by way of what is to be put back */
	tune = (struct order_tune){ .put_back = 1, .original_known = 1, .original = usual };
	assert_int_equal(limits_check_tune(&tune), 0);
	for (int32_t count = 0; count < 2; count++) {
		tune.original.count = count;
		assert_int_equal(limits_check_tune(&tune), count == 1 ? 0 : -EPROTO);
	}
	tune.original.user_timeout_ms = 1;
	assert_int_equal(limits_check_tune(&tune), -EPROTO);
	/* what a host's sysctls may have put there */
	tune = (struct order_tune){ .put_back = 1,
				    .original_known = 1,
				    .original = { 0, 86400, 0, 200, 1 } };
	assert_int_equal(limits_check_tune(&tune), -EPROTO);
	tune.original = order_keepalive_settable(&tune.original);
	assert_int_equal(limits_check_tune(&tune), 0);
	assert_int_equal(tune.original.idle_s, ORDER_KEEPALIVE_MOST_S);
	assert_int_equal(order_keepalive_settable(&usual).idle_s, usual.idle_s);
	tune = (struct order_tune){ .put_back = 1, .original_known = 2, .original = usual };
	assert_int_equal(limits_check_tune(&tune), -EPROTO);
	tune = (struct order_tune){ .put_back = 1 };
	assert_int_equal(limits_check_tune(&tune), 0);
	tune.put_back = 2;
	assert_int_equal(limits_check_tune(&tune), -EPROTO);
}

static void terminals_are_not_flooded(void **state)
{
	struct limits_session session = { 0 };
	int lines = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		lines += limits_take_line(&session, S + i);
	assert_int_equal(lines, 2 * FACTS_CHANNELS_MAX);
	assert_false(limits_take_line(&session, 60 * S));
	assert_true(limits_take_line(&session, 62 * S));
}

static void clients_are_not_flooded(void **state)
{
	struct limits_session session = { 0 };

	(void)state;
	assert_true(limits_take_ping(&session, 10 * S));
	assert_false(limits_take_ping(&session, 10 * S + 499 * NS_PER_MS));
	assert_true(limits_take_ping(&session, 10 * S + 900 * NS_PER_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_end_in_a_time),
		cmocka_unit_test(never_more_in_any_span),
		cmocka_unit_test(prove_is_not_counted),
		cmocka_unit_test(the_rate_only_falls),
		cmocka_unit_test(orders_that_no_engine_gives),
		cmocka_unit_test(the_kernel_stays_patient),
		cmocka_unit_test(terminals_are_not_flooded),
		cmocka_unit_test(clients_are_not_flooded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
