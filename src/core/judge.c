#include "core/judge.h"

#include <stddef.h>

/* How often a session is looked at, as a share of its limit: a use is known to lie between two
 * looks, so a cut is late by at most this (the goal is max(1 s, 2 %)). */
#define RHYTHM_PER_MILLE    16
#define RHYTHM_FLOOR_NS	    (800 * NS_PER_MS)
#define RHYTHM_LEAST_NS	    (50 * NS_PER_MS)
#define RHYTHM_UNLIMITED_NS (30 * NS_PER_S)
/* Until the first channel shows: what comes meanwhile may have been for it, and starts its idle time. */
#define RHYTHM_NEW_NS (200 * NS_PER_MS)

/* A look at which nothing is due is taken at least so often, also of a session at which nothing moves. */
#define RESTING_NS (600 * NS_PER_S)

/* The line of a warning is told from output for 2 s (core/ledger.c): it is looked for within these. */
#define WARNED_LOOK_NS (1 * NS_PER_S)

/* So much later than a terminal all else may be past its limit, and it waits for that: a share of its limit. */
#define TOGETHER_FLOOR_NS (1 * NS_PER_S)
#define TOGETHER_SHARE	  50

/* So long a connection without a channel is looked at as often as possible. */
#define NEW_FOR_NS (10 * NS_PER_S)

static const char *const rule_names[RULE_N] = {
	[RULE_ASKED] = "asked",
	[RULE_KEPT] = "kept",
	[RULE_UNLIMITED] = "unlimited",
	[RULE_IN_USE] = "in-use",
	[RULE_WARN] = "warn",
	[RULE_DISCONNECT] = "disconnect",
	[RULE_REPORT] = "report",
	[RULE_HELD] = "held",
	[RULE_TERMINAL_WARN] = "terminal-warn",
	[RULE_TERMINAL_HANGUP] = "terminal-hangup",
	[RULE_UNRESPONSIVE_HOST] = "unresponsive-host",
	[RULE_UNRESPONSIVE_PROGRAM] = "unresponsive-program",
};

const char *judge_rule_name(enum judge_rule rule)
{
	return rule_names[rule];
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t judge_rhythm_ns(int64_t limit_ns)
{
	int64_t rhythm_ns;

	if (limit_ns == TIME_NEVER)
		return RHYTHM_UNLIMITED_NS;
	rhythm_ns = most(limit_ns / 1000 * RHYTHM_PER_MILLE, RHYTHM_FLOOR_NS);
	return most(least(rhythm_ns, limit_ns / 8), RHYTHM_LEAST_NS);
}

static int64_t add(int64_t at_ns, int64_t span_ns)
{
	return span_ns > TIME_NEVER - at_ns ? TIME_NEVER : at_ns + span_ns;
}

/* When a channel is past its limit, if it is not used any more. */
static int64_t channel_end_ns(const struct session *session, const struct channel *channel)
{
	if (channel->policy->idle_timeout_ns == TIME_NEVER)
		return TIME_NEVER;
	return add(session_channel_last_use(session, channel).latest_ns,
		   channel->policy->idle_timeout_ns);
}

static bool can_warn(const struct session *session)
{
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].facts.tty >= 0)
			return true;
	return false;
}

/* Found between its login and the opening of its first channel: what it is for shows at once. */
static bool is_new(const struct session *session, int64_t now_ns)
{
	return session->n_channels == 1 && session->channels[0].facts.kind == KIND_NONE &&
	       now_ns < session->first_seen_ns + NEW_FOR_NS;
}

/* The shortest rhythm of the session's channels: each terminal may have to be ended alone. */
static int64_t session_rhythm_ns(const struct session *session, int64_t now_ns)
{
	int64_t rhythm_ns = is_new(session, now_ns) ? RHYTHM_NEW_NS : RHYTHM_UNLIMITED_NS;

	for (size_t i = 0; i < session->n_channels; i++)
		rhythm_ns = least(rhythm_ns,
				  judge_rhythm_ns(session->channels[i].policy->idle_timeout_ns));
	return rhythm_ns;
}

/* The next moment after now at which something may have to be said or done. */
static int64_t next_look_ns(const struct verdict *verdict, int64_t now_ns, int64_t rhythm_ns)
{
	int64_t look_ns = add(now_ns, rhythm_ns);

	if (verdict->warn_at_ns > now_ns)
		look_ns = least(look_ns, verdict->warn_at_ns);
	if (verdict->end_at_ns > now_ns)
		look_ns = least(look_ns, verdict->end_at_ns);
	return look_ns;
}

