#include "core/session.h"

#include <errno.h>
#include <stdlib.h>

#include "core/session-work.h"
#include "core/terminal.h"

/* The smallest answer of an agent: length and type; its request has the same head. */
#define AGENT_MESSAGE_BYTES 5

/* A question that waits for longer waits for a person, who confirms it: that is use. */
#define AGENT_ANSWERS_WITHIN_NS (10 * NS_PER_S)

/* So often in a row is input that no terminal shows looked at again, as more comes each time. */
#define HIDDEN_LOOKS_MOST 3

/* So many samples in a row in which the server had not read what came, 20 ms apart: a second. */
#define UNDECIDED_MOST 50

void session_init(struct session *session, const struct session_facts *facts, int64_t now_ns)
{
	struct bounds any = { .earliest_ns = facts->started_at_ns, .latest_ns = now_ns };

	*session = (struct session){ .facts = *facts, .first_seen_ns = now_ns, .user = "" };
	for (int use = 0; use < USE_N; use++)
		session->uses[use] = any;
	session->observed_at_ns = facts->started_at_ns;
}

static void free_channels(struct session *session)
{
	for (size_t i = 0; i < session->n_channels; i++) {
		free(session->channels[i].command);
		free(session->channels[i].notes);
	}
	free(session->channels);
}

void session_deinit(struct session *session)
{
	free_channels(session);
	ledger_deinit(&session->ledger);
	liveness_deinit(&session->liveness);
	free(session->record);
	free(session->keepalive);
	session->keepalive = NULL;
	free(session->notes);
	session->notes = NULL;
	session->channels = NULL;
	session->record = NULL;
	session->n_channels = 0;
}

static struct channel_identity identity_of(const struct channel_facts *facts)
{
	return (struct channel_identity){ .start_ticks = facts->start_ticks,
					  .pid = facts->pid,
					  .tty = facts->tty,
					  .kind = facts->kind };
}

static bool channel_same(const struct channel_identity *a, const struct channel_facts *b)
{
	return a->kind == b->kind && a->tty == b->tty && a->pid == b->pid &&
	       a->start_ticks == b->start_ticks;
}

static struct channel *channel_before(const struct session *session,
				      const struct channel_facts *facts)
{
	for (size_t i = 0; i < session->n_channels; i++)
		if (channel_same(&session->channels[i].facts, facts))
			return &session->channels[i];
	return NULL;
}

/* A new channel has been used by being opened: when its child started, if that is known. What came while
 * it was not certain that it was there may have been for it. One that is older than the look before would
 * have been seen by that: its age has a suspend in it, or it was there as part of another. */
static struct channel channel_opened(const struct session *session,
				     const struct channel_facts *facts, struct bounds seen)
{
	int64_t latest_ns = facts->started_at_ns + FACTS_AGE_SLACK_NS;

	if (latest_ns < session->unsure.latest_ns)
		latest_ns = session->unsure.latest_ns;
	if (facts->started_at_ns > 0 && latest_ns < seen.latest_ns &&
	    latest_ns >= session->observed_at_ns) {
		seen.latest_ns = latest_ns;
		if (seen.earliest_ns > facts->started_at_ns - FACTS_AGE_SLACK_NS)
			seen.earliest_ns = facts->started_at_ns - FACTS_AGE_SLACK_NS;
	}
	return (struct channel){
		.policy = &policy_none, .opened = seen, .input = seen, .work = seen
	};
}

int session_set_channels(struct session *session, const struct channel_facts *facts, size_t n,
			 int64_t from_ns, int64_t at_ns)
{
	struct channel *channels = calloc(n > 0 ? n : 1, sizeof(*channels));
	struct bounds now = { .earliest_ns = from_ns, .latest_ns = at_ns };

	if (!channels)
		return -ENOMEM;
	if (session->n_channels == 0)
		now.earliest_ns = session->facts.started_at_ns;
	for (size_t i = 0; i < n; i++) {
		struct channel *before = channel_before(session, &facts[i]);

		if (before)
			channels[i] = *before;
		else
			channels[i] = channel_opened(session, &facts[i], now);
		channels[i].facts = identity_of(&facts[i]);
		if (!before)
			continue;
		before->command = NULL;
		before->notes = NULL;
	}
	free_channels(session);
	session->channels = channels;
	session->n_channels = (uint32_t)n;
	session->liveness.relisted = true;
	return 0;
}

static bool has_child(const struct channel *channel)
{
	return channel->facts.kind == KIND_SHELL || channel->facts.kind == KIND_SFTP ||
	       channel->facts.kind == KIND_EXEC;
}

