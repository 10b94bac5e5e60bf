#include "daemon/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/config.h"
#include "daemon/clock.h"
#include "daemon/confine.h"
#include "daemon/control.h"
#include "daemon/engine-table.h"
#include "text/config.h"

/* After a sample that said nothing. */
#define LOOK_AGAIN_NS (20 * NS_PER_MS)

/* A timer may fire a little early. */
#define TIMER_SLACK_NS (5 * NS_PER_MS)

/* Looks that nothing is due at are taken together with those of other sessions, up to so much
 * earlier: both processes then wake up for all of them at once. */
#define TOGETHER_NS	 (500 * NS_PER_MS)
#define TOGETHER_FROM_NS (8 * NS_PER_S)

/* Whatever came of the ping before. */
#define PING_LEAST_NS (900 * NS_PER_MS)

int64_t engine_now_ns(void)
{
	return clock_now_ns();
}

void engine_send(struct engine *engine, enum link_type type, const void *message, size_t size)
{
	if (link_send(engine->link, type, message, size) < 0) {
		log_error("out of memory");
		event_base_loopbreak(engine->base);
	}
}

void engine_tell(struct entry *entry, enum engine_event_kind kind, int rule, int32_t tty,
		 const char *reason)
{
	struct engine_event event = {
		.kind = kind,
		.session = &entry->session,
		.rule = rule,
		.tty = tty,
		.reason = reason,
	};

	control_event(entry->engine->control, &event);
}

/* --- looks --- */

void engine_look_now(struct entry *entry)
{
	struct link_sample request = { .handle = entry->handle };
	int64_t now_ns = clock_now_ns();

	for (size_t i = 0; i < entry->session.n_channels; i++)
		if (entry->session.channels[i].policy->counts & USE_BIT(USE_WORK))
			request.with_work = 1;
	if (entry->verdict.ping_at_ns <= now_ns + TIMER_SLACK_NS &&
	    now_ns >= entry->ping_asked_at_ns + PING_LEAST_NS) {
		request.with_ping = 1;
		entry->ping_asked_at_ns = now_ns;
	}
	engine_send(entry->engine, LINK_SAMPLE, &request, sizeof(request));
}

static void look_at(struct entry *entry, int64_t at_ns)
{
	timers_set(entry->engine->looks, &entry->look, at_ns);
}

static int64_t look_together_ns(const struct verdict *verdict)
{
	int64_t at_ns = verdict->next_look_ns;

	if (at_ns == verdict->warn_at_ns || at_ns == verdict->end_at_ns ||
	    at_ns == verdict->ping_at_ns || at_ns < clock_now_ns() + TOGETHER_FROM_NS)
		return at_ns;
	return at_ns - at_ns % TOGETHER_NS;
}

/* A ping that was due and could not be sent is not asked for again at once. */
static int64_t next_look_ns(const struct entry *entry)
{
	const struct verdict *verdict = &entry->verdict;
	int64_t again_ns = entry->ping_asked_at_ns + PING_LEAST_NS;

	if (verdict->ping_at_ns <= verdict->next_look_ns && verdict->next_look_ns < again_ns)
		return again_ns;
	return look_together_ns(verdict);
}

/* The monitor looks by itself whether anything moves, and tells by a sample. */
static void let_rest(const struct entry *entry)
{
	struct link_quiet request = { .handle = entry->handle,
				      .every_ns = entry->verdict.quiet_every_ns,
				      .since_ns = entry->session.observed_at_ns };

	engine_send(entry->engine, LINK_QUIET, &request, sizeof(request));
}

void engine_look_soon(struct entry *entry)
{
	look_at(entry, clock_now_ns());
}

/* Judges on what is known and acts on it. Old evidence never ends a session: the judge's time is
 * the last sample's. */
