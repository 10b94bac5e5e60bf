#include "daemon/explain.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"

#define DAY_NS (24 * 3600 * NS_PER_S)

/* Something that came in so much later than the last input was no input. */
#define SILENCE_SLACK_NS (1 * NS_PER_S)

enum { SENTENCE_BYTES = 512 };

/* What is being explained. */
struct explain {
	const struct session *session;
	const struct view_clock *clock;
	struct verdict verdict;
	json_t *facts;
};

static void say(const struct explain *explain, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct explain *explain, const char *format, ...)
{
	char sentence[SENTENCE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	(void)json_array_append_new(explain->facts, view_foreign_new(sentence));
}

struct span_text {
	char text[DURATION_TEXT_BYTES];
};

static struct span_text span(int64_t ns)
{
	struct span_text span;

	duration_format(ns, span.text);
	return span;
}

static int64_t ago(const struct explain *explain, int64_t at_ns)
{
	return explain->clock->now_ns > at_ns ? explain->clock->now_ns - at_ns : 0;
}

struct moment_text {
	char text[CLOCK_TEXT_BYTES + 8];
};

/* "10:11:12 UTC", with the day when it is not within a day of now. */
static struct moment_text moment(const struct explain *explain, int64_t at_ns)
{
	const int64_t off_ns = at_ns > explain->clock->now_ns ? at_ns - explain->clock->now_ns
							      : ago(explain, at_ns);
	struct moment_text moment;
	/* "2026-11-22T10:11:12Z" */
	enum { DATE_BYTES = 10, HOURS_AT = 11, HOURS_BYTES = 8 };
	char time[CLOCK_TEXT_BYTES];

	view_time(explain->clock, at_ns, time);
	(void)snprintf(moment.text, sizeof(moment.text), "%.*s%s%.*s UTC",
		       off_ns < DAY_NS ? 0 : DATE_BYTES, time, off_ns < DAY_NS ? "" : " ",
		       HOURS_BYTES, time + HOURS_AT);
	return moment;
}

/* "between 14m3s and 14m5s ago", or "14m ago" when that is the same. */
static void say_bounds(const struct explain *explain, const struct bounds *bounds, char *text,
		       size_t size)
{
	const struct span_text near = span(ago(explain, bounds->latest_ns));
	const struct span_text far = span(ago(explain, bounds->earliest_ns));

	text[0] = '\0';
	if (text_equal(near.text, far.text))
		(void)text_append(text, size, "%s ago", near.text);
	else
		(void)text_append(text, size, "between %s and %s ago", near.text, far.text);
}

/* `what` is "input", or "input on pts/3"; `note` is "" or ", which ..." */
static void say_use(const struct explain *explain, const char *what, const struct bounds *bounds,
		    const char *note)
{
	const struct session *session = explain->session;
	char between[2 * DURATION_TEXT_BYTES + 32];

	say_bounds(explain, bounds, between, sizeof(between));
	if (bounds->latest_ns >= session->observed_at_ns)
		say(explain, "%s was seen at the last look (%s)%s", what, between, note);
	else if (bounds->earliest_ns <= session->facts.started_at_ns)
		say(explain, "no %s seen since the session began %s ago, none for certain for %s%s",
		    what, span(ago(explain, session->facts.started_at_ns)).text,
		    span(ago(explain, bounds->latest_ns)).text, note);
	else
		say(explain, "no %s since %s (%s)%s", what, moment(explain, bounds->latest_ns).text,
		    between, note);
}

static size_t count_terminals(const struct session *session)
{
	size_t n = 0;

	for (size_t i = 0; i < session->n_channels; i++)
		n += session->channels[i].facts.tty >= 0;
	return n;
}

/* "pts/3", or "exec 1234", or "forward". */
static void name_channel(const struct channel *channel, char *text, size_t size)
{
	text[0] = '\0';
	if (channel->facts.tty >= 0)
		(void)text_append(text, size, "pts/%d", channel->facts.tty);
	else if (channel->facts.pid != 0)
		(void)text_append(text, size, "%s %d",
				  policy_kind_name((enum channel_kind)channel->facts.kind),
				  channel->facts.pid);
	else
		(void)text_append(text, size, "%s",
				  policy_kind_name((enum channel_kind)channel->facts.kind));
}

/* Kinds of open channels for which this use counts, or does not: "shell, sftp". */
static size_t list_kinds(const struct session *session, enum use use, bool counts, char *text,
			 size_t size)
{
	uint32_t kinds = 0;
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < session->n_channels; i++)
		if (!(session->channels[i].policy->counts & USE_BIT(use)) == !counts)
			kinds |= 1U << session->channels[i].facts.kind;
	for (uint32_t kind = 0; kind < KIND_N; kind++)
		if (kinds & (1U << kind))
			(void)text_append(text, size, "%s%s", n++ > 0 ? ", " : "",
					  policy_kind_name((enum channel_kind)kind));
	return n;
}

