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

/* After an order that the monitor refused because something moved. */
#define RETRY_AFTER_NS (50 * NS_PER_MS)

/* After one that failed: a process that does not end, or a terminal that no process leads, which any user
 * can make, is no reason to be busy. */
#define FAILED_RETRY_AFTER_NS (1 * NS_PER_S)
#define HANG_UP_AGAIN_NS      (60 * NS_PER_S)

/* Times in a minute that a session is kept or let go: each is a line in the log, and any user may ask. */
#define KEEPS_MOST    20
#define KEEPS_SPAN_NS (60 * NS_PER_S)

/* What the monitor has to find unmoved before it acts. */
static struct order_guard guard_of(const struct session *session, const struct channel *terminal)
{
	const struct ledger_counts *last = &session->ledger.last;
	struct order_guard guard = {
		.plain_in = session->ledger.high_in,
		.plain_out = session->ledger.high_out,
		.observed_at_ns = session->observed_at_ns,
		.traffic = last->forward_written + last->forward_read,
		.forward_opened = session->forward_opened,
	};

	if (terminal) {
		guard.atime_s = terminal->last.atime_s;
		guard.realtime_offset_ns = session->realtime_offset_ns;
		guard.uses = USE_BIT(USE_INPUT);
		return guard;
	}
	/* With nothing open any movement is the sign of something opened meanwhile. */
	for (size_t i = 0; i < session->n_channels; i++)
		guard.uses |= session->channels[i].facts.kind == KIND_NONE
				      ? USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT)
				      : session->channels[i].policy->counts;
	guard.uses |= USE_BIT(USE_INPUT);
	return guard;
}

/* A client that does not answer: use of the session is no matter, only a sign of life is. */
static struct order_guard guard_of_life(const struct session *session, enum judge_rule rule)
{
	return (struct order_guard){
		.observed_at_ns = session->liveness.looked_at_ns,
		.alive = rule == RULE_UNRESPONSIVE_HOST ? ORDER_ALIVE_HOST : ORDER_ALIVE_PROGRAM,
	};
}

static void warn_text(const struct session *session, const struct verdict *verdict,
		      const char *what, char *ret_text)
{
	char reason[128], at[CLOCK_TEXT_BYTES], in[DURATION_TEXT_BYTES];

	record_lack(session, verdict, reason, sizeof(reason));
	clock_format_local(verdict->end_at_ns, at);
	duration_format((verdict->end_at_ns - engine_now_ns() + NS_PER_S / 2) / NS_PER_S * NS_PER_S,
			in);
	(void)snprintf(ret_text, ORDER_TEXT_BYTES,
		       "sshidle: %s. This %s %s at %s (in %s). Press any key to keep it.", reason,
		       what,
		       verdict->rule == RULE_WARN && park_is_due(session, verdict)
			       ? "is parked (sshidle resume brings it back)"
			       : "ends",
		       at, in);
}

/* It stands its time from now on: the sample may be an old one, where a database of users has held the
 * engine up. */
static int64_t begin_warning(struct entry *entry)
{
	struct verdict *verdict = &entry->verdict;
	const struct policy *policy = entry->session.channels[verdict->channel].policy;
	const int64_t now_ns = engine_now_ns(), end_ns = now_ns + policy_warning_ns(policy);

	if (verdict->end_at_ns < end_ns) {
		if (verdict->next_look_ns == verdict->end_at_ns)
			verdict->next_look_ns = end_ns;
		verdict->end_at_ns = end_ns;
	}
	return now_ns;
}