static void decide(struct entry *entry, bool says_nothing)
{
	struct session *session = &entry->session;
	bool brake = brake_on(rules_brake(entry), clock_now_ns());

	if (session->phase == PHASE_ENDING || session->n_channels == 0)
		return;
	if (clock_now_ns() < entry->retry_at_ns) {
		/* Nobody stands back for one that cannot be ended now. */
		entry->waits = false;
		look_at(entry, entry->retry_at_ns);
		return;
	}
	/* Work that counts only now was in no sample. */
	if (policy_ask_again(entry)) {
		engine_look_soon(entry);
		return;
	}
	act_hang_up_again(entry);
	entry->verdict = judge(session, session->observed_at_ns, brake);
	if (!turn_has_come(entry))
		entry->verdict = judge(session, session->observed_at_ns, true);
	entry->waits = !says_nothing && entry->verdict.rule == RULE_HELD;
	/* Only the client's life can be judged by a sample that says nothing of use. */
	if (!says_nothing || record_is_unresponsive(&entry->verdict))
		act_on_verdict(entry);
	if (session->phase == PHASE_ENDING)
		return;
	alive_tune(entry);
	look_at(entry, says_nothing ? clock_now_ns() + LOOK_AGAIN_NS : next_look_ns(entry));
	if (!says_nothing && entry->verdict.quiet_every_ns > 0)
		let_rest(entry);
}

/* --- messages from the monitor --- */

static int take_opened(void *context, const void *message)
{
	const struct link_opened *opened = message;
	struct engine *engine = context;
	struct entry *entry;

	if (table_find_handle(engine, opened->handle))
		return -EPROTO;
	return table_add(engine, opened, &entry);
}

static int set_channels(struct session *session, const struct link_channels *list)
{
	struct channel_facts facts[FACTS_CHANNELS_MAX];
	char command[FACTS_COMMAND_BYTES];
	int r;

	for (uint32_t i = 0; i < list->n_channels; i++)
		facts[i] = list->channels[i].facts;
	r = session_set_channels(session, facts, list->n_channels, list->from_ns, list->at_ns);
	for (uint32_t i = 0; r == 0 && i < list->n_channels; i++) {
		memcpy(command, list->channels[i].command, sizeof(command));
		command[sizeof(command) - 1] = '\0';
		r = session_set_command(&session->channels[i], command);
	}
	return r;
}

static int take_channels(void *context, const void *message)
{
	const struct link_channels *list = message;
	struct engine *engine = context;
	struct entry *entry = table_find_handle(engine, list->handle);
	struct session *session;
	bool first;
	int r;

	if (list->n_channels == 0)
		return -EPROTO;
	if (!entry)
		return 0;
	session = &entry->session;
	first = session->n_channels == 0;
	r = set_channels(session, list);
	if (r < 0)
		return r;
	if (entry->verdict.channel >= session->n_channels)
		entry->verdict.channel = 0;
	if (first)
		entry->restored = state_restore(engine->state, session);
	r = policy_learn_user(entry,
			      session->facts.uid != UINT32_MAX ? session->facts.uid : list->uid);
	if (r < 0)
		return r;
	policy_apply(entry);
	if (entry->restored && first)
		policy_forget_warnings(session, list->at_ns);
	if (first)
		act_opened(entry);
	engine_save_soon(engine); /* no use need tell of it */
	return 0;
}

/* Taken up from before: forwarded sockets are counted anew, so what moved meanwhile may have been
 * theirs too, as where the kernel counts nothing. */
static void settle_restored(struct entry *entry, const struct sample *sample)
{
	struct session *session = &entry->session;
	struct ledger *ledger = &session->ledger;

	entry->restored = false;
	ledger_resume(ledger, session->observed_at_ns, sample->at_ns);
	session->forward_opened = sample->forward_opened;
	session->known |= SAMPLE_UNMEASURED;
	ledger->last.forward_written = sample->forward_written;
	ledger->last.forward_read = sample->forward_read;
}

