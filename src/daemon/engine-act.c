/* From a verdict to an order for the monitor, a line in the log, and an event. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/clock.h"
#include "daemon/engine-table.h"
#include "server/server.h"

#define NAME_BYTES 160
#define TAGS_BYTES 512

/* After an order that the monitor refused because something moved. */
#define RETRY_AFTER_NS (50 * NS_PER_MS)

/* "41 of alice", "41" while the user is not known. */
static void session_words(const struct session *session, char ret_text[static NAME_BYTES])
{
	char user[NAME_BYTES / 2];

	text_escape(session->user, true, user, sizeof(user));
	if (user[0] != '\0')
		(void)snprintf(ret_text, NAME_BYTES, "%u of %s", session->id, user);
	else
		(void)snprintf(ret_text, NAME_BYTES, "%u", session->id);
}

static void session_tags(const struct session *session, char ret_text[static TAGS_BYTES])
{
	const char *before = " tty=";

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
	text_append(ret_text, TAGS_BYTES, " from=%s port=%u pid=%d", session->facts.peer,
		    session->facts.peer_port, session->facts.identity.pid);
}

/* "no input", "no input, output or work": what did not happen, of all that counts for the channel.
 */
static void lack_words(const struct channel *channel, char *ret_text, size_t size)
{
	unsigned left = 0;
	const char *glue = "";

	if (channel->facts.kind == KIND_NONE || channel->policy.counts == 0) {
		(void)text_copy(channel->facts.kind == KIND_NONE ? "nothing open" : "open",
				ret_text, size);
		return;
	}
	for (enum use use = 0; use < USE_N; use++)
		left += (channel->policy.counts & USE_BIT(use)) != 0;
	(void)text_copy("no ", ret_text, size);
	for (enum use use = 0; use < USE_N; use++) {
		if (!(channel->policy.counts & USE_BIT(use)))
			continue;
		text_append(ret_text, size, "%s%s", glue, policy_use_name(use));
		left--;
		glue = left == 1 ? " or " : ", ";
	}
}

static void idle_words(const struct session *session, const struct channel *channel, char *ret_text,
		       size_t size)
{
	int64_t idle_ns =
		session->observed_at_ns - session_channel_last_use(session, channel).latest_ns;
	char span[DURATION_TEXT_BYTES];

	duration_format(idle_ns, span);
	lack_words(channel, ret_text, size);
	text_append(ret_text, size, " for %s", span);
}

void engine_reason(const struct session *session, const struct verdict *verdict, char *ret_text,
		   size_t size)
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
		clock_format_utc(session->kept_until_ns, text);
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
	idle_words(session, channel, ret_text, size);
}

/* What the monitor has to find unmoved before it acts. */
static struct order_guard guard_of(const struct session *session, const struct channel *terminal)
{
	const struct sample *last = &session->ledger.last;
	struct order_guard guard = {
		.plain_in = session->ledger.high_in,
		.plain_out = session->ledger.high_out,
		.observed_at_ns = session->observed_at_ns,
		.traffic = last->forward_written + last->forward_read,
		.forward_opened = session->forward_opened,
	};

	if (terminal) {
		guard.atime_s = terminal->last.atime_s;
		guard.uses = USE_BIT(USE_INPUT);
		return guard;
	}
	/* With nothing open any movement is the sign of something opened meanwhile. */
	for (size_t i = 0; i < session->n_channels; i++)
		guard.uses |= session->channels[i].facts.kind == KIND_NONE
				      ? USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT)
				      : session->channels[i].policy.counts;
	guard.uses |= USE_BIT(USE_INPUT);
	return guard;
}

static void warn_text(const struct session *session, const struct verdict *verdict,
		      const char *what, char *ret_text)
{
	char reason[128], at[CLOCK_TEXT_BYTES], in[DURATION_TEXT_BYTES];

	idle_words(session, &session->channels[verdict->channel], reason, sizeof(reason));
	clock_format_local(verdict->end_at_ns, at);
	duration_format((verdict->end_at_ns - engine_now_ns() + NS_PER_S / 2) / NS_PER_S * NS_PER_S,
			in);
	(void)snprintf(ret_text, ORDER_TEXT_BYTES,
		       "sshidle: %s. This %s ends at %s (in %s). Press any key to keep it.", reason,
		       what, at, in);
}