static void order_warning(struct entry *entry, int32_t tty, int64_t warned_at_ns)
{
	struct order_warn order = { .handle = entry->handle, .tty = tty };
	const struct verdict *verdict = &entry->verdict;
	char who[NAME_BYTES], tags[TAGS_BYTES], reason[128], in[DURATION_TEXT_BYTES];
	struct session *session = &entry->session;

	warn_text(session, verdict, tty < 0 ? "session" : "terminal", order.text);
	engine_send(entry->engine, LINK_WARN, &order, sizeof(order));
	entry->engine->warnings++;
	record_name(session, who);
	record_tags(session, tags);
	record_lack(session, verdict, reason, sizeof(reason));
	duration_format(verdict->end_at_ns - warned_at_ns, in);
	if (tty < 0)
		log_info("warned session %s: %s, ends in %s  rule=%d %s", who, reason, in,
			 verdict->rule, tags);
	else
		log_info("warned pts/%d of session %s: %s, ends in %s  rule=%d %s", tty, who,
			 reason, in, verdict->rule, tags);
	engine_tell(entry, EVENT_WARNED, verdict->rule, tty, reason);
}

/* The warning of a terminal that does not end for now, though it was not used. */
static void forget_terminal_warnings(struct session *session, const struct verdict *verdict)
{
	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *channel = &session->channels[i];

		if (channel->notes &&
		    (verdict->rule == RULE_KEPT || channel->policy->idle_timeout_ns == TIME_NEVER))
			channel->notes->warned_at_ns = 0;
	}
}

/* A warning that stood is void: the session was used, or its limit or keep has changed. */
static void cancel_warnings(struct entry *entry, const struct verdict *verdict)
{
	struct session *session = &entry->session;
	char who[NAME_BYTES], tags[TAGS_BYTES];
	const bool used = verdict->rule == RULE_IN_USE || verdict->rule == RULE_TERMINAL_WARN ||
			  verdict->rule == RULE_TERMINAL_HANGUP;
	const char *why = used ? "use" : judge_rule_name(verdict->rule);

	if (session_notes(session)->warned_at_ns == 0 || verdict->rule == RULE_WARN ||
	    record_is_unresponsive(verdict) ||
	    (verdict->rule >= RULE_DISCONNECT && verdict->rule <= RULE_HELD))
		return;
	session->notes->warned_at_ns = 0;
	record_name(session, who);
	record_tags(session, tags);
	log_info("%s cancelled the warning of session %s  rule=%d %s", why, who, verdict->rule,
		 tags);
	engine_tell(entry, EVENT_CANCELLED, verdict->rule, -1, why);
}

/* Nothing is said or ordered now. */
static void tell_no_memory(struct entry *entry)
{
	log_error("out of memory; session %u is not ended", entry->session.id);
	entry->retry_at_ns = engine_now_ns() + NS_PER_S;
}

/* In `*place`. NULL without memory: nothing is to be ordered now. */
static struct ending *begin_end(struct entry *entry, const struct verdict *verdict,
				struct ending **place)
{
	const struct session *session = &entry->session;
	struct ending *ending = *place ? *place : malloc(sizeof(*ending));

	if (!ending) {
		tell_no_memory(entry);
		return NULL;
	}
	*ending = (struct ending){ .verdict = *verdict };
	*place = ending;
	ending->last_use_at_ns =
		session_channel_last_use(session, &session->channels[verdict->channel]).latest_ns;
	if (verdict->rule == RULE_UNRESPONSIVE_HOST)
		ending->last_use_at_ns = session->liveness.host.latest_ns;
	if (verdict->rule == RULE_UNRESPONSIVE_PROGRAM)
		ending->last_use_at_ns = session->liveness.program.latest_ns;
	if (verdict->rule != RULE_ASKED)
		record_lack(session, verdict, ending->reason, sizeof(ending->reason));
	return ending;
}

/* Made before the order is given, as the list of channels may be another one when it is done, and
 * saved, so that the next daemon can give it when this one does not live to. */
static void open_record(struct entry *entry)
{
	char *record = record_new(entry);

	if (!record)
		return;
	free(entry->session.record);
	entry->session.record = record;
	engine_save_record(entry->engine);
}

static void count_end(struct ending *ending, struct brake *brake, uint32_t uid)
{
	ending->uid = uid;
	ending->ordered_at_ns = engine_now_ns();
	brake_note_cut(brake, uid, ending->ordered_at_ns);
}