static int64_t latest_use_ns(const struct session *session)
{
	int64_t latest_ns = 0;

	for (int use = 0; use < USE_N; use++)
		if (session->uses[use].latest_ns > latest_ns)
			latest_ns = session->uses[use].latest_ns;
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].work.latest_ns > latest_ns)
			latest_ns = session->channels[i].work.latest_ns;
	return latest_ns;
}

static int take_sampled(void *context, const void *message)
{
	const struct link_sampled *sampled = message;
	struct engine *engine = context;
	struct entry *entry = table_find_handle(engine, sampled->handle);
	int64_t before_ns;

	if (!entry)
		return 0;
	before_ns = latest_use_ns(&entry->session);
	if (entry->restored)
		settle_restored(entry, &sampled->sample);
	if (!session_observe(&entry->session, &sampled->sample)) {
		look_at(entry, clock_now_ns() + LOOK_AGAIN_NS);
		decide(entry, true);
		return 0;
	}
	if (latest_use_ns(&entry->session) != before_ns)
		engine_save_soon(engine);
	decide(entry, false);
	return 0;
}

static int take_closed(void *context, const void *message)
{
	const struct link_closed *closed = message;
	struct engine *engine = context;
	struct entry *entry = table_find_handle(engine, closed->handle);
	void (*save)(struct engine *) = engine_save_soon;
	bool was_unknown;

	if (!entry)
		return 0;
	act_closed(entry, &closed->last_words);
	was_unknown = entry->ask_again;
	/* Of an order that came too late: the next daemon is not to give it. */
	if (entry->session.record)
		save = engine_save_record;
	table_remove(engine, entry);
	save(engine);
	if (was_unknown)
		policy_forget_unknown(engine);
	return 0;
}

static int take_warned(void *context, const void *message)
{
	const struct link_warned *warned = message;
	struct entry *entry = table_find_handle(context, warned->handle);

	if (!entry)
		return 0;
	ledger_expect_notice(&entry->session.ledger, warned->bytes, clock_now_ns());
	/* A daemon that took over without knowing of it would call it use. */
	engine_save_record(entry->engine);
	if (warned->missed > 0)
		log_info("session %u: the warning did not reach %u of %u terminals (stopped or "
			 "full)",
			 entry->session.id, warned->missed, warned->reached + warned->missed);
	return 0;
}

static int take_cut_done(void *context, const void *message)
{
	const struct order_cut_done *done = message;
	struct entry *entry = table_find_handle(context, done->handle);

	if (entry)
		act_cut_done(entry, done);
	return 0;
}

static int take_hangup_done(void *context, const void *message)
{
	const struct order_hangup_done *done = message;
	struct entry *entry = table_find_handle(context, done->handle);

	if (entry)
		act_hangup_done(entry, done);
	return 0;
}

static int take_tuned(void *context, const void *message)
{
	const struct order_tuned *done = message;
	struct entry *entry = table_find_handle(context, done->handle);

	if (entry)
		alive_tuned(entry, done);
	return 0;
}