static void order_warning(struct entry *entry, const struct verdict *verdict, int32_t tty)
{
	struct order_warn order = { .handle = entry->handle, .tty = tty };
	char who[NAME_BYTES], tags[TAGS_BYTES], reason[128], in[DURATION_TEXT_BYTES];
	struct session *session = &entry->session;

	warn_text(session, verdict, tty < 0 ? "session" : "terminal", order.text);
	engine_send(entry->engine, LINK_WARN, &order, sizeof(order));
	entry->engine->warnings++;
	session_words(session, who);
	session_tags(session, tags);
	idle_words(session, &session->channels[verdict->channel], reason, sizeof(reason));
	duration_format(verdict->end_at_ns - session->observed_at_ns, in);
	if (tty < 0)
		log_info("warned session %s: %s, ends in %s  rule=%d %s", who, reason, in,
			 verdict->rule, tags);
	else
		log_info("warned pts/%d of session %s: %s, ends in %s  rule=%d %s", tty, who,
			 reason, in, verdict->rule, tags);
	engine_tell(entry, EVENT_WARNED, verdict->rule, tty, reason);
}

/* A warning that stood is void: the session was used, or its limit or keep has changed. */
static void cancel_warnings(struct entry *entry, const struct verdict *verdict)
{
	struct session *session = &entry->session;
	char who[NAME_BYTES], tags[TAGS_BYTES];
	const char *why = verdict->rule == RULE_IN_USE ? "use" : judge_rule_name(verdict->rule);

	if (session->warned_at_ns == 0 || verdict->rule == RULE_WARN ||
	    (verdict->rule >= RULE_DISCONNECT && verdict->rule <= RULE_HELD))
		return;
	session->warned_at_ns = 0;
	session_words(session, who);
	session_tags(session, tags);
	log_info("%s cancelled the warning of session %s  rule=%d %s", why, who, verdict->rule,
		 tags);
	engine_tell(entry, EVENT_CANCELLED, verdict->rule, -1, why);
}

static void begin_end(struct entry *entry, const struct verdict *verdict)
{
	const struct session *session = &entry->session;

	entry->ending = *verdict;
	entry->last_use_at_ns =
		session_channel_last_use(session, &session->channels[verdict->channel]).latest_ns;
	if (verdict->rule != RULE_ASKED)
		idle_words(session, &session->channels[verdict->channel], entry->reason,
			   sizeof(entry->reason));
}

/*
 * The record of a cut, all but its outcome.  Made before the order is given, as the list of
 * channels may be another one when it is done, and saved, so that the next daemon can give it when
 * this one does not live to.
 */
static void open_record(struct entry *entry)
{
	struct session *session = &entry->session;
	const struct policy *policy = &session->channels[entry->ending.channel].policy;
	char who[NAME_BYTES], tags[TAGS_BYTES], last[CLOCK_TEXT_BYTES], limit[DURATION_TEXT_BYTES];
	char *record;

	session_words(session, who);
	session_tags(session, tags);
	clock_format_utc(entry->last_use_at_ns, last);
	duration_format_exact(policy->idle_timeout_ns, limit);
	if (asprintf(&record, "cut session %s: %s  rule=%d %s limit=%s last=%s config=%s", who,
		     entry->reason, entry->ending.rule, tags, limit, last,
		     policy->timeout_source) < 0)
		return;
	free(session->record);
	session->record = record;
	engine_save_now(entry->engine);
}

static void order_cut(struct entry *entry, const struct verdict *verdict)
{
	const struct session *session = &entry->session;
	const struct policy *policy = &session->channels[verdict->channel].policy;
	struct order_cut order = { .handle = entry->handle };

	order.guard = guard_of(session, NULL);
	order.hang_up = policy->after_cut == AFTER_HANGUP;
	begin_end(entry, verdict);
	open_record(entry);
	(void)snprintf(order.text, sizeof(order.text), "sshidle: session ended: %s.",
		       entry->reason);
	entry->session.phase = PHASE_ENDING;
	brake_note_cut(rules_brake(entry), engine_now_ns());
	engine_send(entry->engine, LINK_CUT, &order, sizeof(order));
}

int act_cut_asked(struct entry *entry, const char *who, const char *message)
{
	struct verdict verdict = { .rule = RULE_ASKED, .end_at_ns = entry->session.observed_at_ns };
	struct order_cut order = { .handle = entry->handle };
	char said[ORDER_TEXT_BYTES / 2] = "";

	if (entry->session.phase == PHASE_ENDING || entry->session.n_channels == 0)
		return -EALREADY;
	text_escape(message ? message : "", false, said, sizeof(said));
	order.hang_up = entry->session.channels[0].policy.after_cut == AFTER_HANGUP;
	begin_end(entry, &verdict);
	(void)snprintf(entry->reason, sizeof(entry->reason), "asked by %s%s%s", who,
		       said[0] != '\0' ? ": " : "", said);
	open_record(entry);
	(void)snprintf(order.text, sizeof(order.text), "sshidle: session ended by %s%s%s", who,
		       said[0] != '\0' ? ": " : ".", said);
	entry->session.phase = PHASE_ENDING;
	engine_send(entry->engine, LINK_CUT, &order, sizeof(order));
	return 0;
}

