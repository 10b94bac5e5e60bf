/* What is said of a session in the log, in events and on terminals: prose, and the record of a cut. */
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/text.h"
#include "core/config.h"
#include "daemon/clock.h"
#include "daemon/engine-table.h"
#include "server/server.h"

#define CLOCK_WORDS_BYTES 64

void record_name(const struct session *session, char ret_text[static NAME_BYTES])
{
	char user[NAME_BYTES / 2];

	text_escape(session->user, true, user, sizeof(user));
	if (user[0] != '\0')
		(void)snprintf(ret_text, NAME_BYTES, "%u of %s", session->id, user);
	else
		(void)snprintf(ret_text, NAME_BYTES, "%u", session->id);
}

void record_tags(const struct session *session, char ret_text[static TAGS_BYTES])
{
	const char *before = " tty=";
	char peer[ADDRESS_TEXT_BYTES];

	(void)snprintf(ret_text, TAGS_BYTES, "server=%s", server_name(session->facts.server));
	text_append(ret_text, TAGS_BYTES, " kind=%s",
		    policy_kind_name((enum channel_kind)session_kind(session)));
	for (size_t i = 0; i < session->n_channels; i++) {
		if (session->channels[i].facts.tty < 0)
			continue;
		text_append(ret_text, TAGS_BYTES, "%spts/%d", before,
			    session->channels[i].facts.tty);
		before = ",";
	}
	text_append(ret_text, TAGS_BYTES, " from=%s port=%u pid=%d",
		    address_format(&session->facts.peer, peer), session->facts.peer_port,
		    session->facts.identity.pid);
}

/* "no input", "no input, output or work": what did not happen, of all that counts for the channel.
 */
static void lack_words(const struct channel *channel, char *ret_text, size_t size)
{
	unsigned left = 0;
	const char *glue = "";

	if (channel->facts.kind == KIND_NONE || channel->policy->counts == 0) {
		(void)text_copy(channel->facts.kind == KIND_NONE ? "nothing open" : "open",
				ret_text, size);
		return;
	}
	for (enum use use = 0; use < USE_N; use++)
		left += (channel->policy->counts & USE_BIT(use)) != 0;
	(void)text_copy("no ", ret_text, size);
	for (enum use use = 0; use < USE_N; use++) {
		if (!(channel->policy->counts & USE_BIT(use)))
			continue;
		text_append(ret_text, size, "%s%s", glue, policy_use_name(use));
		left--;
		glue = left == 1 ? " or " : ", ";
	}
}

static void idle_words(const struct session *session, const struct channel *channel, int64_t at_ns,
		       char *ret_text, size_t size)
{
	char span[DURATION_TEXT_BYTES];

	duration_format(at_ns - session_channel_last_use(session, channel).latest_ns, span);
	lack_words(channel, ret_text, size);
	text_append(ret_text, size, " for %s", span);
}

/* "client's machine did not answer for 45s (4 pings)" */
static void unresponsive_words(const struct session *session, enum judge_rule rule, char *ret_text,
			       size_t size)
{
	const struct liveness *liveness = &session->liveness;
	bool host = rule == RULE_UNRESPONSIVE_HOST;
	uint32_t n =
		host ? liveness_pings_unanswered(liveness) : liveness_probes_unanswered(liveness);
	char span[DURATION_TEXT_BYTES];

	duration_format(liveness->looked_at_ns -
				(host ? liveness->host : liveness->program).latest_ns,
			span);
	(void)snprintf(ret_text, size, "client's %s did not answer for %s",
		       host ? "machine" : "program", span);
	if (host)
		text_append(ret_text, size, " (%u ping%s)", n, n == 1 ? "" : "s");
	else if (n > 0)
		text_append(ret_text, size, " (%u probe%s of the server)", n, n == 1 ? "" : "s");
	else
		text_append(ret_text, size, " (its window is full)");
}

bool record_is_unresponsive(const struct verdict *verdict)
{
	enum judge_rule rule = verdict->rule == RULE_HELD ? verdict->held : verdict->rule;

	return rule == RULE_UNRESPONSIVE_HOST || rule == RULE_UNRESPONSIVE_PROGRAM;
}

static void lack_at(const struct session *session, const struct verdict *verdict, int64_t at_ns,
		    char *ret_text, size_t size)
{
	if (record_is_unresponsive(verdict))
		unresponsive_words(session,
				   verdict->rule == RULE_HELD ? verdict->held : verdict->rule,
				   ret_text, size);
	else
		idle_words(session, &session->channels[verdict->channel], at_ns, ret_text, size);
}

void record_lack(const struct session *session, const struct verdict *verdict, char *ret_text,
		 size_t size)
{
	lack_at(session, verdict, session->observed_at_ns, ret_text, size);
}