static int take_trouble(void *context, const void *message)
{
	const struct link_trouble *trouble = message;
	char text[ORDER_TEXT_BYTES];

	memcpy(text, trouble->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	table_note_trouble(context, table_find_handle(context, trouble->handle), text);
	return 0;
}

static int take_looked(void *context, const void *message)
{
	struct engine *engine = context;

	(void)message;
	/* What was not found by now has ended while nobody watched. */
	for (size_t i = 0; state_record(engine->state, i); i++)
		log_info("%s lives-on=unknown (sshidled was restarted meanwhile)",
			 state_record(engine->state, i));
	state_free(engine->state);
	engine->state = NULL;
	engine_save_record(engine); /* the next daemon is not to give those again */
	return 0;
}

static int take_reload(void *context, const void *message)
{
	struct engine *engine = context;
	char **problems = NULL;
	size_t n = 0;

	(void)message;
	(void)engine_reload(engine, &problems, &n);
	for (size_t i = 0; i < n; i++)
		free(problems[i]);
	free(problems);
	return 0;
}

/* What the monitor may tell. */
static const struct link_row engine_rows[] = {
	{ LINK_OPENED, LINK_RUNNING, sizeof(struct link_opened), 0, 0, take_opened },
	{ LINK_CHANNELS, LINK_RUNNING, offsetof(struct link_channels, channels),
	  sizeof(struct link_channel), offsetof(struct link_channels, n_channels), take_channels },
	{ LINK_SAMPLED, LINK_RUNNING, offsetof(struct link_sampled, sample.channels),
	  sizeof(struct channel_sample), offsetof(struct link_sampled, sample.n_channels),
	  take_sampled },
	{ LINK_CLOSED, LINK_RUNNING, sizeof(struct link_closed), 0, 0, take_closed },
	{ LINK_WARNED, LINK_RUNNING, sizeof(struct link_warned), 0, 0, take_warned },
	{ LINK_CUT_DONE, LINK_RUNNING, sizeof(struct order_cut_done), 0, 0, take_cut_done },
	{ LINK_HANGUP_DONE, LINK_RUNNING, sizeof(struct order_hangup_done), 0, 0,
	  take_hangup_done },
	{ LINK_TUNED, LINK_RUNNING, sizeof(struct order_tuned), 0, 0, take_tuned },
	{ LINK_TROUBLE, LINK_RUNNING, sizeof(struct link_trouble), 0, 0, take_trouble },
	{ LINK_LOOKED, LINK_RUNNING, sizeof(struct link_closed), 0, 0, take_looked },
	{ LINK_RELOAD, LINK_RUNNING, sizeof(struct link_closed), 0, 0, take_reload },
	{ 0 },
};

/* --- what the control socket asks --- */

struct verdict engine_verdict(struct engine *engine, const struct session *session)
{
	return table_find(engine, session->id)->verdict;
}

int engine_cut(struct engine *engine, uint32_t id, uint32_t uid, const char *who,
	       const char *message)
{
	struct entry *entry = table_find(engine, id);

	return entry ? act_cut_asked(entry, uid, who, message) : -ENOENT;
}

int engine_keep(struct engine *engine, uint32_t id, const char *who, int64_t until_ns)
{
	struct entry *entry = table_find(engine, id);
	struct session_notes *notes;

	if (!entry)
		return -ENOENT;
	if (entry->session.phase == PHASE_ENDING)
		return -EALREADY;
	if (!act_may_keep(entry))
		return -EAGAIN;
	notes = session_need_notes(&entry->session);
	if (!notes)
		return -ENOMEM;
	notes->kept_until_ns = until_ns;
	act_kept(entry, who);
	engine_save_record(engine);
	engine_look_now(entry);
	return 0;
}

int64_t engine_keep_max_ns(struct engine *engine, const struct session *session)
{
	int64_t most_ns = 0;

	(void)engine;
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].policy->keep_max_ns > most_ns)
			most_ns = session->channels[i].policy->keep_max_ns;
	return most_ns;
}

int engine_reload(struct engine *engine, char ***ret_problems, size_t *ret_n)
{
	struct engine_event event = { .kind = EVENT_RELOADED,
				      .rule = -1,
				      .tty = -1,
				      .reason = engine->options->config_file };
	struct link_settings settings;
	int r = policy_load(engine, ret_problems, ret_n);

	if (r < 0) {
		log_error("%s is wrong; the running configuration stays",
			  engine->options->config_file);
		for (size_t i = 0; r == -EINVAL && i < *ret_n; i++)
			log_error("%s", (*ret_problems)[i]);
		return r;
	}
	log_info("%s is in force for all sessions", engine->options->config_file);
	settings = policy_settings(engine);
	engine_send(engine, LINK_SETTINGS, &settings, sizeof(settings));
	for (size_t i = 0; i < engine->n_entries; i++)
		engine_look_now(engine->entries[i]);
	control_event(engine->control, &event);
	return 0;
}

