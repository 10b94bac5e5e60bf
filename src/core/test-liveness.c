/* The clocks, what stands unanswered, and when something is due, one fact at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/liveness.h"

#define S     NS_PER_S
#define SLACK (20 * NS_PER_MS)
#define ALL   (SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_CHANNELS | SAMPLE_FORWARDS | SAMPLE_DESCRIPTORS)

static const struct liveness_terms terms_15_3 = { 15 * S, 45 * S };

/* At `at_s`: the last data and acknowledgement were then. */
static struct sample seen(int64_t at_s, int64_t data_at_s, int64_t ack_at_s)
{
	return (struct sample){ .from_ns = at_s * S,
				.at_ns = at_s * S,
				.known = ALL,
				.received = 1000,
				.sent = 5000,
				.acked = 5000,
				.n_descriptors = 9,
				.last_data_recv_ns = (at_s - data_at_s) * S,
				.last_ack_recv_ns = (at_s - ack_at_s) * S };
}

static void look(struct liveness *liveness, int64_t at_s, int64_t data_at_s, int64_t ack_at_s,
		 bool ping)
{
	struct sample sample = seen(at_s, data_at_s, ack_at_s);

	sample.pinged_at_ns = ping ? at_s * S : 0;
	liveness_look(liveness, &sample);
}

static struct liveness_due due_at(const struct liveness *liveness, int64_t now_ns)
{
	struct liveness_due due;

	liveness_find_due(liveness, &terms_15_3, now_ns, &due);
	return due;
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
	look(&liveness, 165, 100, 163, false);
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
	look(&liveness, 3600, 100, 100, false);
	assert_true(due_at(&liveness, 3600 * S).host_ns == TIME_NEVER);
	assert_true(due_at(&liveness, 3600 * S).look_ns == 3601 * S);
	look(&liveness, 3601, 100, 100, false);
	assert_true(due_at(&liveness, 3601 * S).host_ns <= 3601 * S);
	liveness_deinit(&liveness);
}

/* --- probes --- */

/* A step in which the server sends `out` bytes and the client `in`, at `at_s`. */
struct stepping {
	struct liveness liveness;
	struct sample sample;
};

static struct stepping start(void)
{
	struct stepping stepping = { .sample = seen(100, 100, 100) };
	struct ledger_step still = { .quiet = true };

	liveness_look(&stepping.liveness, &stepping.sample);
	stepping.sample = seen(101, 100, 100);
	liveness_look(&stepping.liveness, &stepping.sample);
	liveness_step(&stepping.liveness, &stepping.sample, &still);
	return stepping;
	liveness_deinit(&stepping.liveness);
}

static void step(struct stepping *stepping, int64_t at_s, uint64_t in, uint64_t out, bool quiet)
{
	struct ledger_step step = { .quiet = quiet, .net_in_bytes = in, .net_out_bytes = out };
	struct sample *sample = &stepping->sample;
	int64_t since_ns = at_s * S - sample->at_ns;

	sample->from_ns = sample->at_ns = at_s * S;
	sample->last_data_recv_ns = in > 0 ? 0 : sample->last_data_recv_ns + since_ns;
	sample->last_ack_recv_ns = out > 0 || in > 0 ? 0 : sample->last_ack_recv_ns + since_ns;
	sample->received += in;
	sample->sent += out;
	sample->acked += out;
	liveness_look(&stepping->liveness, sample);
	liveness_step(&stepping->liveness, sample, &step);
}

/* What must hold for a packet to be taken for a probe: each row breaks one thing, twice. */
static const struct {
	const char *what;
	uint64_t in, out;
	uint32_t lacks;
	int64_t descriptors;
	bool loud, relisted;
	uint32_t probes;
} steps[] = {
	{ "a probe", .out = 52, .probes = 2 },
	{ "nothing", .out = 0 },
	{ "output beside it", .out = 52, .loud = true },
	{ "an answer in the same step", .in = 36, .out = 52 },
	{ "too large", .out = 1100 },
	{ "a descriptor more", .out = 52, .descriptors = 1 },
	{ "a descriptor less", .out = 52, .descriptors = -1 },
	{ "descriptors not known", .out = 52, .lacks = SAMPLE_DESCRIPTORS },
	{ "channels not known", .out = 52, .lacks = SAMPLE_CHANNELS },
	{ "another list of channels", .out = 52, .relisted = true },
};