void engine_reason(const struct session *session, const struct verdict *verdict, int64_t now_ns,
		   char *ret_text, size_t size)
{
	const struct channel *channel;
	char text[CLOCK_TEXT_BYTES];

	if (session->n_channels == 0) {
		(void)text_copy("not looked at yet", ret_text, size);
		return;
	}
	channel = &session->channels[verdict->channel];
	switch (verdict->rule) {
	case RULE_ASKED:
		(void)text_copy("somebody asked for its end", ret_text, size);
		return;
	case RULE_KEPT:
		clock_format_utc(session_notes(session)->kept_until_ns, text);
		(void)snprintf(ret_text, size, "kept until %s", text);
		return;
	case RULE_UNLIMITED:
		(void)snprintf(ret_text, size, "no limit for %s",
			       policy_kind_name((enum channel_kind)channel->facts.kind));
		return;
	case RULE_IN_USE:
	case RULE_WARN:
	case RULE_DISCONNECT:
	case RULE_REPORT:
	case RULE_HELD:
	case RULE_TERMINAL_WARN:
	case RULE_TERMINAL_HANGUP:
	case RULE_UNRESPONSIVE_HOST:
	case RULE_UNRESPONSIVE_PROGRAM:
	case RULE_N:
		break;
	}
	lack_at(session, verdict, now_ns, ret_text, size);
}

/* "900.01..901.93s": so long ago at least and at most. */
static void clock_words(const struct bounds *last, int64_t now_ns,
			char ret_text[static CLOCK_WORDS_BYTES])
{
	int64_t least_ns = now_ns > last->latest_ns ? now_ns - last->latest_ns : 0;
	int64_t most_ns = now_ns > last->earliest_ns ? now_ns - last->earliest_ns : 0;

	(void)snprintf(ret_text, CLOCK_WORDS_BYTES, "%.2f..%.2fs",
		       (double)(least_ns / NS_PER_MS) / 1000,
		       (double)(most_ns / NS_PER_MS + 1) / 1000);
}

/* The three clocks, each with its bounds, at the moment of the order. */
static void clocks_words(const struct entry *entry, char *ret_text, size_t size)
{
	const struct session *session = &entry->session;
	const struct bounds idle = session_channel_last_use(
		session, &session->channels[entry->ending->verdict.channel]);
	char idle_for[CLOCK_WORDS_BYTES], host[CLOCK_WORDS_BYTES] = "unknown";
	char program[CLOCK_WORDS_BYTES] = "unknown";
	int64_t now_ns = engine_now_ns();

	clock_words(&idle, now_ns, idle_for);
	if (session->liveness.known) {
		clock_words(&session->liveness.host, now_ns, host);
		clock_words(&session->liveness.program, now_ns, program);
	}
	(void)snprintf(ret_text, size, "idle=%s host=%s program=%s", idle_for, host, program);
}

/* What the end rests on: its limit, the last use or sign of life, and the line that asks for it. */
static void cause_words(const struct entry *entry, char *ret_text, size_t size)
{
	const struct session *session = &entry->session;
	const struct policy *policy = session->channels[entry->ending->verdict.channel].policy;
	bool unresponsive = record_is_unresponsive(&entry->ending->verdict);
	char last[CLOCK_TEXT_BYTES], limit[DURATION_TEXT_BYTES];

	clock_format_utc(entry->ending->last_use_at_ns, last);
	duration_format_exact(
		unresponsive ? policy_alive_limit_ns(policy) : policy->idle_timeout_ns, limit);
	(void)snprintf(ret_text, size, "limit=%s last=%s config=%s", limit, last,
		       unresponsive ? policy->client_alive_source : policy->timeout_source);
}

char *record_new(const struct entry *entry)
{
	const struct ending *ending = entry->ending;
	bool unresponsive = record_is_unresponsive(&ending->verdict);
	const char *control =
		entry->engine->config->controls[unresponsive ? CONTROL_UNRESPONSIVE : CONTROL_IDLE];
	char who[NAME_BYTES], tags[TAGS_BYTES], cause[TAGS_BYTES], clocks[TAGS_BYTES];
	char *record;

	if (ending->verdict.rule == RULE_ASKED)
		control = NULL;
	record_name(&entry->session, who);
	record_tags(&entry->session, tags);
	cause_words(entry, cause, sizeof(cause));
	clocks_words(entry, clocks, sizeof(clocks));
	if (asprintf(&record, "%s session %s: %s  rule=%d %s %s %s%s%s",
		     ending->parking ? "parked" : "cut", who, ending->reason, ending->verdict.rule,
		     tags, cause, clocks, control ? " control=" : "", control ? control : "") < 0)
		return NULL;
	return record;
}

void record_processes(const struct order_survivor *processes, uint32_t n, bool more, char *ret_text,
		      size_t size)
{
	uint32_t named = n < ORDER_SURVIVORS_MAX ? n : ORDER_SURVIVORS_MAX;

	(void)text_copy(n == 0 && !more ? "none" : "", ret_text, size);
	for (uint32_t i = 0; i < named; i++) {
		char foreign[sizeof(processes[i].name)], name[96];

		(void)text_copy(processes[i].name, foreign, sizeof(foreign));
		text_escape(foreign, true, name, sizeof(name));
		text_append(ret_text, size, "%s%d(%s)", i > 0 ? "," : "", processes[i].pid, name);
	}
	if (n > named)
		text_append(ret_text, size, ",+%u", n - named);
	if (more)
		text_append(ret_text, size, "%sunknown", n > 0 ? "," : "");
}