static bool is_terminal(const struct channel *channel)
{
	return channel->facts.tty >= 0;
}

/* What its terminal was at the last sample is known. */
static bool is_primed(const struct channel *channel)
{
	return (channel->last.known & TERMINAL_KNOWN) != 0;
}

/* Certainly no input reached this terminal since the sample before (see session.h). */
static bool terminal_untouched(const struct channel *channel, const struct channel_sample *now,
			       int64_t from_realtime_ns)
{
	const struct channel_seen *last = &channel->last;

	if (!is_terminal(channel) || !is_primed(channel) || !(now->known & TERMINAL_KNOWN))
		return false;
	if (!(last->known & TERMINAL_RAW) || !(now->known & TERMINAL_RAW))
		return false;
	if ((last->known & TERMINAL_PENDING) || (now->known & TERMINAL_PENDING))
		return false;
	return terminal_not_read_since(last->atime_s, now->atime_s, from_realtime_ns);
}

/* It is a terminal of which each key could be read at once, then and now. */
static bool is_raw(const struct channel *channel, const struct channel_sample *now)
{
	const uint32_t raw = TERMINAL_KNOWN | TERMINAL_RAW;

	return is_terminal(channel) && (channel->last.known & now->known & raw) == raw;
}

/* In its terminal some keys leave no trace. */
static bool takes_signals(const struct channel *channel, const struct channel_sample *now)
{
	return is_terminal(channel) && ((channel->last.known | now->known) & TERMINAL_SIGNALS);
}

/* What came out before the last look may have been a question to an agent. */
static bool was_asked(const struct session *session)
{
	return session->asked_at_ns != 0 &&
	       session->observed_at_ns - session->asked_at_ns <= AGENT_ANSWERS_WITHIN_NS;
}

/* Input went to at least one place: is there one besides the untouched terminals? So few bytes that they may have
 * been keys without a trace (`traceless`) are only those of a terminal that may have been read from. */
static bool input_has_place(const struct session *session, const struct sample *sample,
			    const struct ledger_step *step, const bool *untouched, bool traceless)
{
	const bool few =
		traceless && (step->in_bytes <= TERMINAL_SIGNAL_KEYS_MOST || step->renewed);

	for (size_t i = 0; i < session->n_channels; i++) {
		const struct channel *channel = &session->channels[i];

		if (has_child(channel) && !untouched[i] &&
		    (!few || is_raw(channel, &sample->channels[i])))
			return true;
	}
	if (step->reaped)
		return true;
	/* The question may have gone out before the last look: an agent far away takes its time. */
	return !few && (sample->known & SAMPLE_AGENT) && step->in_bytes >= AGENT_MESSAGE_BYTES &&
	       (step->out_bytes >= AGENT_MESSAGE_BYTES || was_asked(session));
}

static int64_t offset_ns(const struct session *session, const struct sample *sample)
{
	return terminal_offset_ns(session->realtime_offset_ns, sample->realtime_offset_ns);
}

static void use_input(struct session *session, const struct sample *sample,
		      const struct ledger_step *step, int64_t from_ns)
{
	int64_t from_realtime_ns = from_ns + offset_ns(session, sample);
	bool untouched[FACTS_CHANNELS_MAX] = { false };

	for (size_t i = 0; sample->n_channels == session->n_channels && i < session->n_channels;
	     i++)
		untouched[i] = terminal_untouched(&session->channels[i], &sample->channels[i],
						  from_realtime_ns);
	bounds_use(&session->uses[USE_INPUT], from_ns, sample->at_ns);
	/* A forwarded connection that was open between two looks got it. */
	if (!input_has_place(session, sample, step, untouched, false))
		bounds_use(&session->uses[USE_TRAFFIC], from_ns, sample->at_ns);
	for (size_t i = 0; i < session->n_channels; i++) {
		struct channel *channel = &session->channels[i];

		if (!untouched[i] || !input_has_place(session, sample, step, untouched,
						      takes_signals(channel, &sample->channels[i])))
			bounds_use(&channel->input, from_ns, sample->at_ns);
		else if (sample->known & SAMPLE_AGENT)
			session->answer_from_ns = from_ns;
	}
}

/* It was read from, or keys wait in it. */
static bool terminal_touched(const struct channel *channel, const struct channel_sample *now)
{
	return is_terminal(channel) && is_primed(channel) &&
	       ((now->known & TERMINAL_PENDING) || now->atime_s != channel->last.atime_s);
}

