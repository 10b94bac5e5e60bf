/* One row for each rule of the ladder, in its order, and the edges between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-channels.h"

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
	{ "no longer kept", RULE_WARN, VERDICT_WARN, 60 * S, 10 * S, 100 * S,
	  .kept_after_ns = 100 * S, .warned_after_ns = 80 * S, .end_after_ns = 110 * S,
	  DISCONNECT_ROW },
	{ "warned since", RULE_DISCONNECT, VERDICT_DISCONNECT, 60 * S, 10 * S, 110 * S,
	  .kept_after_ns = 100 * S, .warned_after_ns = 100 * S, .end_after_ns = 110 * S,
	  DISCONNECT_ROW },
	{ "no limit", RULE_UNLIMITED, VERDICT_NONE, TIME_NEVER, 10 * S, 100000 * S,
	  .end_after_ns = TIME_NEVER, DISCONNECT_ROW },
	{ "a limit beyond all time", RULE_UNLIMITED, VERDICT_NONE, TIME_NEVER - 1, 10 * S,
	  100000 * S, .end_after_ns = TIME_NEVER, DISCONNECT_ROW },
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
		if (row->rule == RULE_HELD)
			assert_int_equal(verdict.held, RULE_DISCONNECT);
		assert_true(verdict.next_look_ns > USED_AT + row->idle_ns);
	}
}

/* Rules 8 and 9. */
static void one_terminal_of_two(void **state)
{
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct verdict verdict;

	(void)state;
	channels[1].input = (struct bounds){ USED_AT + 55 * S, USED_AT + 55 * S };
	channels[0].notes->warned_at_ns = USED_AT - 1; /* before it was used again */
	verdict = judge(&session, USED_AT + 49 * S, false);
	assert_int_equal(verdict.rule, RULE_IN_USE);
	assert_int_equal(verdict.channel, 1);
	verdict = judge(&session, USED_AT + 50 * S, false);
	assert_int_equal(verdict.rule, RULE_TERMINAL_WARN);
	assert_int_equal(verdict.action, VERDICT_WARN_TERMINAL);
	assert_int_equal(verdict.channel, 0);
	assert_true(verdict.ping_at_ns == TIME_NEVER && verdict.alive_end_at_ns == TIME_NEVER);
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

/* Whether or not a sample has found it kept. */
static void a_keep_voids_the_warnings(void **state)
{
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct session_notes notes = { .warned_at_ns = USED_AT + 50 * S,
				       .kept_until_ns = USED_AT + 80 * S };

	(void)state;
	session.notes = &notes;
	session.n_channels = 1;
	assert_int_equal(judge(&session, USED_AT + 81 * S, false).action, VERDICT_WARN);
	session.n_channels = 2;
	channels[0].notes->warned_at_ns = USED_AT + 50 * S;
	channels[1].input = (struct bounds){ USED_AT + 79 * S, USED_AT + 79 * S };
	assert_int_equal(judge(&session, USED_AT + 81 * S, false).action, VERDICT_WARN_TERMINAL);
	channels[0].notes->warned_at_ns = USED_AT + 81 * S;
	assert_int_equal(judge(&session, USED_AT + 90 * S, false).action, VERDICT_NONE);
	assert_int_equal(judge(&session, USED_AT + 91 * S, false).action, VERDICT_HANGUP_TERMINAL);
}

/* Nothing may move before that; after a warning its line is looked for. */
static void a_terminal_of_two_that_rest(void **state)
{
	struct channel channels[2];
	struct session session = two_terminals(channels);
	struct verdict verdict;

	(void)state;
	channels[1].input = (struct bounds){ USED_AT + 15 * S, USED_AT + 15 * S };
	session.observed_at_ns = USED_AT + 20 * S;
	for (int i = 0; i < 2; i++) {
		policies[0].idle_warning_ns = i == 0 ? 10 * S : 0;
		verdict = judge(&session, USED_AT + 20 * S, false);
		assert_true(verdict.quiet_every_ns > 0);
		assert_true(verdict.next_look_ns == USED_AT + (i == 0 ? 50 : 60) * S);
	}
	policies[0].idle_warning_ns = 10 * S;
	policies[0].idle_timeout_ns = policies[1].idle_timeout_ns = 3600 * S;
	session.observed_at_ns = channels[1].input.latest_ns = USED_AT + 3590 * S;
	verdict = judge(&session, USED_AT + 3590 * S, false);
	assert_int_equal(verdict.action, VERDICT_WARN_TERMINAL);
	assert_true(verdict.next_look_ns == USED_AT + 3591 * S);
	/* A command is not hung up beside it. */
	channels[0].facts = (struct channel_identity){ .kind = KIND_EXEC, .tty = -1, .pid = 7 };
	verdict = judge(&session, USED_AT + 3600 * S, false);
	assert_int_equal(verdict.rule, RULE_IN_USE);
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
	verdict = judge(&session, USED_AT + 59 * S, true);
	assert_int_equal(verdict.rule, RULE_IN_USE);
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

/* One that is held is told of, whatever stands beside it. */
static void a_held_terminal_beside_a_warned_one(void **state)
{
	struct channel channels[3];
	struct session session = { .channels = channels, .n_channels = 3 };

	(void)state;
	for (int32_t i = 0; i < 3; i++)
		(void)fill_channel(&channels[i], i < 2 ? i + 1 : -1, USED_AT);
	session.uses[USE_INPUT] = (struct bounds){ USED_AT + 70 * S, USED_AT + 70 * S };
	policies[0].idle_timeout_ns = 100 * S;
	for (int i = 0; i < 2; i++) {
		for (int32_t tty = 1; tty <= 2; tty++) {
			policies[tty].idle_timeout_ns = (tty - 1 == i ? 60 : 75) * S;
			policies[tty].idle_warning_ns = 10 * S;
			notes_of[tty].warned_at_ns = USED_AT + (tty - 1 == i ? 50 : 65) * S;
		}
		assert_int_equal(judge(&session, USED_AT + 70 * S, true).rule, RULE_HELD);
		assert_int_equal(judge(&session, USED_AT + 70 * S, true).channel, i);
		assert_int_equal(judge(&session, USED_AT + 70 * S, false).action,
				 VERDICT_HANGUP_TERMINAL);
	}
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

static void nothing_without_channels(void **state)
{
	struct channel channels[2];
	struct session session = { 0 };
	struct verdict verdict = judge(&session, USED_AT, false);

	(void)state;
	assert_int_equal(verdict.action, VERDICT_NONE);
	assert_true(verdict.next_look_ns > USED_AT);
	/* Nor for one that is ended already. */
	session = two_terminals(channels);
	session.phase = PHASE_ENDING;
	assert_int_equal(judge(&session, USED_AT + 5000 * S, false).action, VERDICT_NONE);
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
	policies[3].idle_warning_ns = 100 * S; /* at 800 s */
	assert_true(judge(&session, USED_AT + 100 * S, false).next_look_ns == USED_AT + 700 * S);
	session.observed_at_ns = USED_AT; /* used at the last look */
	assert_rests(&session, false);
	session = resting(&channel);
	session.uses[USE_OUTPUT].latest_ns = session.observed_at_ns;
	assert_rests(&session, false);
	session = resting(&channel);
	channel.opened.latest_ns = session.observed_at_ns;
	assert_rests(&session, false);
	session = resting(&channel);
	channel.input.latest_ns = session.observed_at_ns;
	assert_rests(&session, false);
	session = resting(&channel);
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
	static const int64_t rhythms[][2] = {
		{ NS_PER_S / 10, 50 * NS_PER_MS },
		{ 2 * S, 250 * NS_PER_MS },
		{ 50 * S, 800 * NS_PER_MS },
		{ 900 * S, 14400 * NS_PER_MS },
		{ TIME_NEVER, 30 * S },
	};

	(void)state;
	for (int64_t limit_ns = 1 * S; limit_ns < 1000000 * S; limit_ns = limit_ns * 3 / 2) {
		int64_t late_ns = limit_ns / 50 > 1 * S ? limit_ns / 50 : 1 * S;

		assert_true(judge_rhythm_ns(limit_ns) <= late_ns);
		assert_true(judge_rhythm_ns(limit_ns) > 0);
	}
	for (size_t i = 0; i < sizeof(rhythms) / sizeof(rhythms[0]); i++)
		assert_true(judge_rhythm_ns(rhythms[i][0]) == rhythms[i][1]);
	assert_string_equal(judge_rule_name(RULE_TERMINAL_HANGUP), "terminal-hangup");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_of_the_ladder),
		cmocka_unit_test(one_terminal_of_two),
		cmocka_unit_test(a_keep_voids_the_warnings),
		cmocka_unit_test(a_terminal_of_two_that_rest),
		cmocka_unit_test(nothing_to_be_ended_is_not_held),
		cmocka_unit_test(a_held_terminal_beside_a_warned_one),
		cmocka_unit_test(both_idle_ends_the_connection),
		cmocka_unit_test(no_hangup_without_company),
		cmocka_unit_test(nothing_without_channels),
		cmocka_unit_test(a_new_connection_is_looked_at_soon),
		cmocka_unit_test(only_what_is_still_rests),
		cmocka_unit_test(the_rhythm_keeps_the_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
