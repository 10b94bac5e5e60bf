#include "daemon/view.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config.h"
#include "daemon/clock.h"
#include "server/server.h"

/* A session is "active" for so long after its last use, at most this share of its limit. */
#define ACTIVE_FOR_NS	 (60 * NS_PER_S)
#define ACTIVE_PER_LIMIT 4

static const char *const event_names[EVENT_N] = {
	[EVENT_OPENED] = "opened",     [EVENT_CLOSED] = "closed",	[EVENT_WARNED] = "warned",
	[EVENT_CUT] = "cut",	       [EVENT_CANCELLED] = "cancelled", [EVENT_HUNG_UP] = "hung-up",
	[EVENT_HELD] = "held",	       [EVENT_REPORTED] = "reported",	[EVENT_KEPT] = "kept",
	[EVENT_RELOADED] = "reloaded", [EVENT_PARKED] = "parked",
};

struct view_clock view_clock_now(void)
{
	const int64_t now_ns = engine_now_ns();

	return (struct view_clock){ .now_ns = now_ns,
				    .realtime_offset_ns = clock_realtime_offset_ns() };
}

void view_time(const struct view_clock *clock, int64_t at_ns,
	       char ret_text[static CLOCK_TEXT_BYTES])
{
	clock_format_wall(at_ns + clock->realtime_offset_ns, ret_text);
}

json_t *view_time_new(const struct view_clock *clock, int64_t at_ns)
{
	char text[CLOCK_TEXT_BYTES];

	view_time(clock, at_ns, text);
	return json_string(text);
}

static double seconds(int64_t span_ns)
{
	return (double)(span_ns / NS_PER_MS) / 1000;
}

json_t *view_span_new(int64_t span_ns)
{
	return span_ns == TIME_NEVER ? json_null() : json_real(seconds(span_ns));
}

json_t *view_text_new(const char *text)
{
	char escaped[1024];
	json_t *value = json_string(text ? text : "");

	if (value)
		return value;
	text_escape(text, false, escaped, sizeof(escaped));
	return json_string(escaped);
}

json_t *view_foreign_new(const char *text)
{
	return text[0] == '\0' ? json_null() : view_text_new(text);
}

const struct channel *view_deciding(const struct session *session, int64_t *ret_end_ns)
{
	const struct channel *deciding = NULL;
	int64_t deciding_end_ns = 0, deciding_last_ns = 0;

	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *channel = &session->channels[i];
		const int64_t limit_ns = channel->policy->idle_timeout_ns;
		const int64_t last_ns = session_channel_last_use(session, channel).latest_ns;
		int64_t end_ns;

		if (__builtin_add_overflow(last_ns, limit_ns, &end_ns) || limit_ns == TIME_NEVER)
			end_ns = TIME_NEVER;
		if (deciding && (end_ns < deciding_end_ns ||
				 (end_ns == deciding_end_ns && last_ns <= deciding_last_ns)))
			continue;
		deciding = channel;
		deciding_end_ns = end_ns;
		deciding_last_ns = last_ns;
	}
	if (deciding)
		*ret_end_ns = deciding_end_ns;
	return deciding;
}

static int64_t age(int64_t at_ns, const struct view_clock *clock)
{
	return clock->now_ns > at_ns ? clock->now_ns - at_ns : 0;
}

static int64_t until(int64_t at_ns, const struct view_clock *clock)
{
	if (at_ns == TIME_NEVER)
		return TIME_NEVER;
	return at_ns > clock->now_ns ? at_ns - clock->now_ns : 0;
}

static json_t *tty_new(int32_t tty)
{
	return json_sprintf("pts/%d", tty);
}

/* `only`: one terminal, -1 all of the session. */
static json_t *ttys_new(const struct session *session, int32_t only)
{
	json_t *ttys = json_array();

	if (only >= 0) {
		(void)json_array_append_new(ttys, tty_new(only));
		return ttys;
	}
	for (size_t i = 0; session && i < session->n_channels; i++)
		if (session->channels[i].facts.tty >= 0)
			(void)json_array_append_new(ttys, tty_new(session->channels[i].facts.tty));
	return ttys;
}

static const char *use_state(int64_t idle_ns, int64_t limit_ns)
{
	int64_t active_ns = ACTIVE_FOR_NS;

	if (limit_ns / ACTIVE_PER_LIMIT < active_ns)
		active_ns = limit_ns / ACTIVE_PER_LIMIT;
	return idle_ns <= active_ns ? "active" : "idle";
}