static void what_is_a_probe(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct stepping stepping = start();

		for (int64_t n = 1; n <= 2; n++) {
			stepping.liveness.relisted = steps[i].relisted;
			stepping.sample.known = ALL & ~steps[i].lacks;
			stepping.sample.n_descriptors += (uint64_t)steps[i].descriptors;
			step(&stepping, 100 + 15 * n, steps[i].in, steps[i].out, !steps[i].loud);
		}
		if (liveness_probes_unanswered(&stepping.liveness) != steps[i].probes)
			fail_msg("%s: %u", steps[i].what,
				 liveness_probes_unanswered(&stepping.liveness));
		liveness_deinit(&stepping.liveness);
	}
}

/* What was read for output in one step may go out in the next. */
static void a_packet_after_output_is_no_probe(void **state)
{
	struct stepping stepping = start();

	(void)state;
	for (int64_t at_s = 110; at_s < 200; at_s += 20) {
		step(&stepping, at_s, 0, 0, false);
		step(&stepping, at_s + 10, 0, 52, true);
	}
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 0);
	liveness_deinit(&stepping.liveness);
}

static const struct {
	const char *what;
	uint64_t in, out; /* a quiet step before */
	uint64_t then;	  /* one packet out, not answered */
	uint32_t probes;
} learned[] = {
	{ "never seen", 0, 0, 52, 0 },
	{ "seen answered", 36, 52, 52, 1 },
	{ "three in one step", 108, 156, 52, 1 },
	{ "three at once now", 36, 52, 156, 1 },
	{ "another size", 36, 52, 68, 0 },
	{ "a client's keepalive was answered", 52, 36, 36, 0 },
	{ "chaff was answered", 52, 52, 52, 0 },
};

static void one_probe_counts_when_its_size_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(learned) / sizeof(learned[0]); i++) {
		struct stepping stepping = start();

		step(&stepping, 105, learned[i].in, learned[i].out, true);
		step(&stepping, 120, 0, learned[i].then, true);
		if (liveness_probes_unanswered(&stepping.liveness) != learned[i].probes)
			fail_msg("%s: %u", learned[i].what,
				 liveness_probes_unanswered(&stepping.liveness));
		assert_int_equal(liveness_has_probes(&stepping.liveness),
				 learned[i].probes > 0 || learned[i].out > learned[i].in);
		liveness_deinit(&stepping.liveness);
	}
}

static void data_answers_all_probes(void **state)
{
	struct stepping stepping = start();

	(void)state;
	step(&stepping, 115, 0, 52, true);
	step(&stepping, 130, 0, 52, true);
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 2);
	step(&stepping, 131, 36, 0, true);
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 0);
	liveness_deinit(&stepping.liveness);
}

/* What the network still has, the program has not left unanswered. */
static void a_probe_counts_from_its_delivery(void **state)
{
	struct stepping stepping = start();
	struct ledger_step sent = { .quiet = true, .net_out_bytes = 52 };
	const struct liveness_proof *proof;

	(void)state;
	for (int64_t at_s = 115; at_s <= 130; at_s += 15) {
		stepping.sample.from_ns = stepping.sample.at_ns = at_s * S;
		stepping.sample.sent += 52;
		liveness_look(&stepping.liveness, &stepping.sample);
		liveness_step(&stepping.liveness, &stepping.sample, &sent);
	}
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 0);
	stepping.sample.acked = stepping.sample.sent;
	step(&stepping, 140, 0, 0, true);
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 2);
	proof = stepping.liveness.proof;
	assert_true(proof && proof->probes[0].delivered_at_ns == 140 * S);
	liveness_deinit(&stepping.liveness);
}