static void order_cut(struct entry *entry, const struct verdict *verdict)
{
	const struct session *session = &entry->session;
	const struct policy *policy = session->channels[verdict->channel].policy;
	struct order_cut order = { .handle = entry->handle };
	struct ending *ending = begin_end(entry, verdict, &entry->ending);

	if (!ending)
		return;
	order.guard = record_is_unresponsive(verdict) ? guard_of_life(session, verdict->rule)
						      : guard_of(session, NULL);
	order.hang_up = policy->after_cut == AFTER_HANGUP;
	/* Who does not answer reads nothing. */
	if (!record_is_unresponsive(verdict))
		(void)snprintf(order.text, sizeof(order.text), "sshidle: session ended: %s.",
			       ending->reason);
	if (verdict->action == VERDICT_PARK)
		park_fill(entry, &order);
	open_record(entry);
	entry->session.phase = PHASE_ENDING;
	count_end(ending, rules_brake(entry), turn_of(entry));
	engine_send(entry->engine, LINK_CUT, &order, sizeof(order));
}

int act_cut_asked(struct entry *entry, uint32_t uid, const char *who, const char *message)
{
	struct verdict verdict = { .rule = RULE_ASKED, .end_at_ns = entry->session.observed_at_ns };
	struct order_cut order = { .handle = entry->handle, .asked = 1 };
	char said[ORDER_TEXT_BYTES / 2] = "";
	struct ending *ending;

	if (entry->session.phase == PHASE_ENDING || entry->session.n_channels == 0)
		return -EALREADY;
	if (!turn_may_ask(&entry->engine->asked, uid, engine_now_ns()))
		return -EDQUOT;
	ending = begin_end(entry, &verdict, &entry->ending);
	if (!ending)
		return -ENOMEM;
	text_escape(message ? message : "", false, said, sizeof(said));
	order.hang_up = entry->session.channels[0].policy->after_cut == AFTER_HANGUP;
	(void)snprintf(ending->reason, sizeof(ending->reason), "asked by %s%s%s", who,
		       said[0] != '\0' ? ": " : "", said);
	open_record(entry);
	(void)snprintf(order.text, sizeof(order.text), "sshidle: session ended by %s%s%s", who,
		       said[0] != '\0' ? ": " : ".", said);
	entry->session.phase = PHASE_ENDING;
	entry->waits = false;
	count_end(ending, &entry->engine->asked, uid);
	engine_send(entry->engine, LINK_CUT, &order, sizeof(order));
	return 0;
}

static void order_hangup(struct entry *entry, const struct verdict *verdict)
{
	struct session *session = &entry->session;
	struct channel *channel = &session->channels[verdict->channel];
	struct order_hangup order = { .handle = entry->handle, .tty = channel->facts.tty };
	struct ending *ending;

	/* The monitor does one after the other. */
	if (entry->hanging_up) {
		entry->verdict.next_look_ns = engine_now_ns() + RETRY_AFTER_NS;
		return;
	}
	ending = begin_end(entry, verdict, &entry->hanging_up);
	if (!ending)
		return;
	order.guard = guard_of(session, channel);
	(void)snprintf(order.text, sizeof(order.text), "sshidle: terminal ended: %s.",
		       ending->reason);
	channel->notes->hung_up_at_ns = engine_now_ns();
	count_end(ending, rules_brake(entry), turn_of(entry));
	engine_send(entry->engine, LINK_HANGUP, &order, sizeof(order));
}

static void say_report(struct entry *entry, const struct verdict *verdict)
{
	struct session *session = &entry->session;
	struct channel *channel = &session->channels[verdict->channel];
	char who[NAME_BYTES], tags[TAGS_BYTES], reason[128];

	record_name(session, who);
	record_tags(session, tags);
	record_lack(session, verdict, reason, sizeof(reason));
	if (verdict->rule != RULE_TERMINAL_HANGUP) {
		if (record_is_unresponsive(verdict))
			session->notes->unresponsive_reported_at_ns =
				session->liveness.looked_at_ns;
		else
			session->notes->reported_at_ns = session->observed_at_ns;
		log_info("would cut session %s: %s  rule=%d %s", who, reason, verdict->rule, tags);
		engine_tell(entry, EVENT_REPORTED, verdict->rule, -1, reason);
		return;
	}
	channel->notes->hung_up_at_ns = session->observed_at_ns;
	log_info("would hang up pts/%d of session %s: %s  rule=%d %s", channel->facts.tty, who,
		 reason, verdict->rule, tags);
	engine_tell(entry, EVENT_REPORTED, verdict->rule, channel->facts.tty, reason);
}