/* Says which kinds this use is no use of. */
static void say_connection_use(const struct explain *explain, enum use use)
{
	char kinds[64], note[128] = "";

	if (list_kinds(explain->session, use, false, kinds, sizeof(kinds)) > 0)
		(void)text_append(note, sizeof(note), ", which does not count as use of: %s",
				  kinds);
	say_use(explain, policy_use_name(use), &explain->session->uses[use], note);
}

static void say_inputs(const struct explain *explain)
{
	const struct session *session = explain->session;

	if (count_terminals(session) < 2) {
		const struct channel *only = NULL;

		for (size_t i = 0; i < session->n_channels; i++)
			if (session->channels[i].facts.tty >= 0)
				only = &session->channels[i];
		if (!only || session->n_channels > 1)
			say_connection_use(explain, USE_INPUT);
		else
			say_use(explain, "input", &only->input, "");
		return;
	}
	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *channel = &session->channels[i];
		char what[64];

		if (channel->facts.tty < 0)
			continue;
		(void)snprintf(what, sizeof(what), "input on pts/%d", channel->facts.tty);
		say_use(explain, what, &channel->input, "");
	}
}

static bool forwards(const struct session *session)
{
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].facts.kind == KIND_FORWARD)
			return true;
	return session->forward_opened > 0;
}

static void say_work(const struct explain *explain)
{
	for (size_t i = 0; i < explain->session->n_channels; i++) {
		const struct channel *channel = &explain->session->channels[i];
		char name[64], what[128], note[96] = "";

		if (!(channel->policy->counts & USE_BIT(USE_WORK)))
			continue;
		if (channel->policy->work_max_ns != TIME_NEVER)
			(void)snprintf(note, sizeof(note),
				       ", and work alone keeps it for at most %s",
				       span(channel->policy->work_max_ns).text);
		if (channel->facts.pid == 0 && channel->facts.kind == KIND_EXEC)
			say(explain,
			    "the command has ended, and what it left in the background holds its "
			    "output: whether that works cannot be seen, and counts as work%s",
			    note);
		if (channel->facts.pid == 0)
			continue;
		name_channel(channel, name, sizeof(name));
		(void)snprintf(what, sizeof(what), "work (CPU time that counts) of %s", name);
		say_use(explain, what, &channel->work, note);
	}
}

/* What the client's side shows that is no use. */
static void say_client(const struct explain *explain)
{
	const struct session *session = explain->session;
	const int64_t heard_ns = session->liveness.program.latest_ns;
	const int64_t input_ns = session->uses[USE_INPUT].latest_ns;

	if (!session->liveness.known)
		return;
	if (heard_ns > input_ns + SILENCE_SLACK_NS && !forwards(session))
		say(explain,
		    "the client's program sent something %s ago that was not input: "
		    "keepalives and answers are not use",
		    span(ago(explain, heard_ns)).text);
	else if (input_ns < session->observed_at_ns)
		say(explain, "the client sent nothing at all for %s",
		    span(ago(explain, heard_ns)).text);
	if (session->known & SAMPLE_AGENT)
		say(explain, "an agent is forwarded: its answers may count as input");
}

static void say_unanswered(const struct explain *explain)
{
	const struct liveness *liveness = &explain->session->liveness;
	const uint32_t pings = liveness_pings_unanswered(liveness);
	const uint32_t probes = liveness_probes_unanswered(liveness);

	if (liveness->no_ping)
		say(explain, "the client's machine cannot be pinged, so it is never called dead");
	else if (pings > 0)
		say(explain,
		    "the client's machine was pinged %u time%s since then and did not answer",
		    pings, pings == 1 ? "" : "s");
	if (probes > 0)
		say(explain,
		    "%u probe%s of the server reached the client's machine, and its program did not "
		    "answer",
		    probes, probes == 1 ? "" : "s");
	if (liveness_is_full(liveness))
		say(explain,
		    "output waits and the client's program does not read it (its window is "
		    "full)");
}