static bool may_be_touched(const struct session *session, const struct sample *sample, size_t i)
{
	const struct channel *channel = &session->channels[i];

	return is_terminal(channel) &&
	       (i >= sample->n_channels || !(sample->channels[i].known & TERMINAL_KNOWN) ||
		terminal_touched(channel, &sample->channels[i]));
}

static bool any_terminal_touched(const struct session *session, const struct sample *sample)
{
	for (size_t i = 0; i < session->n_channels && i < sample->n_channels; i++)
		if (terminal_touched(&session->channels[i], &sample->channels[i]))
			return true;
	return false;
}

/* No ledger: whatever the session can be used for, it may have been. */
static void use_everything(struct session *session, const struct sample *sample, int64_t from_ns)
{
	for (int use = 0; use < USE_N; use++)
		bounds_use(&session->uses[use], from_ns, sample->at_ns);
	for (size_t i = 0; i < session->n_channels; i++) {
		bounds_use(&session->channels[i].input, from_ns, sample->at_ns);
		bounds_use(&session->channels[i].work, from_ns, sample->at_ns);
	}
}

/* Terminals are all there is, and certainly none of them got any input. */
static bool all_terminals_untouched(const struct session *session, const struct sample *sample,
				    int64_t from_ns)
{
	int64_t from_realtime_ns = from_ns + offset_ns(session, sample);

	if ((sample->known & SAMPLE_AGENT) || !(sample->known & SAMPLE_CHANNELS) ||
	    sample->n_channels != session->n_channels)
		return false;
	for (size_t i = 0; i < session->n_channels; i++)
		if (!terminal_untouched(&session->channels[i], &sample->channels[i],
					from_realtime_ns))
			return false;
	return session->n_channels > 0;
}

static enum ledger_terminals look_at_terminals(const struct session *session,
					       const struct sample *sample, int64_t from_ns)
{
	if (any_terminal_touched(session, sample))
		return LEDGER_TERMINALS_TOUCHED;
	if (!all_terminals_untouched(session, sample, from_ns))
		return LEDGER_TERMINALS_UNKNOWN;
	for (size_t i = 0; i < session->n_channels; i++)
		if (takes_signals(&session->channels[i], &sample->channels[i]))
			return LEDGER_TERMINALS_UNREAD;
	return LEDGER_TERMINALS_UNTOUCHED;
}

/* A key may be on its way to the terminal for a moment, neither waiting nor read: it shows in the
 * next sample, and then what was taken for a rekey, or for an agent's answer, had a key in it. */
static void observe_late_key(struct session *session, const struct sample *sample,
			     enum ledger_terminals terminals)
{
	if (session->rekey_from_ns != 0 && terminals == LEDGER_TERMINALS_TOUCHED) {
		bounds_use(&session->uses[USE_INPUT], session->rekey_from_ns, sample->at_ns);
		for (size_t i = 0; i < session->n_channels; i++)
			bounds_use(&session->channels[i].input, session->rekey_from_ns,
				   sample->at_ns);
	}
	for (size_t i = 0; session->answer_from_ns != 0 && i < session->n_channels; i++)
		if (may_be_touched(session, sample, i))
			bounds_use(&session->channels[i].input, session->answer_from_ns,
				   sample->at_ns);
	session->rekey_from_ns = session->answer_from_ns = 0;
}

/* What moves on a forwarded connection that the kernel counts nothing on is input or output in the ledger, and no
 * rekey; which of that it is cannot be told. */
static bool may_be_unmeasured(const struct session *session, const struct sample *sample,
			      const struct ledger_step *step)
{
	return ((session->known | sample->known) & SAMPLE_UNMEASURED) &&
	       ((step->in_bytes > 0 && !step->rekey) || (step->out_bytes > 0 && !step->rekey_out) ||
		step->reaped);
}

static void observe_ledger(struct session *session, const struct sample *sample, int64_t from_ns)
{
	enum ledger_terminals terminals = look_at_terminals(session, sample, from_ns);
	struct ledger_step step;

	/* The first one has nothing to be compared with: what was before it is unknown. */
	if (!ledger_step(&session->ledger, &session->traits, sample, terminals, &step)) {
		use_everything(session, sample, from_ns);
		liveness_no_step(&session->liveness);
		return;
	}
	observe_late_key(session, sample, terminals);
	if (step.rekey &&
	    (terminals == LEDGER_TERMINALS_UNTOUCHED || terminals == LEDGER_TERMINALS_UNREAD))
		session->rekey_from_ns = from_ns;
	liveness_step(&session->liveness, sample, &step);
	if (step.unusable || step.reaped || (step.in_bytes > 0 && !step.rekey))
		use_input(session, sample, &step, from_ns);
	if (step.unusable || step.reaped || (step.out_bytes > 0 && !step.rekey_out))
		bounds_use(&session->uses[USE_OUTPUT], from_ns, sample->at_ns);
	if (step.out_bytes >= AGENT_MESSAGE_BYTES)
		session->asked_at_ns = sample->at_ns;
	else if (step.in_bytes > 0)
		session->asked_at_ns = 0;
	if (step.traffic_bytes > 0 || step.unusable || may_be_unmeasured(session, sample, &step))
		bounds_use(&session->uses[USE_TRAFFIC], from_ns, sample->at_ns);
}