/* Before the end of one whose program does not answer its machine is asked anew, every few seconds while it is held:
 * that is no sign of life, and it keeps its place among those that wait. */
static bool is_asked_anew(const struct entry *entry, const struct verdict *verdict)
{
	return entry->held && verdict->action == VERDICT_NONE &&
	       verdict->alive_end_at_ns <= entry->session.liveness.looked_at_ns;
}

/* The alarm is given once for each time that the brake gets hold of sessions. */
static void note_held(struct entry *entry, const struct verdict *verdict)
{
	struct engine *engine = entry->engine;
	char reason[128], span[DURATION_TEXT_BYTES];
	size_t n = 0;

	if (verdict->rule != RULE_HELD) {
		entry->held = is_asked_anew(entry, verdict);
		return;
	}
	if (entry->held)
		return;
	entry->held = true;
	entry->held_since_ns = engine_now_ns();
	engine->held++;
	for (size_t i = 0; i < engine->n_entries && n <= 1; i++)
		n += engine->entries[i]->held;
	duration_format(engine->brake.span_ns, span);
	if (n == 1)
		log_alert("brake: %u sessions were ended within %s (MaxCuts), more are past their "
			  "limit and are held back; see sshidle list",
			  engine->brake.most, span);
	record_lack(&entry->session, verdict, reason, sizeof(reason));
	engine_tell(entry, EVENT_HELD, verdict->rule, -1, reason);
}