/* The client's two clocks, what they are measured against, and what they cannot show. */
static void say_alive(const struct explain *explain)
{
	const struct session *session = explain->session;
	const struct liveness *liveness = &session->liveness;
	size_t channel;
	const struct liveness_terms terms = judge_alive_terms(session, &channel);
	char between[2 * DURATION_TEXT_BYTES + 32];

	if (!liveness->known)
		return;
	say_bounds(explain, &liveness->host, between, sizeof(between));
	say(explain, "the client's machine gave its last sign of life %s", between);
	say_bounds(explain, &liveness->program, between, sizeof(between));
	say(explain, "the client's program gave its last sign of life %s", between);
	say_unanswered(explain);
	if (terms.limit_ns == TIME_NEVER) {
		say(explain, "a client that does not answer is not ended (ClientAliveInterval or "
			     "ClientAliveCountMax is 0)");
		return;
	}
	say(explain, "a client that does not answer is %s after %s (ClientAlive set at %s)",
	    session->channels[channel].policy->idle_action == ACTION_REPORT ? "reported" : "ended",
	    span(terms.limit_ns).text, session->channels[channel].policy->client_alive_source);
	if (!liveness_has_probes(liveness) && !liveness_is_full(liveness))
		say(explain,
		    "no probe of the server has been seen on this connection (they are off, or "
		    "withheld while the session prints): a client program that has stopped cannot "
		    "be told from a silent one, and ends under its idle limit");
}

/* Each lack, and that it speaks for the session. */
static void say_unknown(const struct explain *explain)
{
	static const struct {
		uint32_t known;
		const char *what;
	} lacks[] = {
		{ SAMPLE_IO, "the ledger cannot be read (I/O counts of the server's process)" },
		{ SAMPLE_SOCKET, "the connection's socket cannot be asked" },
		{ SAMPLE_CHANNELS, "what is open in the connection cannot be told for certain" },
		{ SAMPLE_FORWARDS, "the traffic of forwarded connections cannot be read" },
	};
	const struct session *session = explain->session;

	if (session->known == 0 && session->observed_at_ns <= session->first_seen_ns) {
		say(explain, "no look has been taken at it yet: it counts as used until then");
		return;
	}
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++)
		if (!(session->known & lacks[i].known))
			say(explain, "%s: what is not known counts as use", lacks[i].what);
	if (session->known & SAMPLE_UNMEASURED)
		say(explain,
		    "a forwarded connection is open on which the kernel counts nothing (a unix socket): "
		    "all input and output counts as its traffic too");
	if (session->ledger.unusable)
		say(explain,
		    "the ledger cannot be used: the kernel does not count this server's I/O, "
		    "so every look counts as use");
}

static void say_terminals(const struct explain *explain)
{
	const struct session *session = explain->session;
	const size_t terminals = count_terminals(session);
	size_t past = 0;

	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *channel = &session->channels[i];
		const struct bounds last = session_channel_last_use(session, channel);

		if (channel->facts.tty < 0)
			continue;
		if (ago(explain, last.latest_ns) >= channel->policy->idle_timeout_ns)
			past++;
		if (session_channel_notes(channel)->hung_up_at_ns != 0)
			say(explain, "pts/%d was hung up %s ago", channel->facts.tty,
			    span(ago(explain, session_channel_notes(channel)->hung_up_at_ns)).text);
		else if (session_channel_notes(channel)->warned_at_ns > last.latest_ns)
			say(explain, "pts/%d was warned %s ago", channel->facts.tty,
			    span(ago(explain, session_channel_notes(channel)->warned_at_ns)).text);
	}
	if (terminals > 1)
		say(explain, "%zu of %zu terminals %s past the limit", past, terminals,
		    past == 1 ? "is" : "are");
	else if (session->n_channels > 1)
		say(explain,
		    "%u channels are open; the connection ends when all are past their limits",
		    session->n_channels);
}