/* Something that was asked of the client stands unanswered, for an interval at least. */
static bool is_unanswered(const struct session *session)
{
	const struct liveness *liveness = &session->liveness;
	size_t channel;
	struct liveness_terms terms = judge_alive_terms(session, &channel);

	if (!liveness->known || terms.limit_ns == TIME_NEVER)
		return false;
	if (liveness_pings_unanswered(liveness) > 0 &&
	    liveness->looked_at_ns - liveness->host.latest_ns >= terms.interval_ns)
		return true;
	return (liveness_probes_unanswered(liveness) > 0 || liveness_is_full(liveness)) &&
	       liveness->looked_at_ns - liveness->program.latest_ns >= terms.interval_ns;
}

static const char *session_state(const struct session *session, enum judge_rule rule,
				 int64_t idle_ns, int64_t limit_ns)
{
	if (session->phase == PHASE_ENDING)
		return "ending";
	if (rule != RULE_KEPT && rule != RULE_HELD && is_unanswered(session))
		return "unanswered";
	switch (rule) {
	case RULE_KEPT:
		return "kept";
	case RULE_UNLIMITED:
		return "unlimited";
	case RULE_WARN:
		return session_notes(session)->warned_at_ns != 0 ? "warned" : "idle";
	case RULE_ASKED:
	case RULE_DISCONNECT:
		return "ending";
	case RULE_REPORT:
		return "reported";
	case RULE_HELD:
		return "held";
	case RULE_IN_USE:
	case RULE_TERMINAL_WARN:
	case RULE_TERMINAL_HANGUP:
	case RULE_UNRESPONSIVE_HOST:
	case RULE_UNRESPONSIVE_PROGRAM:
	case RULE_N:
		break;
	}
	return limit_ns == TIME_NEVER ? "unlimited" : use_state(idle_ns, limit_ns);
}

/* When the connection ends if it is not used; the verdict knows about warnings that have to
 * stand. */
static int64_t idle_end_ns(const struct session *session, const struct verdict *verdict,
			   int64_t end_ns)
{
	switch (verdict->rule) {
	case RULE_KEPT:
		return end_ns > session_notes(session)->kept_until_ns
			       ? end_ns
			       : session_notes(session)->kept_until_ns;
	case RULE_REPORT:
		return TIME_NEVER;
	case RULE_WARN:
	case RULE_DISCONNECT:
	case RULE_HELD:
		return verdict->end_at_ns;
	case RULE_ASKED:
	case RULE_UNLIMITED:
	case RULE_IN_USE:
	case RULE_TERMINAL_WARN:
	case RULE_TERMINAL_HANGUP:
	case RULE_UNRESPONSIVE_HOST:
	case RULE_UNRESPONSIVE_PROGRAM:
	case RULE_N:
		break;
	}
	return end_ns;
}

static int64_t session_end_ns(const struct session *session, const struct verdict *verdict,
			      int64_t end_ns)
{
	end_ns = idle_end_ns(session, verdict, end_ns);
	return verdict->alive_end_at_ns < end_ns ? verdict->alive_end_at_ns : end_ns;
}

static json_t *heard_new(const struct liveness *liveness, int64_t at_ns,
			 const struct view_clock *clock)
{
	return liveness->known ? view_span_new(age(at_ns, clock)) : json_null();
}

/* What is known of the client's life, for one session. */
static json_t *alive_new(const struct session *session, const struct view_clock *clock)
{
	const struct liveness *liveness = &session->liveness;
	const bool has_ledger = session->ledger.primed && !session->ledger.unusable;
	size_t channel;
	const struct liveness_terms terms = judge_alive_terms(session, &channel);

	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "alive_limit_s", view_span_new(terms.limit_ns),
			 "host_heard_s", heard_new(liveness, liveness->host.latest_ns, clock),
			 "program_heard_s", heard_new(liveness, liveness->program.latest_ns, clock),
			 "pings_unanswered",
			 liveness->known && !liveness->no_ping
				 ? json_integer(liveness_pings_unanswered(liveness))
				 : json_null(),
			 "probes_unanswered",
			 liveness->known && has_ledger
				 ? json_integer(liveness_probes_unanswered(liveness))
				 : json_null());
}

static json_t *uid_new(uint32_t uid)
{
	return uid == UINT32_MAX ? json_null() : json_integer(uid);
}