static void order_hangup(struct entry *entry, const struct verdict *verdict)
{
	struct session *session = &entry->session;
	struct channel *channel = &session->channels[verdict->channel];
	struct order_hangup order = { .handle = entry->handle, .tty = channel->facts.tty };

	order.guard = guard_of(session, channel);
	begin_end(entry, verdict);
	(void)snprintf(order.text, sizeof(order.text), "sshidle: terminal ended: %s.",
		       entry->reason);
	channel->hung_up_at_ns = engine_now_ns();
	brake_note_cut(rules_brake(entry), channel->hung_up_at_ns);
	engine_send(entry->engine, LINK_HANGUP, &order, sizeof(order));
}

static void say_report(struct entry *entry, const struct verdict *verdict)
{
	struct session *session = &entry->session;
	struct channel *channel = &session->channels[verdict->channel];
	char who[NAME_BYTES], tags[TAGS_BYTES], reason[128];

	session_words(session, who);
	session_tags(session, tags);
	idle_words(session, channel, reason, sizeof(reason));
	if (verdict->rule == RULE_REPORT) {
		session->reported_at_ns = session->observed_at_ns;
		log_info("would cut session %s: %s  rule=%d %s", who, reason, verdict->rule, tags);
		engine_tell(entry, EVENT_REPORTED, verdict->rule, -1, reason);
		return;
	}
	channel->hung_up_at_ns = session->observed_at_ns;
	log_info("would hang up pts/%d of session %s: %s  rule=%d %s", channel->facts.tty, who,
		 reason, verdict->rule, tags);
	engine_tell(entry, EVENT_REPORTED, verdict->rule, channel->facts.tty, reason);
}

/* The alarm is given once for each time that the brake gets hold of sessions. */
static void note_held(struct entry *entry, const struct verdict *verdict)
{
	struct engine *engine = entry->engine;
	char reason[128], span[DURATION_TEXT_BYTES];
	size_t n = 0;

	if (verdict->rule != RULE_HELD) {
		entry->held = false;
		return;
	}
	if (entry->held)
		return;
	entry->held = true;
	engine->held++;
	for (size_t i = 0; i < engine->n_entries; i++)
		n += engine->entries[i]->held;
	duration_format(engine->brake.span_ns, span);
	if (n == 1)
		log_alert("brake: %u sessions were ended within %s (MaxCuts), more are past their "
			  "limit and are held back; see sshidle list",
			  engine->brake.most, span);
	idle_words(&entry->session, &entry->session.channels[verdict->channel], reason,
		   sizeof(reason));
	engine_tell(entry, EVENT_HELD, verdict->rule, -1, reason);
}

void act_on_verdict(struct entry *entry)
{
	struct session *session = &entry->session;
	const struct verdict *verdict = &entry->verdict;
	struct channel *channel = &session->channels[verdict->channel];

	if (verdict->rule == RULE_IN_USE)
		entry->refused = 0;
	cancel_warnings(entry, verdict);
	note_held(entry, verdict);
	switch (verdict->action) {
	case VERDICT_NONE:
		return;
	case VERDICT_WARN:
		session->warned_at_ns = session->observed_at_ns;
		order_warning(entry, verdict, -1);
		break;
	case VERDICT_WARN_TERMINAL:
		channel->warned_at_ns = session->observed_at_ns;
		order_warning(entry, verdict, channel->facts.tty);
		break;
	case VERDICT_DISCONNECT:
		order_cut(entry, verdict);
		break;
	case VERDICT_HANGUP_TERMINAL:
		order_hangup(entry, verdict);
		break;
	case VERDICT_REPORT:
		say_report(entry, verdict);
		break;
	}
	engine_save_soon(entry->engine);
}

static void survivor_words(const struct order_cut_done *done, char *ret_text, size_t size)
{
	uint32_t named =
		done->n_survivors < ORDER_SURVIVORS_MAX ? done->n_survivors : ORDER_SURVIVORS_MAX;

	(void)text_copy(done->n_survivors == 0 ? "none" : "", ret_text, size);
	for (uint32_t i = 0; i < named; i++) {
		char foreign[sizeof(done->survivors[i].name)], name[96];

		(void)text_copy(done->survivors[i].name, foreign, sizeof(foreign));
		text_escape(foreign, true, name, sizeof(name));
		text_append(ret_text, size, "%s%d(%s)", i > 0 ? "," : "", done->survivors[i].pid,
			    name);
	}
	if (done->n_survivors > named)
		text_append(ret_text, size, ",+%u", done->n_survivors - named);
}

