/* One row for each rule of the ladder, in its order, and the edges between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/judge.h"

#define S NS_PER_S
/* The session's last use. */
#define USED_AT (1000 * S)

struct row {
	const char *what;
	enum judge_rule rule;
	enum verdict_action action;
	int64_t limit_ns, warning_ns;
	int64_t idle_ns;					   /* now - USED_AT */
	int64_t warned_after_ns, reported_after_ns, kept_after_ns; /* since USED_AT; 0: not */
	int64_t not_parked_after_ns;
	int64_t end_after_ns; /* expected; TIME_NEVER */
	enum idle_action idle_action, park_fallback;
	int32_t tty;
	bool brake;
};

#define DISCONNECT_ROW .idle_action = ACTION_DISCONNECT

static const struct row rows[] = {
	{ "kept", RULE_KEPT, VERDICT_NONE, 60 * S, 10 * S, 100 * S, .kept_after_ns = 200 * S,
	  .end_after_ns = TIME_NEVER, DISCONNECT_ROW },
	{ "no longer kept", RULE_DISCONNECT, VERDICT_DISCONNECT, 60 * S, 10 * S, 100 * S,
	  .kept_after_ns = 100 * S, .warned_after_ns = 80 * S, .end_after_ns = 90 * S,
	  DISCONNECT_ROW },
	{ "no limit", RULE_UNLIMITED, VERDICT_NONE, TIME_NEVER, 10 * S, 100000 * S,
	  .end_after_ns = TIME_NEVER, DISCONNECT_ROW },
	{ "in use", RULE_IN_USE, VERDICT_NONE, 60 * S, 10 * S, 50 * S - 1, .end_after_ns = 60 * S,
	  DISCONNECT_ROW },
	{ "in use, no terminal to warn", RULE_IN_USE, VERDICT_NONE, 60 * S, 10 * S, 60 * S - 1,
	  .tty = -1, .end_after_ns = 60 * S, DISCONNECT_ROW },
	{ "warning due", RULE_WARN, VERDICT_WARN, 60 * S, 10 * S, 50 * S, .end_after_ns = 60 * S,
	  DISCONNECT_ROW },
	{ "warning late", RULE_WARN, VERDICT_WARN, 60 * S, 10 * S, 500 * S, .end_after_ns = 510 * S,
	  DISCONNECT_ROW },
	{ "warned", RULE_WARN, VERDICT_NONE, 60 * S, 10 * S, 60 * S - 1, .warned_after_ns = 50 * S,
	  .end_after_ns = 60 * S, DISCONNECT_ROW },
	{ "warned, end not due", RULE_WARN, VERDICT_NONE, 60 * S, 10 * S, 105 * S,
	  .warned_after_ns = 100 * S, .end_after_ns = 110 * S, DISCONNECT_ROW },
	{ "warning longer than half the limit", RULE_WARN, VERDICT_WARN, 60 * S, 1000 * S, 30 * S,
	  .end_after_ns = 60 * S, DISCONNECT_ROW },
	{ "end due", RULE_DISCONNECT, VERDICT_DISCONNECT, 60 * S, 10 * S, 60 * S,
	  .warned_after_ns = 50 * S, .end_after_ns = 60 * S, DISCONNECT_ROW },
	{ "end due, no terminal", RULE_DISCONNECT, VERDICT_DISCONNECT, 60 * S, 10 * S, 60 * S,
	  .tty = -1, .end_after_ns = 60 * S, DISCONNECT_ROW },
	{ "end due, no warning wanted", RULE_DISCONNECT, VERDICT_DISCONNECT, 60 * S, 0, 60 * S,
	  .end_after_ns = 60 * S, DISCONNECT_ROW },
	{ "report", RULE_REPORT, VERDICT_REPORT, 60 * S, 10 * S, 60 * S, .end_after_ns = 60 * S,
	  .idle_action = ACTION_REPORT },
	{ "reported", RULE_REPORT, VERDICT_NONE, 60 * S, 10 * S, 90 * S,
	  .reported_after_ns = 60 * S, .end_after_ns = 60 * S, .idle_action = ACTION_REPORT },
	{ "report warns nobody", RULE_IN_USE, VERDICT_NONE, 60 * S, 10 * S, 59 * S,
	  .end_after_ns = 60 * S, .idle_action = ACTION_REPORT },
	{ "park", RULE_DISCONNECT, VERDICT_PARK, 60 * S, 10 * S, 60 * S, .warned_after_ns = 50 * S,
	  .end_after_ns = 60 * S, .idle_action = ACTION_PARK },
	{ "park warns", RULE_WARN, VERDICT_WARN, 60 * S, 10 * S, 50 * S, .end_after_ns = 60 * S,
	  .idle_action = ACTION_PARK },
	{ "park without a terminal", RULE_DISCONNECT, VERDICT_DISCONNECT, 60 * S, 10 * S, 60 * S,
	  .tty = -1, .end_after_ns = 60 * S, .idle_action = ACTION_PARK },
	{ "park is held", RULE_HELD, VERDICT_NONE, 60 * S, 10 * S, 60 * S,
	  .warned_after_ns = 50 * S, .end_after_ns = 60 * S, .brake = true,
	  .idle_action = ACTION_PARK },
	{ "not parked, cut", RULE_DISCONNECT, VERDICT_DISCONNECT, 60 * S, 10 * S, 61 * S,
	  .warned_after_ns = 50 * S, .not_parked_after_ns = 60 * S, .end_after_ns = 60 * S,
	  .idle_action = ACTION_PARK, .park_fallback = ACTION_DISCONNECT },
	{ "not parked, reported", RULE_REPORT, VERDICT_REPORT, 60 * S, 10 * S, 61 * S,
	  .warned_after_ns = 50 * S, .not_parked_after_ns = 60 * S, .end_after_ns = 60 * S,
	  .idle_action = ACTION_PARK, .park_fallback = ACTION_REPORT },
	{ "not parked before the last use", RULE_DISCONNECT, VERDICT_PARK, 60 * S, 10 * S, 60 * S,
	  .warned_after_ns = 50 * S, .not_parked_after_ns = 1, .end_after_ns = 60 * S,
	  .idle_action = ACTION_PARK, .park_fallback = ACTION_REPORT },
	{ "held", RULE_HELD, VERDICT_NONE, 60 * S, 10 * S, 60 * S, .warned_after_ns = 50 * S,
	  .end_after_ns = 60 * S, .brake = true, DISCONNECT_ROW },
	{ "a warning is not held", RULE_WARN, VERDICT_WARN, 60 * S, 10 * S, 50 * S,
	  .end_after_ns = 60 * S, .brake = true, DISCONNECT_ROW },
};