/* What is worked out for a session. */
struct outlook {
	int64_t limit_ns, idle_ns, end_ns;
	const char *state;
	enum judge_rule rule;
};

static struct outlook outlook_of(struct engine *engine, const struct session *session,
				 const struct view_clock *clock)
{
	const struct verdict verdict = engine_verdict(engine, session);
	int64_t end_ns = TIME_NEVER;
	const struct channel *channel = view_deciding(session, &end_ns);
	const int64_t limit_ns = channel ? channel->policy->idle_timeout_ns : TIME_NEVER;
	const int64_t used_ns =
		channel ? session_channel_last_use(session, channel).latest_ns : clock->now_ns;
	const int64_t idle_ns = age(used_ns, clock);

	return (struct outlook){
		.limit_ns = limit_ns,
		.idle_ns = idle_ns,
		.end_ns = session_end_ns(session, &verdict, end_ns),
		.state = session_state(session, verdict.rule, idle_ns, limit_ns),
		.rule = verdict.rule,
	};
}

json_t *view_session_new(struct engine *engine, const struct session *session,
			 const struct view_clock *clock)
{
	const struct session_facts *facts = &session->facts;
	const struct outlook outlook = outlook_of(engine, session, clock);
	const bool kept = session_notes(session)->kept_until_ns > clock->now_ns;
	char peer[ADDRESS_TEXT_BYTES], local[ADDRESS_TEXT_BYTES];
	json_t *object;

	object = json_pack(
		"{s:I,s:o,s:o,s:o,s:i,s:o,s:i,s:s,s:s,s:o,s:i,s:o,s:f,s:o,s:o,s:s,s:i,s:o}", "id",
		(json_int_t)session->id, "user", view_foreign_new(session->user), "uid",
		uid_new(facts->uid), "from", view_text_new(address_format(&facts->peer, peer)),
		"from_port", facts->peer_port, "local",
		view_text_new(address_format(&facts->local, local)), "local_port",
		facts->local_port, "server", server_name((enum server_id)facts->server), "kind",
		policy_kind_name((enum channel_kind)session_kind(session)), "tty",
		ttys_new(session, -1), "pid", facts->identity.pid, "since",
		view_time_new(clock, facts->started_at_ns), "idle_s", seconds(outlook.idle_ns),
		"limit_s", view_span_new(outlook.limit_ns), "ends_in_s",
		view_span_new(until(outlook.end_ns, clock)), "state", outlook.state, "rule",
		(int)outlook.rule, "kept_until",
		kept ? view_time_new(clock, session_notes(session)->kept_until_ns) : json_null());
	if (object)
		(void)json_object_update_new(object, alive_new(session, clock));
	return object;
}

json_t *view_line_new(struct engine *engine, const struct session *session,
		      const struct view_clock *clock)
{
	const struct session_facts *facts = &session->facts;
	const struct liveness *liveness = &session->liveness;
	const struct outlook outlook = outlook_of(engine, session, clock);
	char peer[ADDRESS_TEXT_BYTES];

	return json_pack("{s:I,s:o,s:o,s:s,s:s,s:o,s:f,s:o,s:o,s:s,s:o,s:o}", "id",
			 (json_int_t)session->id, "user", view_foreign_new(session->user), "from",
			 view_text_new(address_format(&facts->peer, peer)), "server",
			 server_name((enum server_id)facts->server), "kind",
			 policy_kind_name((enum channel_kind)session_kind(session)), "tty",
			 ttys_new(session, -1), "idle_s", seconds(outlook.idle_ns), "limit_s",
			 view_span_new(outlook.limit_ns), "ends_in_s",
			 view_span_new(until(outlook.end_ns, clock)), "state", outlook.state,
			 "host_heard_s", heard_new(liveness, liveness->host.latest_ns, clock),
			 "program_heard_s",
			 heard_new(liveness, liveness->program.latest_ns, clock));
}

json_t *view_event_new(const struct engine_event *event, const struct view_clock *clock)
{
	const struct session *session = event->session;
	char peer[ADDRESS_TEXT_BYTES];

	return json_pack(
		"{s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "at",
		view_time_new(clock, clock->now_ns), "event", event_names[event->kind], "id",
		session ? json_integer(session->id) : json_null(), "user",
		session ? view_foreign_new(session->user) : json_null(), "from",
		session ? view_text_new(address_format(&session->facts.peer, peer)) : json_null(),
		"server",
		session ? json_string(server_name((enum server_id)session->facts.server))
			: json_null(),
		"kind",
		session ? json_string(policy_kind_name((enum channel_kind)session_kind(session)))
			: json_null(),
		"tty", ttys_new(session, event->tty), "rule",
		event->rule >= 0 ? json_integer(event->rule) : json_null(), "reason",
		view_text_new(event->reason));
}

