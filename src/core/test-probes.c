/* Which packets of a server are questions that its client has not answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-client.h"

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
	uint64_t unsent;
	int64_t descriptors;
	bool loud, relisted;
	uint32_t probes;
} steps[] = {
	{ "a probe", .out = 52, .probes = 2 },
	{ "a large one", .out = 1024, .probes = 2 },
	{ "nothing", .out = 0 },
	{ "behind others", .out = 52, .unsent = 1 },
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
	/* Once more where one is enough, as its size is known. */
	for (size_t j = 0; j < 2 * sizeof(steps) / sizeof(steps[0]); j++) {
		const size_t i = j / 2;
		struct stepping stepping = start();

		if (j % 2)
			assert_int_equal(
				liveness_add_answered(&stepping.liveness, (uint32_t)steps[i].out),
				0);
		for (int64_t n = 1; n <= 2; n++) {
			stepping.sample.unsent = steps[i].unsent;
			stepping.liveness.relisted = steps[i].relisted;
			stepping.sample.known = ALL & ~steps[i].lacks;
			stepping.sample.n_descriptors += (uint64_t)steps[i].descriptors;
			step(&stepping, 100 + 15 * n, steps[i].in, steps[i].out, !steps[i].loud);
		}
		stepping.sample.unsent = 0;
		step(&stepping, 138, 0, 0, true);
		if (liveness_probes_unanswered(&stepping.liveness) != steps[i].probes)
			fail_msg("%s: %u", steps[i].what,
				 liveness_probes_unanswered(&stepping.liveness));
		if (j % 2 == 0)
			assert_int_equal(liveness_has_probes(&stepping.liveness),
					 steps[i].probes > 0 || steps[i].in > 0);
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
	/* nor one before which the descriptors were not known */
	assert_int_equal(liveness_add_answered(&stepping.liveness, 52), 0);
	stepping.sample.known = ALL & ~(uint32_t)SAMPLE_DESCRIPTORS;
	step(&stepping, 210, 0, 0, true);
	stepping.sample.known = ALL;
	step(&stepping, 220, 0, 52, true);
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 0);
	liveness_deinit(&stepping.liveness);
}

static const struct {
	const char *what;
	uint64_t in, out; /* a step before */
	uint64_t then;	  /* one packet out, not answered */
	uint32_t probes;
	bool loud, relisted; /* the step before */
} learned[] = {
	{ "an echo", 36, 52, 52, .loud = true },
	{ "out with a channel", 0, 52, 52, .relisted = true },
	{ "four in one step", 144, 208, 52, .probes = 1 },
	{ "five", 180, 260, 52, .probes = 0 },
	{ "a large step", 36, 1200, 600, .probes = 0 },
	{ "another before", 0, 52, 68, .probes = 0 },
	{ "never seen", 0, 0, 52, .probes = 0 },
	{ "seen answered", 36, 52, 52, .probes = 1 },
	{ "three in one step", 108, 156, 52, .probes = 1 },
	{ "three at once now", 36, 52, 156, .probes = 1 },
	{ "another size", 36, 52, 68, .probes = 0 },
	{ "a client's keepalive was answered", 52, 36, 36, .probes = 0 },
	{ "chaff was answered", 52, 52, 52, .probes = 0 },
};

static void one_probe_counts_when_its_size_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(learned) / sizeof(learned[0]); i++) {
		struct stepping stepping = start();

		stepping.liveness.relisted = learned[i].relisted;
		step(&stepping, 105, learned[i].in, learned[i].out, !learned[i].loud);
		step(&stepping, 113, 0, 0, true);
		step(&stepping, 120, 0, learned[i].then, true);
		assert_true((due_at(&stepping.liveness, 120 * S).silent_ns != TIME_NEVER) ==
			    (learned[i].probes > 0));
		if (liveness_probes_unanswered(&stepping.liveness) != learned[i].probes)
			fail_msg("%s: %u", learned[i].what,
				 liveness_probes_unanswered(&stepping.liveness));
		liveness_deinit(&stepping.liveness);
	}
}

/* Four of each, and those that are seen again take no place. */
static void sizes_have_places(void **state)
{
	struct stepping stepping = start();

	(void)state;
	for (int64_t i = 0; i < 2 * LIVENESS_SIZES_MAX; i++)
		step(&stepping, 105 + i, 36, i == 0 ? 68 : 52, true);
	assert_int_equal(liveness_answered(&stepping.liveness, 0), 68);
	for (int64_t i = 0; i < 2 * LIVENESS_SIZES_MAX; i++)
		step(&stepping, 120 + i, 0, 200 + (uint64_t)i, true);
	assert_int_equal(stepping.liveness.proof->n_probes, LIVENESS_SIZES_MAX);
	liveness_deinit(&stepping.liveness);
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
	/* It waits for the client's window. */
	stepping.sample.unsent = 2 * 52;
	step(&stepping, 139, 0, 0, true);
	assert_int_equal(liveness_probes_unanswered(&stepping.liveness), 0);
	stepping.sample.unsent = 0;
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
	/* From an interval on it is looked for every quarter of one. */
	step(&stepping, 108, 0, 0, true);
	assert_true(due_at(&stepping.liveness, 110 * S).look_ns == 115 * S + SLACK);
	step(&stepping, 115, 0, 52, true);
	assert_true(due_at(&stepping.liveness, 116 * S).look_ns == 119750 * NS_PER_MS);
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
	/* but for an interval where it cannot be asked, */
	stepping.liveness.no_ping = true;
	assert_true(due_at(&stepping.liveness, 162 * S).program_ns == end_ns);
	assert_true(due_at(&stepping.liveness, 163 * S).program_ns == TIME_NEVER);
	/* nor before what has come with the host's own answer is there. */
	stepping.liveness.no_ping = false;
	step(&stepping, 152, 0, 0, true);
	step(&stepping, 160, 0, 52, true);
	assert_true(due_at(&stepping.liveness, 160 * S).program_ns ==
		    160 * S + SLACK + 500 * NS_PER_MS);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_probe),
		cmocka_unit_test(a_packet_after_output_is_no_probe),
		cmocka_unit_test(one_probe_counts_when_its_size_is_known),
		cmocka_unit_test(sizes_have_places),
		cmocka_unit_test(data_answers_all_probes),
		cmocka_unit_test(a_probe_counts_from_its_delivery),
		cmocka_unit_test(what_this_host_dropped_is_not_under_way),
		cmocka_unit_test(an_unanswered_probe_ends_in_time),
		cmocka_unit_test(a_late_probe_has_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