/* By the number of their terminal. */
static struct policy policies[4];
static struct channel_notes notes_of[4];

static struct policy *fill_channel(struct channel *channel, int32_t tty, int64_t used_at_ns)
{
	struct policy *policy = &policies[tty < 0 ? 0 : tty];

	notes_of[tty < 0 ? 0 : tty] = (struct channel_notes){ 0 };
	*policy = (struct policy){ .counts = USE_BIT(USE_INPUT), .idle_action = ACTION_DISCONNECT };
	*channel = (struct channel){
		.facts = { .kind = tty < 0 ? KIND_SFTP : KIND_SHELL, .tty = tty, .pid = 7 + tty },
		.opened = { 0, 1 },
		.input = { used_at_ns, used_at_ns },
		.policy = policy,
		.notes = &notes_of[tty < 0 ? 0 : tty],
	};
	return policy;
}

static void each_row_of_the_ladder(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct channel channel;
		struct session_notes notes;
		struct session session = { .channels = &channel, .n_channels = 1, .notes = &notes };
		struct verdict verdict;
		struct policy *policy;

		policy = fill_channel(&channel, row->tty, USED_AT);
		session.uses[USE_INPUT] = channel.input;
		policy->idle_timeout_ns = row->limit_ns;
		policy->idle_warning_ns = row->warning_ns;
		policy->idle_action = row->idle_action;
		policy->park_fallback = row->park_fallback;
		notes = (struct session_notes){
			.warned_at_ns = row->warned_after_ns ? USED_AT + row->warned_after_ns : 0,
			.reported_at_ns =
				row->reported_after_ns ? USED_AT + row->reported_after_ns : 0,
			.not_parked_at_ns =
				row->not_parked_after_ns ? USED_AT + row->not_parked_after_ns : 0,
			.kept_until_ns = row->kept_after_ns ? USED_AT + row->kept_after_ns : 0,
		};
		verdict = judge(&session, USED_AT + row->idle_ns, row->brake);
		if (verdict.rule != row->rule || verdict.action != row->action)
			fail_msg("%s: rule %d, action %d", row->what, verdict.rule, verdict.action);
		if (row->end_after_ns == TIME_NEVER)
			assert_true(verdict.end_at_ns == TIME_NEVER);
		else
			assert_true(verdict.end_at_ns == USED_AT + row->end_after_ns);
		assert_true(verdict.next_look_ns > USED_AT + row->idle_ns);
	}
}

static struct session two_terminals(struct channel channels[static 2])
{
	struct session session = { .channels = channels, .n_channels = 2 };