static void log_cut(const struct entry *entry, const struct order_cut_done *done)
{
	const struct session *session = &entry->session;
	char survivors[1024];

	survivor_words(done, survivors, sizeof(survivors));
	log_info("%s signal=%u lives-on=%s", session->record ? session->record : "cut a session",
		 done->signal, survivors);
}

void act_cut_done(struct entry *entry, const struct order_cut_done *done)
{
	struct session *session = &entry->session;
	char who[NAME_BYTES];

	if (done->result == 0) {
		entry->engine->cuts++;
		entry->told = true;
		log_cut(entry, done);
		engine_tell(entry, EVENT_CUT, entry->ending.rule, -1, entry->reason);
		return;
	}
	session->phase = PHASE_OPEN;
	ledger_expect_notice(&session->ledger, done->notice_bytes, engine_now_ns());
	free(session->record);
	session->record = NULL;
	entry->retry_at_ns = engine_now_ns() + RETRY_AFTER_NS;
	if (entry->ending.rule != RULE_ASKED)
		brake_take_back(rules_brake(entry));
	session_words(session, who);
	if (done->result == -EBUSY && entry->refused++ == 0)
		log_info("session %s was used at the last moment and is not cut", who);
	else if (done->result != -EBUSY)
		log_error("session %s could not be ended: %s", who, strerror(-done->result));
}

void act_hangup_done(struct entry *entry, const struct order_hangup_done *done)
{
	const struct session *session = &entry->session;
	char who[NAME_BYTES], tags[TAGS_BYTES], last[CLOCK_TEXT_BYTES];

	session_words(session, who);
	if (done->result != 0) {
		entry->retry_at_ns = engine_now_ns() + RETRY_AFTER_NS;
		brake_take_back(rules_brake(entry));
		for (size_t i = 0; i < session->n_channels; i++)
			if (session->channels[i].facts.tty == done->tty)
				entry->session.channels[i].hung_up_at_ns = 0;
		if (done->result == -EBUSY && entry->refused++ == 0)
			log_info(
				"pts/%d of session %s was used at the last moment and is not hung up",
				done->tty, who);
		else if (done->result != -EBUSY)
			log_error("pts/%d of session %s could not be hung up: %s", done->tty, who,
				  strerror(-done->result));
		return;
	}
	session_tags(session, tags);
	clock_format_utc(entry->last_use_at_ns, last);
	entry->engine->cuts++;
	log_info("hung up pts/%d of session %s: %s  rule=%d %s last=%s signal=%u", done->tty, who,
		 entry->reason, entry->ending.rule, tags, last, done->signal);
	engine_tell(entry, EVENT_HUNG_UP, entry->ending.rule, done->tty, entry->reason);
}

void act_opened(struct entry *entry)
{
	char who[NAME_BYTES], tags[TAGS_BYTES];

	session_words(&entry->session, who);
	session_tags(&entry->session, tags);
	log_info("session %s from %s %s  %s", who, entry->session.facts.peer,
		 entry->restored ? "is watched again" : "opened", tags);
	engine_tell(entry, EVENT_OPENED, -1, -1, entry->restored ? "watched again" : "opened");
}

void act_closed(struct entry *entry)
{
	char who[NAME_BYTES], tags[TAGS_BYTES];

	/* An order that came too late is not answered: it ended by itself after all. */
	if (entry->told)
		return;
	session_words(&entry->session, who);
	session_tags(&entry->session, tags);
	log_info("session %s ended by itself  %s", who, tags);
	engine_tell(entry, EVENT_CLOSED, -1, -1, "ended by itself");
}

void act_kept(struct entry *entry, const char *who)
{
	char name[NAME_BYTES], reason[160], until[CLOCK_TEXT_BYTES];

	session_words(&entry->session, name);
	if (entry->session.kept_until_ns == 0) {
		(void)snprintf(reason, sizeof(reason), "no longer kept, says %s", who);
	} else {
		clock_format_utc(entry->session.kept_until_ns, until);
		(void)snprintf(reason, sizeof(reason), "kept until %s by %s", until, who);
	}
	log_info("session %s: %s  rule=%d", name, reason, RULE_KEPT);
	engine_tell(entry, EVENT_KEPT, RULE_KEPT, -1, reason);
}