void act_on_verdict(struct entry *entry)
{
	struct session *session = &entry->session;
	const struct verdict *verdict = &entry->verdict;
	struct channel *channel = &session->channels[verdict->channel];

	if (verdict->rule == RULE_IN_USE)
		entry->refused = entry->failed = false;
	cancel_warnings(entry, verdict);
	forget_terminal_warnings(session, verdict);
	note_held(entry, verdict);
	if (verdict->action != VERDICT_NONE &&
	    (!session_need_notes(session) || !session_need_channel_notes(channel))) {
		tell_no_memory(entry);
		return;
	}
	switch (verdict->action) {
	case VERDICT_NONE:
		return;
	case VERDICT_WARN:
		session->notes->warned_at_ns = begin_warning(entry);
		order_warning(entry, -1, session->notes->warned_at_ns);
		break;
	case VERDICT_WARN_TERMINAL:
		channel->notes->warned_at_ns = begin_warning(entry);
		order_warning(entry, channel->facts.tty, channel->notes->warned_at_ns);
		break;
	case VERDICT_DISCONNECT:
	case VERDICT_PARK:
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

static void log_cut(const struct entry *entry, const struct order_cut_done *done)
{
	const struct session *session = &entry->session;
	char hung_up[1024], survivors[1024], parked[512];
	const char *record = session->record ? session->record : "cut a session";

	if (done->n_parked > 0) {
		park_words(done, parked, sizeof(parked));
		(void)text_append(parked, sizeof(parked), " drained=%s",
				  done->drained ? "yes" : "no");
	} else if (entry->ending->parking && session->record) {
		record = session->record + strlen("parked ");
	}
	record_processes(done->hung_up, done->n_hung_up, false, hung_up, sizeof(hung_up));
	record_processes(done->survivors, done->n_survivors, done->more_survivors != 0, survivors,
			 sizeof(survivors));
	log_info("%s%s%s%s signal=%u hung-up=%s lives-on=%s",
		 entry->ending->parking && done->n_parked == 0 && session->record ? "cut " : "",
		 record, done->n_parked > 0 ? " parked=" : "", done->n_parked > 0 ? parked : "",
		 done->signal, hung_up, survivors);
}

/* It was given, or is not to be: also by a daemon that starts when this one is killed now. */
static void drop_record(struct entry *entry)
{
	free(entry->session.record);
	entry->session.record = NULL;
	engine_save_record(entry->engine);
}

static void tell_cut(struct entry *entry, const struct order_cut_done *done)
{
	char parked[ORDER_TEXT_BYTES / 2], reason[ORDER_TEXT_BYTES + sizeof(parked)];
	const struct ending *ending = entry->ending;

	entry->told = true;
	log_cut(entry, done);
	drop_record(entry);
	park_alarm(entry, done);
	if (done->n_parked == 0) {
		entry->engine->cuts++;
		engine_tell(entry, EVENT_CUT, ending->verdict.rule, -1, ending->reason);
		return;
	}
	entry->engine->parks++;
	park_words(done, parked, sizeof(parked));
	(void)snprintf(reason, sizeof(reason), "%s; parked as %s", ending->reason, parked);
	engine_tell(entry, EVENT_PARKED, ending->verdict.rule, -1, reason);
}

static bool is_first_refusal(struct entry *entry)
{
	bool first = !entry->refused;

	entry->refused = true;
	return first;
}

/* Once, until it is used again; who has asked for it is told each time. */
static void tell_failed(struct entry *entry, const char *who, int result)
{
	if (!entry->failed || entry->ending->verdict.rule == RULE_ASKED)
		log_error("session %s could not be ended: %s", who, strerror(-result));
	entry->failed = true;
	entry->retry_at_ns = engine_now_ns() + FAILED_RETRY_AFTER_NS;
}

void act_cut_done(struct entry *entry, const struct order_cut_done *done)
{
	struct session *session = &entry->session;
	const struct ending *ending = entry->ending;
	char who[NAME_BYTES];

	if (!ending || done->n_parked > FACTS_CHANNELS_MAX)
		return;
	if (done->result == 0) {
		tell_cut(entry, done);
		return;
	}
	session->phase = PHASE_OPEN;
	ledger_expect_notice(&session->ledger, done->notice_bytes, engine_now_ns());
	drop_record(entry);
	entry->retry_at_ns = engine_now_ns() + RETRY_AFTER_NS;
	brake_take_back(ending->verdict.rule == RULE_ASKED ? &entry->engine->asked
							   : rules_brake(entry),
			ending->uid, ending->ordered_at_ns);
	if (park_refused(entry, done))
		return;
	/* The monitor's own count is a moment behind, or its rate lower after a reload. */
	if (done->result == -EDQUOT && ending->verdict.rule != RULE_ASKED) {
		entry->retry_at_ns = engine_now_ns() + NS_PER_S;
		return;
	}
	record_name(session, who);
	if (done->result == -EBUSY && is_first_refusal(entry))
		log_info("session %s %s at the last moment and is not %s", who,
			 record_is_unresponsive(&ending->verdict) ? "gave a sign of life"
								  : "was used",
			 ending->parking ? "parked" : "cut");
	else if (done->result != -EBUSY)
		tell_failed(entry, who, done->result);
}

void act_hang_up_again(struct entry *entry)
{
	struct session *session = &entry->session;

	if (entry->hang_up_again_at_ns == 0 || engine_now_ns() < entry->hang_up_again_at_ns)
		return;
	entry->hang_up_again_at_ns = 0;
	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *channel = &session->channels[i];

		/* A report is given once. */
		if (channel->notes && policy_terminal_action(channel->policy) != ACTION_REPORT)
			channel->notes->hung_up_at_ns = 0;
	}
}

static void refuse_hangup(struct entry *entry, const struct order_hangup_done *done,
			  const char *who)
{
	const struct session *session = &entry->session;

	brake_take_back(rules_brake(entry), entry->hanging_up->uid,
			entry->hanging_up->ordered_at_ns);
	if (done->result != -EBUSY && done->result != -EDQUOT) {
		entry->hang_up_again_at_ns = engine_now_ns() + HANG_UP_AGAIN_NS;
		if (!entry->failed)
			log_error("pts/%d of session %s could not be hung up: %s", done->tty, who,
				  strerror(-done->result));
		entry->failed = true;
		return;
	}
	entry->retry_at_ns =
		engine_now_ns() + (done->result == -EBUSY ? RETRY_AFTER_NS : FAILED_RETRY_AFTER_NS);
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].facts.tty == done->tty && session->channels[i].notes)
			session->channels[i].notes->hung_up_at_ns = 0;
	if (done->result == -EBUSY && is_first_refusal(entry))
		log_info("pts/%d of session %s was used at the last moment and is not hung up",
			 done->tty, who);
}