void engine_print_config(struct engine *engine, FILE *file)
{
	config_print(engine->file_config, file);
}

void engine_get_status(struct engine *engine, struct engine_status *ret_status)
{
	*ret_status = (struct engine_status){
		.started_at_ns = engine->started_at_ns,
		.config_loaded_at_ns = engine->config_loaded_at_ns,
		.shortest_limit_ns = config_shortest_limit(engine->file_config),
		.config_file = engine->options->config_file,
		.monitor_pid = engine->options->monitor_pid,
		.cuts = engine->cuts,
		.parks = engine->parks,
		.warnings = engine->warnings,
		.sessions = engine->n_entries,
		.rules = engine->rules_texts,
		.n_rules = engine->n_rules,
		.troubles = (const char *const *)engine->troubles,
		.n_troubles = engine->n_troubles,
	};
	for (size_t i = 0; i < engine->n_rules; i++)
		engine->rules_texts[i] = engine->rules[i]->text;
	for (size_t i = 0; i < engine->n_entries; i++)
		ret_status->held += engine->entries[i]->held;
}

/* --- life --- */

static void on_lost(void *context)
{
	struct engine *engine = context;

	event_base_loopbreak(engine->base);
}

static int load_first(struct engine *engine)
{
	char **problems = NULL;
	size_t n = 0;
	int r = policy_load(engine, &problems, &n);

	if (r == -EINVAL)
		for (size_t i = 0; i < n; i++) {
			log_error("%s", problems[i]);
			free(problems[i]);
		}
	free(problems);
	return r;
}

static int engine_init(struct engine *engine)
{
	struct link_setup setup = { .rows = engine_rows, .lost = on_lost };
	struct link_settings settings;
	int r = load_first(engine);

	if (r == 0)
		r = policy_confine(engine);
	if (r < 0)
		return r;
	/* Before anything is read that others have a hand in: see daemon/limits.h. */
	settings = policy_settings(engine);
	r = link_send_first(engine->options->link_fd, LINK_SETTINGS, &settings, sizeof(settings));
	if (r < 0)
		return r;
	r = state_load(engine->options->state_file, &engine->state);
	if (r < 0)
		return r;
	engine->next_id = state_next_id(engine->state);
	engine->base = event_base_new();
	if (!engine->base)
		return -ENOMEM;
	r = save_init(engine);
	if (r == 0)
		r = table_init(engine);
	if (r < 0)
		return r;
	setup.fd = engine->options->link_fd;
	setup.context = engine;
	r = link_new(engine->base, &setup, &engine->link);
	if (r < 0)
		return r;
	link_set_stage(engine->link, LINK_RUNNING);
	return control_new(engine->base, engine->options->control_fd, engine, &engine->control);
}

static void engine_deinit(struct engine *engine)
{
	control_free(engine->control);
	link_free(engine->link);
	table_deinit(engine);
	save_deinit(engine);
	if (engine->base)
		event_base_free(engine->base);
	state_free(engine->state);
	rules_deinit(engine);
	policy_free_shared(&engine->policies);
	names_deinit(&engine->users);
	config_free(engine->config);
	config_free(engine->file_config);
	config_places_deinit(&engine->places);
	brake_deinit(&engine->brake);
	brake_deinit(&engine->asked);
	for (size_t i = 0; i < engine->n_troubles; i++)
		free(engine->troubles[i]);
}

int engine_run(const struct engine_options *options)
{
	struct engine engine = { .options = options, .started_at_ns = clock_now_ns() };
	int r;

	/* The monitor decides when both go; it is told by the same Ctrl-C. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	r = engine_init(&engine);
	if (r == 0) {
		options->ready(options->context);
		(void)event_base_dispatch(engine.base);
		confine_tell(CONFINE_MONITOR, options->witnesses);
		save_last(&engine);
	} else if (r != -EINVAL) {
		log_error("cannot start: %s", strerror(-r));
	}
	engine_deinit(&engine);
	return r < 0 ? 1 : 0;
}