static json_t *counts_new(uint32_t counts)
{
	json_t *words = json_array();

	for (enum use use = 0; use < USE_N; use++)
		if (counts & USE_BIT(use))
			(void)json_array_append_new(words, json_string(policy_use_name(use)));
	return words;
}

/* A clock that nothing feeds is not shown: work is only watched where it counts, and traffic needs
 * something that forwards. */
static bool use_shown(const struct session *session, const struct channel *channel, enum use use)
{
	if (channel->policy->counts & USE_BIT(use))
		return true;
	if (use == USE_TRAFFIC)
		return session->forward_opened > 0 || channel->facts.kind == KIND_FORWARD;
	return use == USE_INPUT || use == USE_OUTPUT;
}

static json_t *uses_new(const struct session *session, const struct channel *channel,
			const struct view_clock *clock)
{
	json_t *uses = json_array();

	for (enum use use = 0; use < USE_N; use++) {
		const struct bounds bounds = session_channel_use(session, channel, use);
		const bool counts = channel->policy->counts & USE_BIT(use);

		if (use_shown(session, channel, use))
			(void)json_array_append_new(
				uses,
				json_pack("{s:s,s:f,s:f,s:b}", "what", policy_use_name(use),
					  "earliest_s", seconds(age(bounds.earliest_ns, clock)),
					  "latest_s", seconds(age(bounds.latest_ns, clock)),
					  "counts", counts));
	}
	return uses;
}

json_t *view_channel_new(const struct session *session, const struct channel *channel,
			 const struct view_clock *clock)
{
	const struct channel_identity *facts = &channel->facts;
	const int64_t limit_ns = channel->policy->idle_timeout_ns;
	const int64_t used_ns = session_channel_last_use(session, channel).latest_ns;
	const char *source = channel->policy->timeout_source;
	int64_t end_ns = TIME_NEVER;

	if (limit_ns < TIME_NEVER - used_ns)
		end_ns = used_ns + limit_ns;
	return json_pack("{s:s,s:o,s:o,s:o,s:f,s:o,s:o,s:o,s:o,s:o}", "kind",
			 policy_kind_name((enum channel_kind)facts->kind), "tty",
			 facts->tty >= 0 ? tty_new(facts->tty) : json_null(), "pid",
			 facts->pid != 0 ? json_integer(facts->pid) : json_null(), "command",
			 view_foreign_new(channel->command ? channel->command : ""), "idle_s",
			 seconds(age(used_ns, clock)), "limit_s", view_span_new(limit_ns),
			 "ends_in_s", view_span_new(until(end_ns, clock)), "counts",
			 counts_new(channel->policy->counts), "uses",
			 uses_new(session, channel, clock), "source",
			 view_text_new(source ? source : "default"));
}

static json_t *troubles_new(const struct engine_status *status)
{
	json_t *troubles = json_array();

	for (size_t i = 0; i < status->n_troubles; i++)
		(void)json_array_append_new(troubles, view_text_new(status->troubles[i]));
	return troubles;
}

static json_t *rules_new(const struct engine_status *status)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < status->n_rules; i++)
		(void)json_array_append_new(rules, view_text_new(status->rules[i]));
	return rules;
}

json_t *view_status_new(struct engine *engine, size_t visible, const struct view_clock *clock)
{
	struct engine_status status;

	engine_get_status(engine, &status);
	return json_pack(
		"{s:s,s:i,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "version", SSHIDLE_VERSION,
		"pid", status.monitor_pid, "since", view_time_new(clock, status.started_at_ns),
		"config", view_text_new(status.config_file), "config_loaded",
		view_time_new(clock, status.config_loaded_at_ns), "sessions", (json_int_t)visible,
		"cuts", (json_int_t)status.cuts, "parks", (json_int_t)status.parks, "warnings",
		(json_int_t)status.warnings, "held", (json_int_t)status.held, "shortest_limit_s",
		view_span_new(status.shortest_limit_ns), "temporary_rules", rules_new(&status),
		"troubles", troubles_new(&status));
}