/* Nothing at all came in since: so no input either, and no request to open a channel. */
static void observe_silence(struct session *session, const struct sample *sample)
{
	int64_t silent_since_ns = sample->at_ns - sample->last_data_recv_ns + FACTS_AGE_SLACK_NS;

	bounds_none_after(&session->uses[USE_INPUT], silent_since_ns);
	for (size_t i = 0; i < session->n_channels; i++) {
		struct channel *channel = &session->channels[i];

		bounds_none_after(&channel->input, silent_since_ns);
		if (channel->facts.kind != KIND_NONE)
			bounds_none_after(&channel->opened, silent_since_ns);
	}
}

/* Bytes that the server does not read may be input; it came when data came last. */
static void observe_waiting(struct session *session, const struct sample *sample, int64_t from_ns)
{
	if (sample->waiting == 0)
		return;
	bounds_use(&session->uses[USE_INPUT], from_ns, sample->at_ns);
	for (size_t i = 0; i < session->n_channels; i++)
		bounds_use(&session->channels[i].input, from_ns, sample->at_ns);
}

static bool work_counts(const struct channel *channel)
{
	return has_child(channel) && (channel->policy->counts & USE_BIT(USE_WORK)) &&
	       channel->policy->idle_timeout_ns != TIME_NEVER;
}

static void observe_channels(struct session *session, const struct sample *sample, int64_t from_ns)
{
	for (size_t i = 0; i < session->n_channels && i < sample->n_channels; i++) {
		const struct channel_sample *now = &sample->channels[i];
		struct channel *channel = &session->channels[i];

		if (work_counts(channel))
			session_observe_work(channel, now, from_ns, sample->at_ns);
		else if (channel->notes)
			channel->notes->work_anchor_at_ns = 0;
		channel->last = (struct channel_seen){ now->atime_s, now->known };
	}
}

static void observe(struct session *session, const struct sample *sample, bool has_ledger)
{
	int64_t from_ns = session->observed_at_ns;
	bool complete =
		(sample->known & SAMPLE_CHANNELS) && sample->n_channels == session->n_channels;

	if (sample->known & SAMPLE_FORWARDS) {
		if (sample->forward_opened != session->forward_opened)
			bounds_use(&session->uses[USE_TRAFFIC], from_ns, sample->at_ns);
		session->forward_opened = sample->forward_opened;
	}
	if (has_ledger) {
		observe_ledger(session, sample, from_ns);
	} else {
		use_everything(session, sample, from_ns);
		liveness_no_step(&session->liveness);
	}
	session->unsure = (struct bounds){ 0 };
	if (complete)
		observe_channels(session, sample, from_ns);
	else
		session->unsure = (struct bounds){ from_ns, sample->at_ns };
	if (sample->known & SAMPLE_SOCKET) {
		observe_waiting(session, sample, from_ns);
		observe_silence(session, sample);
	}
	session->known = sample->known;
	session->realtime_offset_ns = sample->realtime_offset_ns;
	session->observed_at_ns = sample->from_ns;
}

/*
 * Bytes came that the server has not read yet.  On a busy host that is often an answer to a
 * keepalive in its moment between the network and the server, so it is not called use at once: the
 * next sample will tell. A server that does not read for longer is another matter.
 */
static bool is_undecided(struct session *session, const struct sample *sample)
{
	if (sample->waiting == 0 || ledger_plain_in(sample) > session->ledger.high_in) {
		session->undecided = 0;
		return false;
	}
	if (session->undecided <= UNDECIDED_MOST)
		session->undecided++;
	return session->undecided <= UNDECIDED_MOST;
}

/* Input that no terminal shows, beside an agent: its answer, or keys on their way, which should be there when no more has
 * come at the next sample. */