static void tell_hung_up(struct entry *entry, const struct order_hangup_done *done, const char *who)
{
	const struct ending *ending = entry->hanging_up;
	char tags[TAGS_BYTES], last[CLOCK_TEXT_BYTES];

	record_tags(&entry->session, tags);
	clock_format_utc(ending->last_use_at_ns, last);
	entry->engine->cuts++;
	log_info("hung up pts/%d of session %s: %s  rule=%d %s last=%s signal=%u", done->tty, who,
		 ending->reason, ending->verdict.rule, tags, last, done->signal);
	engine_tell(entry, EVENT_HUNG_UP, ending->verdict.rule, done->tty, ending->reason);
}

void act_hangup_done(struct entry *entry, const struct order_hangup_done *done)
{
	char who[NAME_BYTES];

	if (!entry->hanging_up)
		return;
	record_name(&entry->session, who);
	if (done->result == 0)
		tell_hung_up(entry, done, who);
	else
		refuse_hangup(entry, done, who);
	free(entry->hanging_up);
	entry->hanging_up = NULL;
}

void act_opened(struct entry *entry)
{
	char who[NAME_BYTES], tags[TAGS_BYTES], peer[ADDRESS_TEXT_BYTES];

	record_name(&entry->session, who);
	record_tags(&entry->session, tags);
	log_info("session %s from %s %s  %s", who, address_format(&entry->session.facts.peer, peer),
		 entry->restored ? "is watched again" : "opened", tags);
	engine_tell(entry, EVENT_OPENED, -1, -1, entry->restored ? "watched again" : "opened");
}

void act_closed(struct entry *entry, const struct link_last_words *words)
{
	char who[NAME_BYTES], tags[TAGS_BYTES], reason[160] = "ended by itself";

	/* An order that came too late is not answered: it ended by itself after all. */
	if (entry->told)
		return;
	record_name(&entry->session, who);
	record_tags(&entry->session, tags);
	alive_closed_words(&entry->session, words, reason, sizeof(reason));
	log_info("session %s %s  %s", who, reason, tags);
	engine_tell(entry, EVENT_CLOSED, -1, -1, reason);
}

bool act_may_keep(struct entry *entry)
{
	int64_t now_ns = engine_now_ns();

	if (entry->keeps == 0 || now_ns >= entry->keeps_since_ns + KEEPS_SPAN_NS) {
		entry->keeps_since_ns = now_ns;
		entry->keeps = 0;
	}
	return entry->keeps < KEEPS_MOST && ++entry->keeps > 0;
}

void act_kept(struct entry *entry, const char *who)
{
	const int64_t until_ns = session_notes(&entry->session)->kept_until_ns;
	char name[NAME_BYTES], reason[160], until[CLOCK_TEXT_BYTES];

	record_name(&entry->session, name);
	if (until_ns == 0) {
		(void)snprintf(reason, sizeof(reason), "no longer kept, says %s", who);
	} else {
		clock_format_utc(until_ns, until);
		(void)snprintf(reason, sizeof(reason), "kept until %s by %s", until, who);
	}
	log_info("session %s: %s  rule=%d", name, reason, RULE_KEPT);
	engine_tell(entry, EVENT_KEPT, RULE_KEPT, -1, reason);
}