	for (int32_t i = 0; i < 2; i++) {
		(void)fill_channel(&channels[i], i, USED_AT);
		policies[i].idle_timeout_ns = 60 * S;
		policies[i].idle_warning_ns = 10 * S;
	}
	return session;
}

/* Rules 8 and 9. */
static void one_terminal_of_two(void **state)
{
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct verdict verdict;

	(void)state;
	channels[1].input = (struct bounds){ USED_AT + 55 * S, USED_AT + 55 * S };
	verdict = judge(&session, USED_AT + 49 * S, false);
	assert_int_equal(verdict.rule, RULE_IN_USE);
	verdict = judge(&session, USED_AT + 50 * S, false);
	assert_int_equal(verdict.rule, RULE_TERMINAL_WARN);
	assert_int_equal(verdict.action, VERDICT_WARN_TERMINAL);
	assert_int_equal(verdict.channel, 0);
	channels[0].notes->warned_at_ns = USED_AT + 50 * S;
	verdict = judge(&session, USED_AT + 59 * S, false);
	assert_int_equal(verdict.rule, RULE_TERMINAL_WARN);
	assert_int_equal(verdict.action, VERDICT_NONE);
	assert_true(verdict.next_look_ns == USED_AT + 59 * S + judge_rhythm_ns(60 * S) ||
		    verdict.next_look_ns == USED_AT + 60 * S);
	verdict = judge(&session, USED_AT + 60 * S, false);
	assert_int_equal(verdict.rule, RULE_TERMINAL_HANGUP);
	assert_int_equal(verdict.action, VERDICT_HANGUP_TERMINAL);
	verdict = judge(&session, USED_AT + 60 * S, true);
	assert_int_equal(verdict.rule, RULE_HELD);
	assert_int_equal(verdict.action, VERDICT_NONE);
	channels[0].notes->hung_up_at_ns = USED_AT + 60 * S;
	verdict = judge(&session, USED_AT + 61 * S, false);
	assert_int_equal(verdict.action, VERDICT_NONE);
}

/* The brake holds only what it would let go: others stand back for whoever is held. */
static void nothing_to_be_ended_is_not_held(void **state)
{
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct verdict verdict;

	(void)state;
	channels[1].input = (struct bounds){ USED_AT + 55 * S, USED_AT + 55 * S };
	policies[0].idle_action = ACTION_REPORT;
	verdict = judge(&session, USED_AT + 60 * S, true);
	assert_int_equal(verdict.rule, RULE_TERMINAL_HANGUP);
	assert_int_equal(verdict.action, VERDICT_REPORT);
	policies[0].idle_action = ACTION_DISCONNECT;
	channels[0].notes->warned_at_ns = USED_AT + 50 * S;
	channels[0].notes->hung_up_at_ns = USED_AT + 60 * S;
	verdict = judge(&session, USED_AT + 61 * S, true);
	assert_int_equal(verdict.rule, RULE_TERMINAL_HANGUP);
	assert_int_equal(verdict.action, VERDICT_NONE);
}

static void both_idle_ends_the_connection(void **state)
{
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct verdict verdict;

	(void)state;
	policies[0].idle_timeout_ns = 80 * S;
	verdict = judge(&session, USED_AT + 69 * S, false);
	assert_int_equal(verdict.channel, 1);
	assert_int_equal(verdict.rule, RULE_TERMINAL_WARN);
	channels[1].notes->warned_at_ns = USED_AT + 50 * S;
	channels[1].notes->hung_up_at_ns = USED_AT + 60 * S;
	verdict = judge(&session, USED_AT + 70 * S, false);
	assert_int_equal(verdict.rule, RULE_WARN);
	assert_int_equal(verdict.channel, 0);
	assert_true(verdict.end_at_ns == USED_AT + 80 * S);
}

/* A lone terminal beside a forward is not hung up alone: that would take the forward with it. */
static void no_hangup_without_company(void **state)
{
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct verdict verdict;

	(void)state;
	channels[1].facts = (struct channel_identity){ .kind = KIND_FORWARD, .tty = -1 };
	policies[1].counts = USE_BIT(USE_TRAFFIC);
	session.uses[USE_TRAFFIC] = (struct bounds){ USED_AT + 500 * S, USED_AT + 500 * S };
	verdict = judge(&session, USED_AT + 500 * S, false);
	assert_int_equal(verdict.rule, RULE_IN_USE);
	assert_int_equal(verdict.action, VERDICT_NONE);
}

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
		assert_true(verdict.next_look_ns > LOOKED_AT - 5 * S);
	}
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