/* The kernel's counters where a packet filter on output dropped 100 bytes: sent counts each try. */
static void what_this_host_dropped_is_not_under_way(void **state)
{
	struct stepping stepping = start();
	struct sample *sample = &stepping.sample;
	struct ledger_step probe = { .quiet = true, .net_out_bytes = 52 };

	(void)state;
	/* While it drops: four tries, and the bytes still wait. No window is full, nothing is lost for good. */
	sample->known |= SAMPLE_SETTLED;
	for (int64_t at_s = 102; at_s < 110; at_s++) {
		sample->from_ns = sample->at_ns = at_s * S;
		sample->sent = 5000 + 400 + 100;
		sample->unsent = 100;
		liveness_look(&stepping.liveness, sample);
		assert_false(liveness_is_full(&stepping.liveness));
	}
	/* The fifth arrives, and is not yet acknowledged. */
	sample->from_ns = sample->at_ns = 110 * S;
	sample->known &= ~(uint32_t)SAMPLE_SETTLED;
	sample->unsent = 0;
	liveness_look(&stepping.liveness, sample);
	sample->known |= SAMPLE_SETTLED;
	sample->acked = 5100;
	liveness_look(&stepping.liveness, sample);
	liveness_step(&stepping.liveness, sample, &(struct ledger_step){ .quiet = true });
	/* A probe is delivered when it is acknowledged, and not before. */
	for (int64_t at_s = 115; at_s <= 130; at_s += 15) {
		sample->from_ns = sample->at_ns = at_s * S;
		sample->known &= ~(uint32_t)SAMPLE_SETTLED;
		sample->sent += 52;
		liveness_look(&stepping.liveness, sample);
		liveness_step(&stepping.liveness, sample, &probe);
	}
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 0);
	sample->known |= SAMPLE_SETTLED;
	sample->acked += 2 * 52;
	liveness_look(&stepping.liveness, sample);
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 2);
	/* and a window that is full is so. */
	for (int64_t at_s = 140; at_s < 150; at_s += 3) {
		sample->from_ns = sample->at_ns = at_s * S;
		sample->unsent = 7000;
		sample->sent = sample->acked + 400 + 7000;
		liveness_look(&stepping.liveness, sample);
	}
	assert_true(liveness_is_full(&stepping.liveness));
	liveness_deinit(&stepping.liveness);
}

static void an_unanswered_probe_ends_in_time(void **state)
{
	struct stepping stepping = start();
	int64_t end_ns = 100 * S + SLACK + 45 * S;

	(void)state;
	step(&stepping, 115, 0, 52, true);
	step(&stepping, 130, 0, 52, true);
	/* Half an interval after it, at the earliest; beside a host that was just heard of. */
	assert_true(due_at(&stepping.liveness, 130 * S).program_ns == TIME_NEVER);
	assert_true(due_at(&stepping.liveness, 130 * S).ping_ns == end_ns - 1 * S);
	step(&stepping, 137, 0, 0, true);
	step(&stepping, 144, 0, 52, true);
	assert_true(due_at(&stepping.liveness, 144 * S).program_ns == end_ns);
	assert_true(due_at(&stepping.liveness, 144 * S).host_ns == TIME_NEVER);
	/* Nobody judges it by what was known of the host some seconds ago. */
	assert_true(due_at(&stepping.liveness, 148 * S).program_ns == TIME_NEVER);
	liveness_deinit(&stepping.liveness);
}

static void a_late_probe_has_its_time(void **state)
{
	struct stepping stepping = start();

	(void)state;
	assert_int_equal(liveness_add_answered(&stepping.liveness, 52), 0);
	for (int64_t at_s = 102; at_s < 400; at_s += 2)
		step(&stepping, at_s, 0, 0, true);
	step(&stepping, 400, 0, 52, true);
	step(&stepping, 404, 0, 0, true);
	/* Not before half an interval has passed. */
	assert_true(due_at(&stepping.liveness, 404 * S).program_ns == TIME_NEVER);
	assert_true(due_at(&stepping.liveness, 404 * S).ping_ns >= 406 * S);
	assert_true(due_at(&stepping.liveness, 406 * S).ping_ns < 408 * S);
	liveness_deinit(&stepping.liveness);
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
	{ "two looks", 120, 136, 16, 0, 0, false },
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
	struct sample open = seen(140, 100, 140);

	(void)state;
	for (int64_t at_s = 120; at_s < 140; at_s += 4)
		full(&liveness, at_s, 5000, 0);
	assert_true(liveness_is_full(&liveness));
	liveness_look(&liveness, &open);
	assert_false(liveness_is_full(&liveness));
	for (int64_t at_s = 141; at_s < 146; at_s++)
		full(&liveness, at_s, 5000, 0);
	assert_true(due_at(&liveness, 146 * S).program_ns == TIME_NEVER);
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
		cmocka_unit_test(what_is_a_probe),
		cmocka_unit_test(a_packet_after_output_is_no_probe),
		cmocka_unit_test(one_probe_counts_when_its_size_is_known),
		cmocka_unit_test(data_answers_all_probes),
		cmocka_unit_test(a_probe_counts_from_its_delivery),
		cmocka_unit_test(what_this_host_dropped_is_not_under_way),
		cmocka_unit_test(an_unanswered_probe_ends_in_time),
		cmocka_unit_test(a_late_probe_has_its_time),
		cmocka_unit_test(a_full_window_is_proof),
		cmocka_unit_test(a_window_that_opened_begins_anew),
		cmocka_unit_test(off_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