/* The channel whose limit is reached last decides for the connection. */
static void find_deciding(const struct session *session, struct verdict *verdict)
{
	verdict->end_at_ns = INT64_MIN;
	for (size_t i = 0; i < session->n_channels; i++) {
		int64_t end_ns = channel_end_ns(session, &session->channels[i]);

		if (end_ns > verdict->end_at_ns) {
			verdict->end_at_ns = end_ns;
			verdict->channel = i;
		}
	}
}

enum idle_action judge_action(const struct session *session, size_t deciding, int64_t end_ns)
{
	enum idle_action action = session->channels[deciding].policy->idle_action;
	const struct policy *park = NULL;

	if (action == ACTION_REPORT)
		return action;
	for (size_t i = 0; i < session->n_channels && !park; i++)
		if (session->channels[i].facts.tty >= 0 &&
		    session->channels[i].policy->idle_action == ACTION_PARK)
			park = session->channels[i].policy;
	if (!park)
		return ACTION_DISCONNECT;
	return session_notes(session)->not_parked_at_ns != 0 &&
			       session_notes(session)->not_parked_at_ns >= end_ns
		       ? park->park_fallback
		       : ACTION_PARK;
}

static enum verdict_action action_verdict(enum idle_action action)
{
	switch (action) {
	case ACTION_REPORT:
		return VERDICT_REPORT;
	case ACTION_DISCONNECT:
		return VERDICT_DISCONNECT;
	case ACTION_PARK:
		return VERDICT_PARK;
	case ACTION_N:
		break;
	}
	return VERDICT_NONE;
}

static void judge_end(const struct session *session, bool brake, struct verdict *verdict)
{
	enum idle_action action = judge_action(session, verdict->channel, verdict->end_at_ns);

	if (action == ACTION_REPORT) {
		verdict->rule = RULE_REPORT;
		if (session_notes(session)->reported_at_ns < verdict->end_at_ns)
			verdict->action = VERDICT_REPORT;
		return;
	}
	verdict->rule = brake ? RULE_HELD : RULE_DISCONNECT;
	verdict->held = RULE_DISCONNECT;
	if (!brake)
		verdict->action = action_verdict(action);
}

/* One that was given before it was due was cancelled by a later use, and one before a keep by that. */
static bool is_warned(const struct session *session, int64_t warned_at_ns, int64_t due_at_ns)
{
	return warned_at_ns != 0 && warned_at_ns >= due_at_ns &&
	       warned_at_ns >= session_notes(session)->kept_until_ns;
}

/* Rules 3 to 7, for a connection with a limit. */
static void judge_connection(const struct session *session, int64_t now_ns, bool brake,
			     struct verdict *verdict)
{
	const struct policy *policy = session->channels[verdict->channel].policy;
	int64_t warn_for_ns = policy_warning_ns(policy);
	bool warned = false;

	if (policy->idle_action != ACTION_REPORT && warn_for_ns > 0 && can_warn(session)) {
		verdict->warn_at_ns = verdict->end_at_ns - warn_for_ns;
		warned = is_warned(session, session_notes(session)->warned_at_ns,
				   verdict->warn_at_ns);
		if (now_ns >= verdict->warn_at_ns) {
			verdict->rule = RULE_WARN;
			if (!warned)
				verdict->action = VERDICT_WARN;
			/* Also after a reload that shortened the limit the warning stands its time.
			 */
			verdict->end_at_ns =
				most(verdict->end_at_ns,
				     (warned ? session_notes(session)->warned_at_ns : now_ns) +
					     warn_for_ns);
		}
	}
	if (now_ns >= verdict->end_at_ns)
		judge_end(session, brake, verdict);
}

/* Another terminal or command is open besides this one. */
static bool has_company(const struct session *session, const struct channel *channel)
{
	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *other = &session->channels[i];

		if (other != channel && other->facts.pid != 0)
			return true;
	}
	return false;
}

/* What is used through a terminal shows as output of the connection a look later, and a command beside it counts
 * that: both are past their limits together, and alone it would be hung up where all is to be parked. */
static bool ends_with_all(const struct channel *channel, int64_t end_ns, int64_t all_end_ns,
			  bool all_reported)
{
	if (all_reported && policy_terminal_action(channel->policy) != ACTION_REPORT)
		return false;
	return all_end_ns <= add(end_ns, most(TOGETHER_FLOOR_NS,
					      channel->policy->idle_timeout_ns / TOGETHER_SHARE));
}

/* Rules 8 and 9, for one terminal. Returns false when nothing is to be said about it yet. */
static bool judge_terminal(const struct session *session, size_t index, int64_t now_ns, bool brake,
			   struct verdict *ret_verdict)
{
	const struct channel *channel = &session->channels[index];
	int64_t warn_for_ns = policy_warning_ns(channel->policy);
	enum idle_action action = policy_terminal_action(channel->policy);
	struct verdict verdict = { .channel = index, .rule = RULE_TERMINAL_WARN };
	bool warned;