static void say_done(const struct explain *explain)
{
	const struct session *session = explain->session;

	if (session_notes(session)->kept_until_ns > explain->clock->now_ns)
		say(explain, "somebody asked to keep it until %s",
		    moment(explain, session_notes(session)->kept_until_ns).text);
	if (session_notes(session)->warned_at_ns != 0)
		say(explain, "it was warned at %s, %s ago",
		    moment(explain, session_notes(session)->warned_at_ns).text,
		    span(ago(explain, session_notes(session)->warned_at_ns)).text);
	if (session_notes(session)->reported_at_ns != 0)
		say(explain, "it was reported at %s",
		    moment(explain, session_notes(session)->reported_at_ns).text);
}

static void say_all(const struct explain *explain)
{
	say_unknown(explain);
	if (explain->session->facts.container)
		say(explain,
		    "it runs in a container: its user is known by number only, and its terminals "
		    "cannot be parked");
	say_inputs(explain);
	say_connection_use(explain, USE_OUTPUT);
	if (forwards(explain->session))
		say_connection_use(explain, USE_TRAFFIC);
	say_work(explain);
	say_client(explain);
	say_alive(explain);
	say_terminals(explain);
	say_done(explain);
}

/* What happens next, and when (TIME_NEVER: at no time that is known). */
struct next {
	char text[SENTENCE_BYTES];
	int64_t at_ns;
};