static void nothing_without_channels(void **state)
{
	struct session session = { 0 };
	struct verdict verdict = judge(&session, USED_AT, false);

	(void)state;
	assert_int_equal(verdict.action, VERDICT_NONE);
	assert_true(verdict.next_look_ns > USED_AT);
}

/* What a connection without a channel is for shows soon, whatever limit that has now. */
static void a_new_connection_is_looked_at_soon(void **state)
{
	struct channel none = { .facts = { .kind = KIND_NONE, .tty = -1 }, .policy = &policy_none };
	struct session session = { .channels = &none, .n_channels = 1, .first_seen_ns = USED_AT };

	(void)state;
	assert_true(judge(&session, USED_AT, false).next_look_ns <= USED_AT + 1 * S);
	assert_true(judge(&session, USED_AT + 3600 * S, false).next_look_ns >= USED_AT + 3610 * S);
	none.facts.kind = KIND_FORWARD;
	assert_true(judge(&session, USED_AT, false).next_look_ns >= USED_AT + 10 * S);
}

/* A shell with a limit of 900 s, last used at USED_AT, that was looked at 100 s later. */
static struct session resting(struct channel *channel)
{
	struct session session = { .channels = channel,
				   .n_channels = 1,
				   .observed_at_ns = USED_AT + 100 * S };
	struct policy *policy = fill_channel(channel, 3, USED_AT);

	session.uses[USE_INPUT] = channel->input;
	policy->idle_timeout_ns = 900 * S;
	policy->idle_warning_ns = 400 * S;
	return session;
}

static void assert_rests(const struct session *session, bool rests)
{
	int64_t now_ns = session->observed_at_ns, rhythm_ns = judge_rhythm_ns(900 * S);
	struct verdict verdict = judge(session, now_ns, false);

	assert_true(verdict.quiet_every_ns == (rests ? rhythm_ns : 0));
	if (!rests)
		assert_true(verdict.next_look_ns <= now_ns + rhythm_ns);
}

/* What each of these may show in the next sample needs no movement on the connection. */
static void only_what_is_still_rests(void **state)
{
	struct channel channel;
	struct session session = resting(&channel);

	(void)state;
	assert_rests(&session, true);
	assert_true(judge(&session, USED_AT + 100 * S, false).next_look_ns == USED_AT + 500 * S);
	session.observed_at_ns = USED_AT; /* used at the last look */
	assert_rests(&session, false);
	session.observed_at_ns = USED_AT + 500 * S; /* a warning is due */
	assert_rests(&session, false);
	session = resting(&channel);
	policies[3].counts |= USE_BIT(USE_WORK);
	assert_rests(&session, false);
	session = resting(&channel);
	policies[3].client_alive_interval_ns = 15 * S;
	policies[3].client_alive_count_max = 3;
	assert_rests(&session, false);
	session = resting(&channel);
	session.unsure = (struct bounds){ USED_AT, USED_AT };
	assert_rests(&session, false);
	session = resting(&channel);
	session.rekey_from_ns = USED_AT;
	assert_rests(&session, false);
	session = resting(&channel);
	session.undecided = 1;
	assert_rests(&session, false);
	session = resting(&channel);
	session.ledger.stuck = 1;
	assert_rests(&session, false);
	session = resting(&channel);
	session.ledger.notice_bytes = 1;
	session.ledger.notice_until_ns = session.observed_at_ns;
	assert_rests(&session, false);
}

static void the_rhythm_keeps_the_promise(void **state)
{
	(void)state;
	for (int64_t limit_ns = 1 * S; limit_ns < 1000000 * S; limit_ns = limit_ns * 3 / 2) {
		int64_t late_ns = limit_ns / 50 > 1 * S ? limit_ns / 50 : 1 * S;

		assert_true(judge_rhythm_ns(limit_ns) <= late_ns);
		assert_true(judge_rhythm_ns(limit_ns) > 0);
	}
	assert_string_equal(judge_rule_name(RULE_TERMINAL_HANGUP), "terminal-hangup");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_of_the_ladder),
		cmocka_unit_test(one_terminal_of_two),
		cmocka_unit_test(nothing_to_be_ended_is_not_held),
		cmocka_unit_test(both_idle_ends_the_connection),
		cmocka_unit_test(no_hangup_without_company),
		cmocka_unit_test(each_row_of_the_client),
		cmocka_unit_test(the_most_lenient_channel),
		cmocka_unit_test(nothing_without_channels),
		cmocka_unit_test(a_new_connection_is_looked_at_soon),
		cmocka_unit_test(only_what_is_still_rests),
		cmocka_unit_test(the_rhythm_keeps_the_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