	verdict.end_at_ns = channel_end_ns(session, channel);
	verdict.warn_at_ns = verdict.end_at_ns - warn_for_ns;
	if (action == ACTION_REPORT)
		verdict.warn_at_ns = verdict.end_at_ns;
	warned = is_warned(session, session_channel_notes(channel)->warned_at_ns,
			   verdict.warn_at_ns);
	if (now_ns < verdict.warn_at_ns)
		return false;
	if (action != ACTION_REPORT && warn_for_ns > 0) {
		if (!warned)
			verdict.action = VERDICT_WARN_TERMINAL;
		verdict.end_at_ns =
			most(verdict.end_at_ns,
			     (warned ? session_channel_notes(channel)->warned_at_ns : now_ns) +
				     warn_for_ns);
	}
	if (now_ns >= verdict.end_at_ns) {
		bool done = session_channel_notes(channel)->hung_up_at_ns >= verdict.end_at_ns;

		verdict.rule = verdict.held = RULE_TERMINAL_HANGUP;
		if (action == ACTION_REPORT)
			verdict.action = done ? VERDICT_NONE : VERDICT_REPORT;
		else if (!done && brake)
			verdict.rule = RULE_HELD;
		else if (!done)
			verdict.action = VERDICT_HANGUP_TERMINAL;
	}
	*ret_verdict = verdict;
	return true;
}

/* Of a connection in use: is there a terminal that is not? The first that asks for an action goes
 * first. */
static void judge_terminals(const struct session *session, int64_t now_ns, bool brake,
			    struct verdict *verdict)
{
	const enum judge_rule connection = verdict->rule;
	const int64_t all_end_ns = verdict->end_at_ns;
	const bool all_reported =
		judge_action(session, verdict->channel, all_end_ns) == ACTION_REPORT;

	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *channel = &session->channels[i];
		struct verdict one;
		int64_t end_ns;

		if (channel->facts.tty < 0 || channel->policy->idle_timeout_ns == TIME_NEVER ||
		    !has_company(session, channel))
			continue;
		end_ns = channel_end_ns(session, channel);
		if (ends_with_all(channel, end_ns, all_end_ns, all_reported))
			continue;
		if (judge_terminal(session, i, now_ns, brake, &one)) {
			one.next_look_ns = verdict->next_look_ns;
			one.ping_at_ns = verdict->ping_at_ns;
			one.alive_end_at_ns = verdict->alive_end_at_ns;
			end_ns = one.end_at_ns;
			if (verdict->rule == connection || one.rule == RULE_HELD ||
			    one.action != VERDICT_NONE)
				*verdict = one;
			if (one.action != VERDICT_NONE)
				return;
		}
		if (end_ns > now_ns)
			verdict->next_look_ns = least(verdict->next_look_ns, end_ns);
		if (end_ns - policy_warning_ns(channel->policy) > now_ns)
			verdict->next_look_ns = least(verdict->next_look_ns,
						      end_ns - policy_warning_ns(channel->policy));
	}
}

struct liveness_terms judge_alive_terms(const struct session *session, size_t *ret_channel)
{
	struct liveness_terms terms = { .limit_ns = 0 };

	*ret_channel = 0;
	for (size_t i = 0; i < session->n_channels; i++) {
		const struct policy *policy = session->channels[i].policy;
		int64_t limit_ns = policy_alive_limit_ns(policy);

		if (limit_ns <= terms.limit_ns)
			continue;
		terms = (struct liveness_terms){ policy->client_alive_interval_ns, limit_ns };
		*ret_channel = i;
	}
	if (terms.limit_ns == 0)
		terms.limit_ns = TIME_NEVER;
	return terms;
}

bool judge_any_reports(const struct session *session)
{
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].policy->idle_action == ACTION_REPORT)
			return true;
	return false;
}

/* Rules 10 and 11. False: there is nothing to do about the client; `verdict` then says when to look
 * for that. */
static bool judge_alive(const struct session *session, int64_t now_ns, bool brake,
			struct verdict *verdict)
{
	const struct liveness *liveness = &session->liveness;
	size_t channel;
	struct liveness_terms terms = judge_alive_terms(session, &channel);
	struct liveness_due due;
	int64_t end_ns, looked_ns = most(now_ns, liveness->looked_at_ns);
	enum idle_action action = ACTION_REPORT;
	bool host, report = judge_any_reports(session);
	int64_t promise_ns;

