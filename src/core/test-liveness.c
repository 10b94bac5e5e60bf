/* The clocks, what stands unanswered, and when something is due, one fact at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-client.h"

static void look(struct liveness *liveness, int64_t at_s, int64_t data_at_s, int64_t ack_at_s,
		 bool ping)
{
	struct sample sample = seen(at_s, data_at_s, ack_at_s);

	sample.pinged_at_ns = ping ? at_s * S : 0;
	liveness_look(liveness, &sample);
}

static void the_clocks_have_bounds(void **state)
{
	struct liveness liveness = { 0 };
	struct sample sample = seen(100, 60, 90);

	(void)state;
	sample.at_ns += 5 * NS_PER_MS;
	liveness_look(&liveness, &sample);
	assert_true(liveness.host.earliest_ns == 90 * S - SLACK);
	assert_true(liveness.host.latest_ns == 90 * S + SLACK + 5 * NS_PER_MS);
	assert_true(liveness.program.latest_ns == 60 * S + SLACK + 5 * NS_PER_MS);
	/* Data is a sign of the host too. */
	look(&liveness, 110, 109, 90, false);
	assert_true(liveness.host.latest_ns == 109 * S + SLACK);
	/* Rounding never makes them earlier. */
	look(&liveness, 120, 108, 90, false);
	assert_true(liveness.host.latest_ns == 109 * S + SLACK);
	liveness_deinit(&liveness);
}

static const struct {
	int64_t interval_s, limit_s;
	int64_t first_ms, every_ms;
} schedules[] = {
	{ 15, 45, 15750, 1500 }, { 60, 180, 63000, 6000 }, { 2, 6, 2000, 1000 },
	{ 15, 15, 9000, 1500 },	 { 1, 1, 1000, 1000 },	   { 3, 3, 1000, 1000 },
	{ 10, 20, 10500, 1000 },
};

/* From an interval on, at least four before the end where there is the time for them. */
static void pings_have_a_schedule(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(schedules) / sizeof(schedules[0]); i++) {
		struct liveness_terms terms = { schedules[i].interval_s * S,
						schedules[i].limit_s * S };
		struct liveness liveness = { 0 };
		struct liveness_due due;
		int64_t heard_ns = 100 * S + SLACK;
		int64_t first_ns = heard_ns + schedules[i].first_ms * NS_PER_MS;

		look(&liveness, 99, 99, 99, false);
		look(&liveness, 100, 100, 100, false);
		liveness_find_due(&liveness, &terms, first_ns - 1, &due);
		if (due.ping_ns != TIME_NEVER || due.look_ns > first_ns)
			fail_msg("row %zu: %lld %lld", i, (long long)due.ping_ns,
				 (long long)due.look_ns);
		liveness_find_due(&liveness, &terms, first_ns, &due);
		assert_true(due.ping_ns == first_ns);
		look(&liveness, 200, 100, 100, true);
		liveness_find_due(&liveness, &terms, 200 * S, &due);
		assert_true(due.ping_ns == 200 * S + schedules[i].every_ms * NS_PER_MS);
		liveness_deinit(&liveness);
	}
}

static void two_pings_must_stay_unanswered(void **state)
{
	struct liveness liveness = { 0 };

	(void)state;
	for (int64_t at_s = 100; at_s < 160; at_s += 2)
		look(&liveness, at_s, 100, 100, false);
	assert_true(due_at(&liveness, 160 * S).host_ns == TIME_NEVER);
	look(&liveness, 160, 100, 100, true);
	assert_true(due_at(&liveness, 170 * S).host_ns == TIME_NEVER);
	look(&liveness, 162, 100, 100, true);
	assert_true(due_at(&liveness, 162 * S).host_ns == 163 * S);
	assert_int_equal(liveness_pings_unanswered(&liveness), 1);
	look(&liveness, 164, 100, 100, false);
	assert_int_equal(liveness_pings_unanswered(&liveness), 2);
	/* One was answered after all. */
	look(&liveness, 165, 100, 161, false);
	assert_true(due_at(&liveness, 165 * S).host_ns == TIME_NEVER);
	assert_int_equal(liveness_pings_unanswered(&liveness), 0);
	liveness_deinit(&liveness);
}

static void pings_in_time_make_the_end_exact(void **state)
{
	struct liveness liveness = { 0 };

	(void)state;
	for (int64_t at_s = 101; at_s < 144; at_s++)
		look(&liveness, at_s, 100, 100, at_s >= 117);
	assert_true(due_at(&liveness, 143 * S).host_ns == 145 * S + SLACK);
	liveness_deinit(&liveness);
}

static void two_pings_at_once_are_one(void **state)
{
	struct liveness liveness = { 0 };
	struct sample sample = seen(120, 100, 100);

	(void)state;
	look(&liveness, 119, 100, 100, false);
	sample.pinged_at_ns = 120 * S;
	liveness_look(&liveness, &sample);
	sample.pinged_at_ns += 500 * NS_PER_MS;
	liveness_look(&liveness, &sample);
	assert_int_equal(liveness_pings(&liveness), 1);
	liveness_deinit(&liveness);
}

static void without_pings_no_host_is_dead(void **state)
{
	struct liveness liveness = { 0 };
	struct sample sample = seen(300, 100, 100);

	(void)state;
	for (int64_t at_s = 118; at_s < 130; at_s++)
		look(&liveness, at_s, 100, 100, true);
	sample.known |= SAMPLE_NO_PING;
	liveness_look(&liveness, &sample);
	liveness_look(&liveness, &sample);
	assert_true(due_at(&liveness, 300 * S).host_ns == TIME_NEVER);
	/* Another try after an interval. */
	assert_true(due_at(&liveness, 300 * S).ping_ns == 315 * S);
	look(&liveness, 315, 100, 100, true);
	assert_false(liveness.no_ping);
	liveness_deinit(&liveness);
}

