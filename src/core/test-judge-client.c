/* The judge's rules 10 and 11: what becomes of a client that does not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-channels.h"

/* What was seen of the client: ages at LOOKED_AT, pings without an answer, and so on. */
#define LOOKED_AT (20000 * S)

struct client_row {
	const char *what;
	enum judge_rule rule;
	enum verdict_action action;
	int64_t host_s, program_s; /* ages */
	uint32_t pings, probes;
	int64_t full_for_s, kept_for_s, reported_ago_s;
	enum judge_rule held;
	uint32_t count;
	bool brake, unknown, report;
};

/* Interval 15, count 3 unless the row says another; no idle limit. Rules 10 and 11. */
static const struct client_row client_rows[] = {
	{ "answers", RULE_UNLIMITED, VERDICT_NONE, .host_s = 1, .program_s = 1 },
	{ "host dead", RULE_UNRESPONSIVE_HOST, VERDICT_DISCONNECT, .host_s = 45, .program_s = 45,
	  .pings = 4 },
	{ "host not yet dead", RULE_UNLIMITED, VERDICT_NONE, .host_s = 44, .program_s = 44,
	  .pings = 4 },
	{ "one ping is not enough", RULE_UNLIMITED, VERDICT_NONE, .host_s = 450, .program_s = 450,
	  .pings = 1 },
	{ "a probe is none for the host", RULE_UNLIMITED, VERDICT_NONE, .host_s = 450,
	  .program_s = 450, .probes = 9 },
	{ "program dead", RULE_UNRESPONSIVE_PROGRAM, VERDICT_DISCONNECT, .host_s = 1,
	  .program_s = 45, .probes = 2 },
	{ "program not yet dead", RULE_UNLIMITED, VERDICT_NONE, .host_s = 1, .program_s = 44,
	  .probes = 2 },
	{ "age alone is no proof", RULE_UNLIMITED, VERDICT_NONE, .host_s = 1, .program_s = 4500 },
	{ "window full", RULE_UNRESPONSIVE_PROGRAM, VERDICT_DISCONNECT, .host_s = 1,
	  .program_s = 45, .full_for_s = 23 },
	{ "window not full for long", RULE_UNLIMITED, VERDICT_NONE, .host_s = 1, .program_s = 45,
	  .full_for_s = 22 },
	{ "both: the host's", RULE_UNRESPONSIVE_HOST, VERDICT_DISCONNECT, .host_s = 45,
	  .program_s = 45, .pings = 4, .probes = 3 },
	{ "kept", RULE_KEPT, VERDICT_NONE, .host_s = 45, .program_s = 45, .pings = 4,
	  .kept_for_s = 10 },
	{ "no longer kept", RULE_UNRESPONSIVE_HOST, VERDICT_DISCONNECT, .host_s = 45,
	  .program_s = 45, .pings = 4, .kept_for_s = 0 },
	{ "held", RULE_HELD, VERDICT_NONE, .host_s = 45, .program_s = 45, .pings = 4, .brake = true,
	  .held = RULE_UNRESPONSIVE_HOST },
	{ "program held", RULE_HELD, VERDICT_NONE, .host_s = 1, .program_s = 45, .probes = 2,
	  .brake = true, .held = RULE_UNRESPONSIVE_PROGRAM },
	{ "report", RULE_UNRESPONSIVE_HOST, VERDICT_REPORT, .host_s = 45, .program_s = 45,
	  .pings = 4, .report = true },
	{ "report is not held", RULE_UNRESPONSIVE_HOST, VERDICT_REPORT, .host_s = 45,
	  .program_s = 45, .pings = 4, .report = true, .brake = true },
	{ "reported", RULE_UNLIMITED, VERDICT_NONE, .host_s = 95, .program_s = 95, .pings = 9,
	  .report = true, .reported_ago_s = 40 },
	{ "reported before it answered", RULE_UNRESPONSIVE_HOST, VERDICT_REPORT, .host_s = 95,
	  .program_s = 95, .pings = 9, .report = true, .reported_ago_s = 96 },
	{ "reported of its program", RULE_UNRESPONSIVE_HOST, VERDICT_REPORT, .host_s = 45,
	  .program_s = 95, .pings = 4, .report = true, .reported_ago_s = 40 },
	{ "reported, and reloaded", RULE_UNRESPONSIVE_HOST, VERDICT_DISCONNECT, .host_s = 95,
	  .program_s = 95, .pings = 9, .reported_ago_s = 40 },
	{ "count 0", RULE_UNLIMITED, VERDICT_NONE, .host_s = 4500, .program_s = 4500, .pings = 9,
	  .probes = 9, .count = UINT32_MAX },
	{ "unknown", RULE_UNLIMITED, VERDICT_NONE, .host_s = 4500, .program_s = 4500, .pings = 9,
	  .probes = 9, .unknown = true },
};

static struct liveness liveness_of(const struct client_row *row, struct liveness_proof *proof)
{
	struct liveness liveness = {
		.known = !row->unknown,
		.looked_at_ns = LOOKED_AT,
		.gap_ended_at_ns = LOOKED_AT - 10 * S,
		.host = { 0, LOOKED_AT - row->host_s * S },
		.program = { 0, LOOKED_AT - row->program_s * S },
		.proof = proof,
	};