	liveness_find_due(liveness, &terms, looked_ns, &due);
	end_ns = least(due.host_ns, due.program_ns);
	verdict->ping_at_ns = due.ping_ns;
	verdict->alive_end_at_ns = report ? TIME_NEVER : due.silent_ns;
	verdict->next_look_ns = most(least(due.look_ns, due.ping_ns), looked_ns + NS_PER_MS);
	if (end_ns > looked_ns) {
		verdict->next_look_ns = least(verdict->next_look_ns, end_ns);
		return false;
	}
	host = due.host_ns <= looked_ns;
	promise_ns = add((host ? liveness->host : liveness->program).latest_ns, terms.limit_ns);
	if (!report)
		action = judge_action(session, channel, promise_ns);
	/* Said once for each silence. */
	if (action == ACTION_REPORT &&
	    session_notes(session)->unresponsive_reported_at_ns >= promise_ns)
		return false;
	verdict->channel = channel;
	verdict->end_at_ns = end_ns;
	verdict->held = host ? RULE_UNRESPONSIVE_HOST : RULE_UNRESPONSIVE_PROGRAM;
	verdict->rule = brake && action != ACTION_REPORT ? RULE_HELD : verdict->held;
	if (verdict->rule != RULE_HELD)
		verdict->action = action_verdict(action);
	return true;
}

/* What the channels' limits say: rules 2 to 9. */
static void judge_use(const struct session *session, int64_t now_ns, bool brake, int64_t rhythm_ns,
		      struct verdict *verdict)
{
	int64_t look_ns = verdict->next_look_ns;

	if (verdict->end_at_ns == TIME_NEVER)
		verdict->rule = RULE_UNLIMITED;
	else
		judge_connection(session, now_ns, brake, verdict);
	verdict->next_look_ns = least(look_ns, next_look_ns(verdict, now_ns, rhythm_ns));
	if (verdict->rule == RULE_IN_USE || verdict->rule == RULE_UNLIMITED)
		judge_terminals(session, now_ns, brake, verdict);
}

/* With the looks that something is due at, and one after `rhythm_ns` at the latest. */
static struct verdict judge_at(const struct session *session, int64_t now_ns, bool brake,
			       int64_t rhythm_ns)
{
	struct verdict verdict = { .rule = RULE_IN_USE,
				   .warn_at_ns = TIME_NEVER,
				   .end_at_ns = TIME_NEVER,
				   .alive_end_at_ns = TIME_NEVER,
				   .ping_at_ns = TIME_NEVER };

	if (session->n_channels == 0 || session->phase == PHASE_ENDING) {
		verdict.next_look_ns = add(now_ns, rhythm_ns);
		return verdict;
	}
	if (session_notes(session)->kept_until_ns > now_ns) {
		find_deciding(session, &verdict);
		verdict.rule = RULE_KEPT;
		verdict.end_at_ns = TIME_NEVER;
		verdict.next_look_ns =
			least(add(now_ns, rhythm_ns), session_notes(session)->kept_until_ns);
		return verdict;
	}
	if (judge_alive(session, now_ns, brake, &verdict)) {
		verdict.next_look_ns = least(verdict.next_look_ns, add(now_ns, rhythm_ns));
		return verdict;
	}
	find_deciding(session, &verdict);
	judge_use(session, now_ns, brake, rhythm_ns, &verdict);
	return verdict;
}

/* Nothing happens before the next look that is due but by a use. */
static bool may_rest(const struct session *session, const struct verdict *verdict, int64_t now_ns)
{
	size_t channel;

	if (verdict->action != VERDICT_NONE || session->n_channels == 0 ||
	    is_new(session, now_ns) || judge_alive_terms(session, &channel).limit_ns != TIME_NEVER)
		return false;
	if (verdict->rule != RULE_KEPT && verdict->rule != RULE_UNLIMITED &&
	    verdict->rule != RULE_IN_USE && verdict->rule != RULE_REPORT)
		return false;
	return session_rests(session);
}

struct verdict judge(const struct session *session, int64_t now_ns, bool brake)
{
	struct verdict verdict = judge_at(session, now_ns, brake, RESTING_NS);
	int64_t rhythm_ns = session_rhythm_ns(session, now_ns);

	if (may_rest(session, &verdict, now_ns))
		verdict.quiet_every_ns = rhythm_ns;
	else
		verdict.next_look_ns = least(verdict.next_look_ns, add(now_ns, rhythm_ns));
	if (verdict.action == VERDICT_WARN || verdict.action == VERDICT_WARN_TERMINAL)
		verdict.next_look_ns = least(verdict.next_look_ns, add(now_ns, WARNED_LOOK_NS));
	return verdict;
}