static void without_a_socket_nothing_is_known(void **state)
{
	struct liveness liveness = { 0 };
	struct sample blind = { .from_ns = 150 * S, .at_ns = 150 * S, .known = SAMPLE_IO };
	struct liveness_due due;

	(void)state;
	for (int64_t at_s = 118; at_s < 150; at_s++)
		look(&liveness, at_s, 100, 100, true);
	assert_true(due_at(&liveness, 150 * S).host_ns != TIME_NEVER);
	liveness_look(&liveness, &blind);
	due = due_at(&liveness, 150 * S);
	assert_true(due.host_ns == TIME_NEVER && due.program_ns == TIME_NEVER &&
		    due.ping_ns == TIME_NEVER);
	assert_true(due.look_ns > 150 * S && due.look_ns < 160 * S);
	liveness_deinit(&liveness);
}

/* Nobody looked for longer than was meant: answers may wait. */
static void a_late_look_decides_nothing(void **state)
{
	struct liveness liveness = { 0 };

	(void)state;
	for (int64_t at_s = 118; at_s < 130; at_s++)
		look(&liveness, at_s, 100, 100, true);
	look(&liveness, 137, 100, 100, false);
	assert_true(due_at(&liveness, 137 * S).host_ns != TIME_NEVER);
	look(&liveness, 146, 100, 100, false);
	assert_true(due_at(&liveness, 146 * S).host_ns == TIME_NEVER);
	look(&liveness, 3600, 100, 100, false);
	assert_true(due_at(&liveness, 3600 * S).host_ns == TIME_NEVER);
	assert_true(due_at(&liveness, 3600 * S).look_ns == 3601 * S);
	look(&liveness, 3601, 100, 100, false);
	assert_true(due_at(&liveness, 3601 * S).host_ns <= 3601 * S);
	liveness_deinit(&liveness);
}

/* --- the window --- */

static void full(struct liveness *liveness, int64_t at_s, uint64_t acked, uint64_t under_way)
{
	struct sample sample = seen(at_s, 100, at_s - 1);

	sample.acked = acked;
	sample.unsent = 7000;
	sample.sent = acked + under_way + sample.unsent;
	liveness_look(liveness, &sample);
}

static const struct {
	const char *what;
	int64_t from_s, to_s, every_s;
	uint64_t acked_each, under_way;
	bool proof;
} windows[] = {
	{ "full for half the limit", 120, 144, 4, 0, 0, true },
	{ "not for so long", 136, 144, 4, 0, 0, false },
	{ "something is acknowledged", 120, 144, 4, 1, 0, false },
	{ "something is under way", 120, 144, 4, 0, 1, false },
};

static void a_full_window_is_proof(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		struct liveness liveness = { 0 };
		uint64_t acked = 5000;

		for (int64_t at_s = windows[i].from_s; at_s <= windows[i].to_s;
		     at_s += windows[i].every_s) {
			full(&liveness, at_s, acked, windows[i].under_way);
			acked += windows[i].acked_each;
		}
		if ((due_at(&liveness, windows[i].to_s * S).program_ns <= 146 * S) !=
		    windows[i].proof)
			fail_msg("%s", windows[i].what);
		liveness_deinit(&liveness);
	}
}

/* A window that opens and fills again is another one. */
static void a_window_that_opened_begins_anew(void **state)
{
	struct liveness liveness = { 0 };
	struct sample open = seen(140, 100, 140), blind = { .from_ns = 150 * S, .at_ns = 150 * S };

	(void)state;
	for (int64_t at_s = 120; at_s < 140; at_s += 4)
		full(&liveness, at_s, 5000, 0);
	assert_true(liveness_is_full(&liveness));
	liveness_look(&liveness, &open);
	assert_false(liveness_is_full(&liveness));
	for (int64_t at_s = 141; at_s < 146; at_s++) {
		full(&liveness, at_s, 5000, 0);
		assert_true(liveness_is_full(&liveness) == (at_s >= 143));
	}
	assert_true(due_at(&liveness, 146 * S).program_ns == TIME_NEVER);
	/* So is one that nobody saw for a time. */
	liveness_look(&liveness, &blind);
	assert_false(liveness_is_full(&liveness));
	liveness_deinit(&liveness);
}

static void off_is_off(void **state)
{
	struct liveness_terms off = { 15 * S, TIME_NEVER };
	struct liveness liveness = { 0 };
	struct liveness_due due;

	(void)state;
	for (int64_t at_s = 118; at_s < 150; at_s++)
		look(&liveness, at_s, 100, 100, true);
	liveness_find_due(&liveness, &off, 150 * S, &due);
	assert_true(due.host_ns == TIME_NEVER && due.program_ns == TIME_NEVER &&
		    due.ping_ns == TIME_NEVER && due.look_ns == TIME_NEVER);
	liveness_deinit(&liveness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clocks_have_bounds),
		cmocka_unit_test(pings_have_a_schedule),
		cmocka_unit_test(two_pings_must_stay_unanswered),
		cmocka_unit_test(pings_in_time_make_the_end_exact),
		cmocka_unit_test(two_pings_at_once_are_one),
		cmocka_unit_test(without_pings_no_host_is_dead),
		cmocka_unit_test(without_a_socket_nothing_is_known),
		cmocka_unit_test(a_late_look_decides_nothing),
		cmocka_unit_test(a_full_window_is_proof),
		cmocka_unit_test(a_window_that_opened_begins_anew),
		cmocka_unit_test(off_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