	*proof = (struct liveness_proof){
		.pings = row->pings,
		.first_ping_at_ns = LOOKED_AT - 10 * S,
		.second_ping_at_ns = LOOKED_AT - 9 * S,
		.last_ping_at_ns = LOOKED_AT - 2 * S,
		.n_probes = row->probes > 0,
		.probes = { { .bytes = 52,
			      .n = row->probes,
			      .delivered_at_ns = LOOKED_AT - 10 * S } },
		.full_looks = row->full_for_s > 0 ? 5 : 0,
		.full_since_ns = LOOKED_AT - row->full_for_s * S,
	};
	return liveness;
}

static void each_row_of_the_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(client_rows) / sizeof(client_rows[0]); i++) {
		const struct client_row *row = &client_rows[i];
		struct channel channel;
		struct session_notes notes;
		struct session session = { .channels = &channel, .n_channels = 1, .notes = &notes };
		struct liveness_proof proof;
		struct verdict verdict;
		struct policy *policy;

		policy = fill_channel(&channel, 3, LOOKED_AT - 10 * S);
		policy->idle_timeout_ns = TIME_NEVER;
		policy->client_alive_interval_ns = 15 * S;
		policy->client_alive_count_max = row->count == UINT32_MAX ? 0 : 3;
		session.liveness = liveness_of(row, &proof);
		notes = (struct session_notes){
			.kept_until_ns = row->kept_for_s > 0 ? LOOKED_AT + row->kept_for_s * S : 0,
			.unresponsive_reported_at_ns =
				row->reported_ago_s > 0 ? LOOKED_AT - row->reported_ago_s * S : 0,
		};
		policy->idle_action = row->report ? ACTION_REPORT : ACTION_DISCONNECT;
		/* The time of use stands still while the ledger says nothing; the client's does
		 * not. */
		verdict = judge(&session, LOOKED_AT - 5 * S, row->brake);
		if (verdict.rule != row->rule || verdict.action != row->action)
			fail_msg("%s: rule %d, action %d", row->what, verdict.rule, verdict.action);
		if (row->rule == RULE_HELD)
			assert_int_equal(verdict.held, row->held);
		if (row->action != VERDICT_NONE)
			assert_true(verdict.end_at_ns <= LOOKED_AT &&
				    verdict.end_at_ns > LOOKED_AT - 100 * S);
		assert_true(verdict.next_look_ns > LOOKED_AT - 5 * S);
	}
}

/* Whichever of them decides, one that is only to be reported keeps its connection. */
static void a_client_of_a_channel_that_reports(void **state)
{
	static const struct client_row dead = { .host_s = 45, .program_s = 45, .pings = 4 };
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct liveness_proof proof;
	struct verdict verdict;

	(void)state;
	session.liveness = liveness_of(&dead, &proof);
	for (size_t i = 0; i < 2; i++) {
		policies[i].client_alive_interval_ns = 15 * S;
		policies[i].client_alive_count_max = 2 + i;
		policies[i].idle_timeout_ns = TIME_NEVER;
	}
	verdict = judge(&session, LOOKED_AT, false);
	assert_int_equal(verdict.action, VERDICT_DISCONNECT);
	assert_int_equal(verdict.channel, 1);
	policies[0].idle_action = ACTION_REPORT;
	verdict = judge(&session, LOOKED_AT, false);
	assert_int_equal(verdict.action, VERDICT_REPORT);
	assert_true(verdict.alive_end_at_ns == TIME_NEVER);
}

/* Of several channels the most lenient decides. */
static void the_most_lenient_channel(void **state)
{
	static const struct {
		int64_t interval_s[2];
		uint32_t count[2];
		int64_t limit_ns;
		size_t channel;
	} pairs[] = {
		{ { 15, 15 }, { 3, 3 }, 45 * S, 0 },	 { { 15, 60 }, { 3, 3 }, 180 * S, 1 },
		{ { 15, 10 }, { 3, 10 }, 100 * S, 1 },	 { { 15, 0 }, { 3, 3 }, TIME_NEVER, 1 },
		{ { 15, 15 }, { 0, 3 }, TIME_NEVER, 0 },
	};
	struct channel channels[2];
	struct session session = two_terminals(channels);

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct liveness_terms terms;
		size_t channel;

		for (size_t j = 0; j < 2; j++) {
			policies[j].client_alive_interval_ns = pairs[i].interval_s[j] * S;
			policies[j].client_alive_count_max = pairs[i].count[j];
		}
		terms = judge_alive_terms(&session, &channel);
		assert_true(terms.limit_ns == pairs[i].limit_ns);
		assert_int_equal(channel, pairs[i].channel);
	}
	session.n_channels = 0;
	assert_true(judge_alive_terms(&session, &(size_t){ 0 }).limit_ns == TIME_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_of_the_client),
		cmocka_unit_test(a_client_of_a_channel_that_reports),
		cmocka_unit_test(the_most_lenient_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