static bool may_be_on_its_way(struct session *session, const struct sample *sample)
{
	const int64_t in = ledger_plain_in(sample);
	const bool hidden = (sample->known & SAMPLE_AGENT) && session->ledger.primed &&
			    in > session->ledger.high_in && !any_terminal_touched(session, sample);

	if (!hidden || in == session->hidden_in || session->hidden_looks == HIDDEN_LOOKS_MOST) {
		session->hidden_looks = 0;
		return false;
	}
	session->hidden_in = in;
	session->hidden_looks++;
	return true;
}

bool session_observe(struct session *session, const struct sample *sample)
{
	bool has_ledger = (sample->known & SAMPLE_LEDGER) == SAMPLE_LEDGER;
	struct sample whole;

	if (sample->still_ns > session->observed_at_ns)
		session->observed_at_ns = sample->still_ns;
	liveness_look(&session->liveness, sample);
	if (has_ledger &&
	    (ledger_is_behind(&session->ledger, sample) || is_undecided(session, sample) ||
	     ledger_is_mid_rekey(&session->ledger, sample) || may_be_on_its_way(session, sample))) {
		session->reaped_before |= (sample->known & SAMPLE_REAPED) != 0;
		session->known |= sample->known & SAMPLE_UNMEASURED;
		return false;
	}
	if (!session->reaped_before) {
		observe(session, sample, has_ledger);
		return true;
	}
	whole = *sample;
	whole.known |= SAMPLE_REAPED;
	session->reaped_before = false;
	observe(session, &whole, has_ledger);
	return true;
}

static bool channel_rests(const struct session *session, const struct channel *channel)
{
	/* CPU time is spent without any movement. */
	if (work_counts(channel))
		return false;
	return channel->opened.latest_ns < session->observed_at_ns &&
	       channel->input.latest_ns < session->observed_at_ns;
}

bool session_rests(const struct session *session)
{
	const struct ledger *ledger = &session->ledger;

	for (int use = 0; use < USE_N; use++)
		if (use != USE_WORK && session->uses[use].latest_ns >= session->observed_at_ns)
			return false;
	for (size_t i = 0; i < session->n_channels; i++)
		if (!channel_rests(session, &session->channels[i]))
			return false;
	return session->unsure.latest_ns == 0 && session->undecided == 0 &&
	       session->rekey_from_ns == 0 && session->answer_from_ns == 0 && !ledger->unusable &&
	       ledger->stuck == 0 &&
	       (ledger->notice_bytes == 0 || ledger->notice_until_ns < session->observed_at_ns);
}

static bool has_children(const struct session *session)
{
	for (size_t i = 0; i < session->n_channels; i++)
		if (has_child(&session->channels[i]))
			return true;
	return false;
}

/* With no child there is nothing that input or output could belong to but a channel that was open
 * between two looks: a short forwarded connection, or a command. */
static struct bounds unseen_use(const struct session *session)
{
	return bounds_later(session->uses[USE_INPUT], session->uses[USE_OUTPUT]);
}

struct bounds session_channel_use(const struct session *session, const struct channel *channel,
				  enum use use)
{
	switch (use) {
	case USE_INPUT:
		return is_terminal(channel) ? channel->input : session->uses[USE_INPUT];
	case USE_WORK:
		return channel->work;
	case USE_TRAFFIC:
		if (channel->facts.kind == KIND_FORWARD && !has_children(session))
			return bounds_later(session->uses[USE_TRAFFIC], unseen_use(session));
		return session->uses[USE_TRAFFIC];
	case USE_OUTPUT:
	case USE_N:
		break;
	}
	return session->uses[USE_OUTPUT];
}

struct bounds session_channel_last_use(const struct session *session, const struct channel *channel)
{
	struct bounds last = bounds_later(channel->opened, session->unsure);
	struct bounds work = channel->work;

	if (channel->facts.kind == KIND_NONE)
		last = bounds_later(last, unseen_use(session));
	for (enum use use = 0; use < USE_N; use++)
		if (use != USE_WORK && (channel->policy->counts & USE_BIT(use)))
			last = bounds_later(last, session_channel_use(session, channel, use));
	if (!(channel->policy->counts & USE_BIT(USE_WORK)) || !has_child(channel))
		return last;
	/* Work alone keeps a channel only so long: a job that hangs in a loop is no way around the
	 * limit. */
	if (channel->policy->work_max_ns != TIME_NEVER)
		bounds_none_after(&work, last.latest_ns + channel->policy->work_max_ns);
	return bounds_later(last, work);
}

uint32_t session_kind(const struct session *session)
{
	uint32_t kind = KIND_NONE;

	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].facts.kind < kind)
			kind = session->channels[i].facts.kind;
	return kind;
}