static void next_is(struct next *next, int64_t at_ns, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void next_is(struct next *next, int64_t at_ns, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(next->text, sizeof(next->text), format, arguments);
	va_end(arguments);
	next->at_ns = at_ns;
}

static void next_in_use(const struct explain *explain, const struct channel *channel,
			struct next *next)
{
	const struct verdict *verdict = &explain->verdict;
	const struct moment_text end = moment(explain, verdict->end_at_ns);
	const char *unless = count_terminals(explain->session) > 0 ? "unless a key is pressed"
								   : "unless it is used";
	const bool parks =
		judge_action(explain->session, verdict->channel, verdict->end_at_ns) == ACTION_PARK;
	const char *how = parks ? "the end (parked)" : "the end";

	if (verdict->end_at_ns == TIME_NEVER)
		next_is(next, TIME_NEVER, "nothing is due; the next look decides");
	else if (channel->policy->idle_action == ACTION_REPORT)
		next_is(next, verdict->end_at_ns,
			"at %s it is reported in the log, unless it is used; nothing is done to it "
			"(IdleAction report)",
			end.text);
	else if (verdict->warn_at_ns != TIME_NEVER && verdict->rule == RULE_IN_USE)
		next_is(next, verdict->warn_at_ns, "a warning at %s, and %s at %s, %s",
			moment(explain, verdict->warn_at_ns).text, how, end.text, unless);
	else
		next_is(next, verdict->end_at_ns, "%s at %s, %s", how, end.text, unless);
}

static void next_kept(const struct explain *explain, struct next *next)
{
	const int64_t until_ns = session_notes(explain->session)->kept_until_ns;
	int64_t end_ns = TIME_NEVER;

	(void)view_deciding(explain->session, &end_ns);
	if (end_ns != TIME_NEVER && end_ns <= until_ns)
		next_is(next, until_ns,
			"it is kept until %s; if it is not used by then, it is over its limit",
			moment(explain, until_ns).text);
	else
		next_is(next, until_ns, "it is kept until %s; after that its limit decides",
			moment(explain, until_ns).text);
}

static void next_terminal(const struct explain *explain, const struct channel *channel,
			  struct next *next)
{
	const bool report = policy_terminal_action(channel->policy) == ACTION_REPORT;

	if (explain->verdict.rule == RULE_TERMINAL_WARN)
		next_is(next, explain->verdict.end_at_ns,
			"pts/%d alone is %s at %s, unless a key is pressed there; the connection goes on",
			channel->facts.tty, report ? "reported" : "hung up",
			moment(explain, explain->verdict.end_at_ns).text);
	else
		next_is(next, TIME_NEVER, "pts/%d alone is %s; the connection goes on",
			channel->facts.tty, report ? "reported" : "being hung up");
}

/* The client is silent, and its end comes before any other. */
static bool next_unanswered(const struct explain *explain, struct next *next)
{
	const int64_t at_ns = explain->verdict.alive_end_at_ns;

	if (at_ns == TIME_NEVER || at_ns >= explain->verdict.end_at_ns ||
	    explain->session->phase == PHASE_ENDING)
		return false;
	next_is(next, at_ns, "the end at %s, unless the client answers",
		moment(explain, at_ns).text);
	return true;
}

static void find_next(const struct explain *explain, const struct channel *channel,
		      struct next *next)
{
	const int64_t now_ns = explain->clock->now_ns;

	if (next_unanswered(explain, next))
		return;

	if (explain->session->phase == PHASE_ENDING) {
		next_is(next, now_ns, "it is being ended");
		return;
	}
	if (!channel) {
		next_is(next, TIME_NEVER, "nothing is due; what is open in it is not known yet");
		return;
	}
	switch (explain->verdict.rule) {
	case RULE_KEPT:
		next_kept(explain, next);
		return;
	case RULE_UNLIMITED:
		next_is(next, TIME_NEVER, "nothing: %s has no limit",
			policy_kind_name((enum channel_kind)channel->facts.kind));
		return;
	case RULE_ASKED:
	case RULE_DISCONNECT:
	case RULE_UNRESPONSIVE_HOST:
	case RULE_UNRESPONSIVE_PROGRAM:
		next_is(next, now_ns, "it is ended now");
		return;
	case RULE_REPORT:
		next_is(next, TIME_NEVER,
			"nothing: it was reported, and IdleAction is report; use starts its time anew");
		return;
	case RULE_HELD:
		next_is(next, TIME_NEVER,
			"it is ended as soon as MaxCuts allows, unless it is used");
		return;
	case RULE_TERMINAL_WARN:
	case RULE_TERMINAL_HANGUP:
		next_terminal(explain, channel, next);
		return;
	case RULE_IN_USE:
	case RULE_WARN:
	case RULE_N:
		next_in_use(explain, channel, next);
		return;
	}
}

static json_t *channels_new(const struct explain *explain)
{
	json_t *channels = json_array();

	for (size_t i = 0; i < explain->session->n_channels; i++)
		(void)json_array_append_new(
			channels, view_channel_new(explain->session, &explain->session->channels[i],
						   explain->clock));
	return channels;
}

static json_t *until_new(const struct explain *explain, int64_t at_ns)
{
	if (at_ns == TIME_NEVER)
		return json_null();
	return view_span_new(at_ns > explain->clock->now_ns ? at_ns - explain->clock->now_ns : 0);
}

static bool is_unresponsive(const struct verdict *verdict)
{
	const enum judge_rule rule = verdict->rule == RULE_HELD ? verdict->held : verdict->rule;

	return rule == RULE_UNRESPONSIVE_HOST || rule == RULE_UNRESPONSIVE_PROGRAM;
}

json_t *explain_session_new(struct engine *engine, const struct session *session,
			    const struct view_clock *clock)
{
	struct explain explain = { .session = session,
				   .clock = clock,
				   .verdict = engine_verdict(engine, session),
				   .facts = json_array() };
	const struct channel *channel = NULL;
	struct next next = { .at_ns = TIME_NEVER };
	const char *source = NULL;
	char reason[SENTENCE_BYTES];

	if (explain.verdict.channel < session->n_channels)
		channel = &session->channels[explain.verdict.channel];
	if (channel)
		source = is_unresponsive(&explain.verdict) ? channel->policy->client_alive_source
							   : channel->policy->timeout_source;
	say_all(&explain);
	find_next(&explain, channel, &next);
	engine_reason(session, &explain.verdict, clock->now_ns, reason, sizeof(reason));
	return json_pack("{s:o,s:o,s:i,s:s,s:o,s:o,s:o,s:o,s:o}", "session",
			 view_session_new(engine, session, clock), "channels",
			 channels_new(&explain), "rule", (int)explain.verdict.rule, "rule_name",
			 judge_rule_name(explain.verdict.rule), "reason", view_text_new(reason),
			 "source", view_text_new(source ? source : "default"), "facts",
			 explain.facts, "next", view_text_new(next.text), "next_in_s",
			 until_new(&explain, next.at_ns));
}
