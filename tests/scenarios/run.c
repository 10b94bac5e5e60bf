/*
 * Runs one scenario under a virtual clock: the real core (ledger, bounds, policy, judge, brake) and
 * the real configuration parser, on a world that is only numbers.
 *
 *     config IdleTimeout 15m; IdleWarning 60s
 *     at 0s    open alice openssh pts/3
 *     at 14m   key
 *     at 28m   expect none
 *     at 28m1s expect warn rule=4
 *     from 0s to 1h every 1s keepalive
 *
 * The world keeps the counters that the kernel would; the loop takes a sample when the judge asked
 * for one, folds it and judges, as the engine does.  `expect` names what was done since the last
 * `expect` of that session; anything else that was done is an error.  Words: see the table `words`
 * below.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "core/brake.h"
#include "core/config.h"
#include "core/judge.h"
#include "core/session.h"
#include "server/server.h"
#include "text/config.h"

#define SESSIONS_MAX	    32
#define DONE_MAX	    64
#define EVENTS_MAX	    200000
#define WORDS_MAX	    12
#define LINES_MAX	    1000
#define LINE_BYTES	    512
#define KEY_NET_BYTES	    35
#define KEEPALIVE_NET_BYTES 52
#define PROBE_NET_BYTES	    52
#define ANSWER_NET_BYTES    36
#define LINE_SHOWN_BYTES    110
/* What a client's kernel takes for a program that does not read. */
#define WINDOW_BYTES 100000
#define WALL_START_S 1800000000LL
/* The virtual clock starts here: 0 means "not known" in many fields. */
#define START_NS (1000 * NS_PER_S)

struct done {
	enum verdict_action action;
	enum judge_rule rule;
	int32_t tty;
	bool cancel;
};

struct actor {
	char name[32];
	struct session session;
	struct sample world; /* counters as they are; ages are computed */
	int64_t last_data_at_ns, last_ack_at_ns;
	int64_t next_look_ns, ping_at_ns;
	int64_t quiet_every_ns, quiet_at_ns, still_ns; /* daemon/quiet.h; 0: not */
	struct sample before;			       /* the last one */
	uint64_t window; /* of a client program that has stopped: bytes left */
	uint64_t asked;	 /* probes of the server that wait for an answer */
	struct channel_facts channels[FACTS_CHANNELS_MAX];
	char commands[FACTS_CHANNELS_MAX][FACTS_COMMAND_BYTES];
	struct channel_sample moving[FACTS_CHANNELS_MAX];
	struct policy policies[FACTS_CHANNELS_MAX];
	size_t n_channels;
	uint32_t blind; /* enum sample_known bits that cannot be read */
	struct done done[DONE_MAX];
	size_t n_done;
	bool open, stale_channels;
	bool link_down, stopped, no_ping, no_park;
};

struct event {
	int64_t at_ns;
	int order;
	char *words[WORDS_MAX];
	int n_words;
	int line;
};

static struct actor actors[SESSIONS_MAX];
static int n_actors;
static struct event *events;
static int n_events;
static char *kept_lines[LINES_MAX];
static int n_kept;
static struct config *config;
static struct brake brake;
static int64_t wall_offset_ns = WALL_START_S * NS_PER_S - START_NS;
static const char *file_name;
static int line_now;
static int32_t next_pid = 100;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *format, ...)
{
	va_list arguments;

	(void)fprintf(stderr, "%s:%d: ", file_name, line_now);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stderr);
	exit(1);
}

static int64_t parse_time(const char *text)
{
	int64_t ns;

	if (duration_parse(text, &ns) < 0)
		fail("not a time: %s", text);
	return ns;
}

/* --- configuration --- */

static void policies_apply(struct actor *actor)
{
	for (size_t i = 0; i < actor->session.n_channels; i++) {
		struct channel *channel = &actor->session.channels[i];
		struct policy_query query = {
			.user = actor->name,
			.address = "192.0.2.7",
			.local_port = 22,
			.server = (enum server_id)actor->session.facts.server,
			.kind = (enum channel_kind)channel->facts.kind,
			.command = channel->command,
		};

		policy_resolve(config, &query, &actor->policies[i]);
		channel->policy = &actor->policies[i];
	}
}

/* Lines of a configuration, with ';' between them. */
static void configure(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *old = config;
	char *lines = strdup(text);
	int64_t span_ns;
	uint32_t most;

	for (char *at = lines; *at; at++)
		if (*at == ';')
			*at = '\n';
	if (config_parse(&(struct config_text){ "scenario", lines, strlen(lines) }, NULL, &problems,
			 &config) < 0)
		fail("configuration: %s", problems.n > 0 ? problems.items[0].text : "?");
	config_problems_deinit(&problems);
	config_max_cuts(config, &most, &span_ns);
	if (brake_set(&brake, most, span_ns) < 0)
		fail("brake");
	for (int i = 0; i < n_actors; i++)
		policies_apply(&actors[i]);
	config_free(old);
	free(lines);
}

/* --- the loop of the engine --- */

static void note(struct actor *actor, enum verdict_action action, enum judge_rule rule, int32_t tty,
		 bool cancel)
{
	if (actor->n_done == DONE_MAX)
		fail("%s: too much was done", actor->name);
	actor->done[actor->n_done++] =
		(struct done){ .action = action, .rule = rule, .tty = tty, .cancel = cancel };
}

/* The client's machine acknowledges what it gets and answers pings, whatever its program does. */
static void client_hears(struct actor *actor, int64_t now_ns)
{
	struct sample *world = &actor->world;
	uint64_t more = world->sent - world->acked;

	if (actor->link_down)
		return;
	actor->last_ack_at_ns = now_ns;
	if (actor->stopped && more > actor->window)
		more = actor->window;
	if (actor->stopped)
		actor->window -= more;
	world->acked += more;
	world->unsent = world->sent - world->acked;
}

static void ping(struct actor *actor, struct sample *sample)
{
	if (actor->ping_at_ns > sample->at_ns)
		return;
	if (actor->no_ping) {
		sample->known |= SAMPLE_NO_PING;
		return;
	}
	sample->pinged_at_ns = sample->at_ns;
	client_hears(actor, sample->at_ns + NS_PER_MS);
}

static int64_t age(int64_t at_ns, int64_t now_ns)
{
	return now_ns > at_ns ? now_ns - at_ns : 0;
}

static void take_sample(struct actor *actor, int64_t now_ns)
{
	struct sample sample = actor->world;

	sample.from_ns = sample.at_ns = now_ns;
	sample.still_ns = actor->still_ns;
	actor->still_ns = 0;
	sample.realtime_offset_ns = wall_offset_ns;
	sample.last_data_recv_ns = age(actor->last_data_at_ns, now_ns);
	sample.last_ack_recv_ns = age(actor->last_ack_at_ns, now_ns);
	sample.known = (SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_CHANNELS | SAMPLE_FORWARDS |
			SAMPLE_DESCRIPTORS |
			(actor->world.known & (SAMPLE_REAPED | SAMPLE_AGENT | SAMPLE_UNMEASURED))) &
		       ~actor->blind;
	actor->world.known &= ~(uint32_t)SAMPLE_REAPED;
	if (actor->stale_channels) {
		(void)session_set_channels(&actor->session, actor->channels, actor->n_channels,
					   actor->session.observed_at_ns, now_ns);
		for (size_t i = 0; i < actor->n_channels; i++)
			(void)session_set_command(&actor->session.channels[i], actor->commands[i]);
		policies_apply(actor);
		actor->stale_channels = false;
	}
	sample.n_channels = (uint32_t)actor->n_channels;
	memcpy(sample.channels, actor->moving, sizeof(sample.channels));
	ping(actor, &sample);
	actor->before = sample;
	/* What may have been on its way is there at a second look. */
	for (int look = 0; !session_observe(&actor->session, &sample); look++)
		if (look == 1)
			fail("%s: a sample of this world is never behind", actor->name);
}

static struct session_notes *need_notes(struct actor *actor)
{
	struct session_notes *notes = session_need_notes(&actor->session);

	if (!notes)
		fail("out of memory");
	return notes;
}

static void net_out(struct actor *actor, int64_t now_ns, uint64_t bytes, uint64_t plain);

/* The line that a warning is comes out of the terminal again. */
static void show_line(struct actor *actor, int64_t now_ns)
{
	net_out(actor, now_ns, LINE_SHOWN_BYTES + 36, LINE_SHOWN_BYTES);
	ledger_expect_notice(&actor->session.ledger, LINE_SHOWN_BYTES, now_ns);
}

static void act(struct actor *actor, const struct verdict *verdict, int64_t now_ns)
{
	struct channel *channel = &actor->session.channels[verdict->channel];
	struct channel_notes *of_channel = session_need_channel_notes(channel);
	struct session_notes *notes = need_notes(actor);
	int32_t tty = channel->facts.tty;

	bool unresponsive = verdict->rule == RULE_UNRESPONSIVE_HOST ||
			    verdict->rule == RULE_UNRESPONSIVE_PROGRAM;

	if (!of_channel)
		fail("out of memory");
	if (notes->warned_at_ns != 0 && verdict->rule < RULE_WARN) {
		notes->warned_at_ns = 0;
		note(actor, VERDICT_NONE, verdict->rule, -1, true);
	}
	switch (verdict->action) {
	case VERDICT_NONE:
		return;
	case VERDICT_WARN:
		notes->warned_at_ns = now_ns;
		show_line(actor, now_ns);
		break;
	case VERDICT_WARN_TERMINAL:
		of_channel->warned_at_ns = now_ns;
		show_line(actor, now_ns);
		break;
	case VERDICT_REPORT:
		if (unresponsive) {
			notes->unresponsive_reported_at_ns = now_ns;
			break;
		}
		notes->reported_at_ns = now_ns;
		of_channel->hung_up_at_ns = now_ns;
		break;
	case VERDICT_HANGUP_TERMINAL:
		of_channel->hung_up_at_ns = now_ns;
		brake_note_cut(&brake, 0, now_ns);
		break;
	case VERDICT_PARK:
		brake_note_cut(&brake, 0, now_ns);
		if (actor->no_park)
			notes->not_parked_at_ns = now_ns;
		else
			actor->open = false;
		break;
	case VERDICT_DISCONNECT:
		brake_note_cut(&brake, 0, now_ns);
		actor->open = false;
		break;
	}
	note(actor, verdict->action, verdict->rule, tty, false);
}

static void look(struct actor *actor, int64_t now_ns)
{
	struct verdict verdict;

	take_sample(actor, now_ns);
	verdict = judge(&actor->session, now_ns, brake_on(&brake, now_ns));
	if (verdict.next_look_ns <= now_ns)
		fail("%s: the judge wants to look in the past", actor->name);
	act(actor, &verdict, now_ns);
	actor->next_look_ns = verdict.next_look_ns;
	actor->ping_at_ns = verdict.ping_at_ns;
	actor->quiet_every_ns = verdict.quiet_every_ns;
	actor->quiet_at_ns = now_ns + verdict.quiet_every_ns;
}

/* As watch_is_still(). */
static bool is_still(const struct actor *actor)
{
	const struct sample *before = &actor->before, *now = &actor->world;
	size_t terminals = 0;

	for (size_t i = 0; i < actor->n_channels; i++) {
		terminals += actor->channels[i].tty >= 0;
		if (before->channels[i].known & TERMINAL_PENDING)
			return false;
	}
	return terminals <= 1 && actor->blind == 0 && !actor->stale_channels &&
	       before->unsent == 0 && before->sent == now->sent &&
	       before->received == now->received && before->realtime_offset_ns == wall_offset_ns;
}

/* The monitor's look between two samples. */
static void quiet_look(struct actor *actor, int64_t now_ns)
{
	if (!is_still(actor)) {
		look(actor, now_ns);
		return;
	}
	actor->still_ns = now_ns;
	actor->quiet_at_ns = now_ns + actor->quiet_every_ns;
}

static int64_t due_ns(const struct actor *actor)
{
	return actor->quiet_every_ns > 0 && actor->quiet_at_ns < actor->next_look_ns
		       ? actor->quiet_at_ns
		       : actor->next_look_ns;
}

static void run_until(int64_t at_ns)
{
	for (;;) {
		struct actor *next = NULL;

		for (int i = 0; i < n_actors; i++)
			if (actors[i].open && (!next || due_ns(&actors[i]) < due_ns(next)))
				next = &actors[i];
		if (!next || due_ns(next) > at_ns)
			return;
		if (due_ns(next) < next->next_look_ns)
			quiet_look(next, due_ns(next));
		else
			look(next, next->next_look_ns);
	}
}

/* --- what happens in the world --- */

static struct actor *find_actor(const char *name)
{
	for (int i = 0; i < n_actors; i++)
		if (strcmp(actors[i].name, name) == 0)
			return &actors[i];
	return NULL;
}

static void net_in(struct actor *actor, int64_t now_ns, uint64_t bytes, uint64_t plain)
{
	actor->world.received += bytes;
	actor->world.rchar += bytes;
	actor->world.segments_in++;
	actor->world.wchar += plain;
	actor->last_data_at_ns = now_ns;
}

static void net_out(struct actor *actor, int64_t now_ns, uint64_t bytes, uint64_t plain)
{
	actor->world.sent += bytes;
	actor->world.wchar += bytes;
	actor->world.rchar += plain;
	client_hears(actor, now_ns);
}

static void add_channel(struct actor *actor, const char *what, const char *command)
{
	struct channel_facts *facts = &actor->channels[actor->n_channels];
	struct channel_sample *moving = &actor->moving[actor->n_channels];

	*facts = (struct channel_facts){ .tty = -1 };
	*moving = (struct channel_sample){ .tty = -1, .known = TERMINAL_KNOWN | TERMINAL_WORK };
	if (strncmp(what, "pts/", 4) == 0) {
		facts->tty = moving->tty = (int32_t)strtol(what + 4, NULL, 10);
		facts->kind = KIND_SHELL;
		moving->known |= TERMINAL_RAW;
		moving->atime_s = WALL_START_S - 1000;
	} else {
		for (facts->kind = 0; facts->kind < KIND_N; facts->kind++)
			if (strcmp(policy_kind_name((enum channel_kind)facts->kind), what) == 0)
				break;
		if (facts->kind == KIND_N)
			fail("no such channel: %s", what);
	}
	if (facts->kind < KIND_FORWARD) {
		facts->pid = next_pid++;
		facts->start_ticks = (uint64_t)facts->pid;
	}
	(void)snprintf(actor->commands[actor->n_channels], FACTS_COMMAND_BYTES, "%s", command);
	actor->n_channels++;
	actor->stale_channels = true;
}

static void drop_channel(struct actor *actor, const char *what)
{
	int32_t tty = strncmp(what, "pts/", 4) == 0 ? (int32_t)strtol(what + 4, NULL, 10) : -1;

	for (size_t i = 0; i < actor->n_channels; i++) {
		const char *kind = policy_kind_name((enum channel_kind)actor->channels[i].kind);

		if (tty >= 0 ? actor->channels[i].tty != tty : strcmp(kind, what) != 0)
			continue;
		actor->n_channels--;
		memmove(&actor->channels[i], &actor->channels[i + 1],
			(actor->n_channels - i) * sizeof(actor->channels[0]));
		memmove(&actor->commands[i], &actor->commands[i + 1],
			(actor->n_channels - i) * sizeof(actor->commands[0]));
		memmove(&actor->moving[i], &actor->moving[i + 1],
			(actor->n_channels - i) * sizeof(actor->moving[0]));
		actor->stale_channels = true;
		if (actor->n_channels == 0)
			add_channel(actor, "none", "");
		return;
	}
	fail("%s has no channel %s", actor->name, what);
}

static void open_session(const struct event *event)
{
	struct actor *actor = &actors[n_actors];
	struct session_facts facts = { .started_at_ns = event->at_ns, .uid = 1000 };
	enum server_id server;

	if (n_actors == SESSIONS_MAX || event->n_words < 4 ||
	    server_by_name(event->words[2], &server) < 0)
		fail("open NAME SERVER CHANNEL [COMMAND]");
	facts.server = server;
	facts.identity.pid = next_pid++;
	*actor = (struct actor){ .open = true, .next_look_ns = event->at_ns + 500 * NS_PER_MS };
	actor->last_data_at_ns = actor->last_ack_at_ns = event->at_ns;
	actor->ping_at_ns = TIME_NEVER;
	actor->world.n_descriptors = 9;
	(void)snprintf(actor->name, sizeof(actor->name), "%s", event->words[1]);
	session_init(&actor->session, &facts, event->at_ns);
	actor->session.id = (uint32_t)n_actors + 1;
	actor->session.traits = server_get(server)->traits;
	add_channel(actor, event->words[3], event->n_words > 4 ? event->words[4] : "");
	n_actors++;
}

static size_t terminal_of(const struct actor *actor, const struct event *event)
{
	for (int w = 1; w < event->n_words; w++) {
		if (strncmp(event->words[w], "pts/", 4) != 0)
			continue;
		for (size_t i = 0; i < actor->n_channels; i++)
			if (actor->channels[i].tty == strtol(event->words[w] + 4, NULL, 10))
				return i;
		fail("%s has no %s", actor->name, event->words[w]);
	}
	return 0;
}

static uint64_t number_of(const struct event *event, uint64_t otherwise)
{
	for (int w = 1; w < event->n_words; w++)
		if (isdigit((unsigned char)event->words[w][0]))
			return strtoull(event->words[w], NULL, 10);
	return otherwise;
}

static bool has_word(const struct event *event, const char *word)
{
	for (int w = 1; w < event->n_words; w++)
		if (strcmp(event->words[w], word) == 0)
			return true;
	return false;
}

static void do_key(struct actor *actor, const struct event *event)
{
	size_t at = terminal_of(actor, event);
	uint64_t n = number_of(event, 1);
	int64_t wall_s = (event->at_ns + wall_offset_ns) / NS_PER_S;
	struct channel_sample *moving = &actor->moving[at];

	net_in(actor, event->at_ns, n * KEY_NET_BYTES, n);
	net_out(actor, event->at_ns, n * KEY_NET_BYTES, n);
	if (actor->channels[at].tty < 0)
		return;
	if (has_word(event, "unread")) {
		/* A cooked terminal shows no keys before the end of the line. */
		if (moving->known & TERMINAL_RAW)
			moving->known |= TERMINAL_PENDING;
		return;
	}
	moving->known &= ~(uint32_t)TERMINAL_PENDING;
	/* tty_update_time() of the kernel. */
	if ((wall_s ^ moving->atime_s) & ~7LL)
		moving->atime_s = wall_s;
}

static void do_output(struct actor *actor, const struct event *event)
{
	net_out(actor, event->at_ns, number_of(event, 100) + 36, number_of(event, 100));
}

static void do_keepalive(struct actor *actor, const struct event *event)
{
	net_in(actor, event->at_ns, KEEPALIVE_NET_BYTES, 0);
	net_out(actor, event->at_ns, KEEPALIVE_NET_BYTES, actor->session.traits.padding_bytes);
}

static void answer(struct actor *actor, int64_t now_ns)
{
	client_hears(actor, now_ns);
	if (actor->asked == 0 || actor->link_down || actor->stopped)
		return;
	net_in(actor, now_ns, actor->asked * ANSWER_NET_BYTES, 0);
	actor->asked = 0;
}

/* The server asks the client's program. */
static void do_probe(struct actor *actor, const struct event *event)
{
	net_out(actor, event->at_ns, PROBE_NET_BYTES, 0);
	actor->asked++;
	answer(actor, event->at_ns);
}

/* The program at the server's side has closed its output: a packet, and a pipe less. */
static void do_end_of_file(struct actor *actor, const struct event *event)
{
	net_out(actor, event->at_ns, ANSWER_NET_BYTES, 0);
	actor->world.n_descriptors--;
}

static void do_link(struct actor *actor, const struct event *event)
{
	actor->link_down = strcmp(event->words[0], "link-down") == 0;
	answer(actor, event->at_ns);
}

static void do_stop(struct actor *actor, const struct event *event)
{
	actor->stopped = strcmp(event->words[0], "stop") == 0;
	actor->window = WINDOW_BYTES;
	answer(actor, event->at_ns);
}

/* Nobody looks for so long: the daemon was stopped, or the whole machine was. */
static void do_pause(struct actor *actor, const struct event *event)
{
	actor->next_look_ns = event->at_ns + parse_time(event->words[event->n_words - 1]);
	actor->quiet_every_ns = 0;
}

static void do_rekey(struct actor *actor, const struct event *event)
{
	net_in(actor, event->at_ns, 2780, 96);
	actor->world.segments_in++;
	net_out(actor, event->at_ns, 2372, 92);
}

static void do_work(struct actor *actor, const struct event *event)
{
	actor->moving[terminal_of(actor, event)].work_ns +=
		number_of(event, 10) * (uint64_t)NS_PER_MS;
}

static void do_traffic(struct actor *actor, const struct event *event)
{
	uint64_t n = number_of(event, 1);

	net_in(actor, event->at_ns, n + 36, n);
	net_out(actor, event->at_ns, n + 36, n);
	actor->world.forward_written += n;
	actor->world.forward_read += n;
}

/* A forwarded unix socket is open from then on; so many bytes come for it. */
static void do_unmeasured(struct actor *actor, const struct event *event)
{
	uint64_t n = number_of(event, 0);

	actor->world.known |= SAMPLE_UNMEASURED;
	if (n > 0)
		net_in(actor, event->at_ns, n + 36, n);
}

/* A connection through a forward that came and went between two looks. */
static void do_brief(struct actor *actor, const struct event *event)
{
	net_in(actor, event->at_ns, 1100, 1000);
	net_out(actor, event->at_ns, 1100, 1000);
}

static void do_reap(struct actor *actor, const struct event *event)
{
	actor->world.wchar += number_of(event, 5000000);
	actor->world.rchar += number_of(event, 5000000);
	actor->world.known |= SAMPLE_REAPED;
	net_out(actor, event->at_ns, 36, 0);
}

static void do_agent(struct actor *actor, const struct event *event)
{
	actor->world.known |= SAMPLE_AGENT;
	net_out(actor, event->at_ns, 52, 5);
	net_in(actor, event->at_ns, 120, 75);
}

static void do_line_mode(struct actor *actor, const struct event *event)
{
	struct channel_sample *moving = &actor->moving[terminal_of(actor, event)];

	if (strcmp(event->words[0], "cooked") == 0)
		moving->known &= ~(uint32_t)TERMINAL_RAW;
	else
		moving->known |= TERMINAL_RAW;
}

static void do_blind(struct actor *actor, const struct event *event)
{
	actor->blind = (has_word(event, "io") ? (uint32_t)SAMPLE_IO : 0) |
		       (has_word(event, "socket") ? (uint32_t)SAMPLE_SOCKET : 0) |
		       (has_word(event, "channels") ? (uint32_t)SAMPLE_CHANNELS : 0) |
		       (has_word(event, "forwards") ? (uint32_t)SAMPLE_FORWARDS : 0);
	actor->no_ping = has_word(event, "ping");
}

static void do_channel(struct actor *actor, const struct event *event)
{
	int at = event->n_words > 1 && find_actor(event->words[1]) ? 2 : 1;

	if (event->n_words <= at)
		fail("channel [NAME] CHANNEL");
	net_in(actor, event->at_ns, 85, 0);
	add_channel(actor, event->words[at], event->n_words > at + 1 ? event->words[at + 1] : "");
}

static void do_close(struct actor *actor, const struct event *event)
{
	int at = event->n_words > 1 && find_actor(event->words[1]) ? 2 : 1;

	if (event->n_words <= at)
		fail("close [NAME] CHANNEL");
	drop_channel(actor, event->words[at]);
	do_reap(actor, &(struct event){ .at_ns = event->at_ns });
}

/* From now on the keepers cannot be started. */
static void do_no_park(struct actor *actor, const struct event *event)
{
	(void)event;
	actor->no_park = true;
}

static void do_keep(struct actor *actor, const struct event *event)
{
	need_notes(actor)->kept_until_ns =
		event->at_ns + parse_time(event->words[event->n_words - 1]);
	look(actor, event->at_ns);
}

/* --- expectations --- */

static const struct {
	const char *name;
	enum verdict_action action;
} outcomes[] = {
	{ "warn", VERDICT_WARN },
	{ "cut", VERDICT_DISCONNECT },
	{ "park", VERDICT_PARK },
	{ "report", VERDICT_REPORT },
	{ "warn-terminal", VERDICT_WARN_TERMINAL },
	{ "hangup", VERDICT_HANGUP_TERMINAL },
	{ "cancel", VERDICT_NONE },
};

static const char *outcome_name(const struct done *done)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].action == done->action)
			return outcomes[i].name;
	return "?";
}

static void check_details(const struct event *event, const struct done *done)
{
	for (int w = 1; w < event->n_words; w++) {
		if (strncmp(event->words[w], "rule=", 5) == 0 &&
		    strtol(event->words[w] + 5, NULL, 10) != (long)done->rule)
			fail("rule is %d, not %s", done->rule, event->words[w] + 5);
		if (strncmp(event->words[w], "pts/", 4) == 0 &&
		    strtol(event->words[w] + 4, NULL, 10) != done->tty)
			fail("terminal is pts/%d, not %s", done->tty, event->words[w]);
	}
}

static void do_expect(struct actor *actor, const struct event *event)
{
	const struct done done = actor->done[0];
	const char *wanted = NULL;

	for (int w = 1; w < event->n_words && !wanted; w++)
		if (strcmp(event->words[w], actor->name) != 0)
			wanted = event->words[w];
	if (!wanted)
		fail("expect what?");
	if (strcmp(wanted, "none") == 0) {
		if (actor->n_done > 0)
			fail("%s: nothing was expected, but: %s (rule %d)", actor->name,
			     outcome_name(&done), done.rule);
		return;
	}
	if (actor->n_done == 0)
		fail("%s: %s was expected, but nothing was done", actor->name, wanted);
	if (strcmp(outcome_name(&done), wanted) != 0)
		fail("%s: %s was expected, but: %s (rule %d)", actor->name, wanted,
		     outcome_name(&done), done.rule);
	check_details(event, &done);
	actor->n_done--;
	memmove(&actor->done[0], &actor->done[1], actor->n_done * sizeof(done));
}

static const struct {
	const char *word;
	void (*handler)(struct actor *actor, const struct event *event);
} words[] = {
	{ "key", do_key },
	{ "output", do_output },
	{ "keepalive", do_keepalive },
	{ "rekey", do_rekey },
	{ "work", do_work },
	{ "traffic", do_traffic },
	{ "brief", do_brief },
	{ "reap", do_reap },
	{ "agent", do_agent },
	{ "cooked", do_line_mode },
	{ "raw", do_line_mode },
	{ "blind", do_blind },
	{ "channel", do_channel },
	{ "close", do_close },
	{ "keep", do_keep },
	{ "probe", do_probe },
	{ "link-up", do_link },
	{ "link-down", do_link },
	{ "stop", do_stop },
	{ "continue", do_stop },
	{ "end-of-file", do_end_of_file },
	{ "pause", do_pause },
	{ "expect", do_expect },
	{ "no-park", do_no_park },
	{ "unmeasured", do_unmeasured },
};

static void play_world(const struct event *event)
{
	struct actor *actor = event->n_words > 1 ? find_actor(event->words[1]) : NULL;

	if (!actor && n_actors > 0)
		actor = &actors[0];
	if (!actor)
		fail("no session is open yet");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, event->words[0]) == 0) {
			words[i].handler(actor, event);
			return;
		}
	}
	fail("unknown word: %s", event->words[0]);
}

/* As engine_reload(): all are looked at. */
static void reload(const struct event *event)
{
	configure(event->words[1]);
	for (int i = 0; i < n_actors; i++)
		if (actors[i].open)
			look(&actors[i], event->at_ns);
}

static void play(const struct event *event)
{
	line_now = event->line;
	/* What is due before this happens first; an expectation sees what was due at its time. */
	run_until(strcmp(event->words[0], "expect") == 0 ? event->at_ns : event->at_ns - 1);
	if (strcmp(event->words[0], "open") == 0)
		open_session(event);
	else if (strcmp(event->words[0], "reload") == 0)
		reload(event);
	else if (strcmp(event->words[0], "wall-clock") == 0)
		wall_offset_ns +=
			(event->words[1][0] == '-' ? -1 : 1) * parse_time(event->words[1] + 1);
	else
		play_world(event);
}

/* --- reading the file --- */

static int split(char *text, char **ret_words)
{
	int n = 0;

	while (*text && n < WORDS_MAX) {
		while (isspace((unsigned char)*text))
			text++;
		if (!*text)
			break;
		if (*text == '"') {
			ret_words[n++] = ++text;
			text += strcspn(text, "\"");
		} else {
			ret_words[n++] = text;
			text += strcspn(text, " \t\n");
		}
		if (*text)
			*text++ = '\0';
	}
	return n;
}

static void add_event(int64_t at_ns, char **from, int n)
{
	struct event *event = &events[n_events];

	if (n_events == EVENTS_MAX || n == 0)
		fail("too many events, or an empty one");
	*event = (struct event){
		.at_ns = START_NS + at_ns, .order = n_events, .n_words = n, .line = line_now
	};
	memcpy(event->words, from, (size_t)n * sizeof(*from));
	n_events++;
}

/* The words of the events point into it. */
static char *keep_line(const char *line)
{
	if (n_kept == LINES_MAX)
		fail("too many lines");
	kept_lines[n_kept] = strdup(line);
	if (!kept_lines[n_kept])
		fail("out of memory");
	return kept_lines[n_kept++];
}

static void read_line(char *line)
{
	char *kept, *parts[WORDS_MAX + 6];
	int n;

	if (strncmp(line, "config ", 7) == 0) {
		configure(line + 7);
		return;
	}
	kept = keep_line(line);
	n = split(kept, parts);
	if (n == 0 || parts[0][0] == '#')
		return;
	if (n > 2 && strcmp(parts[0], "at") == 0)
		add_event(parse_time(parts[1]), parts + 2, n - 2);
	else if (n > 6 && strcmp(parts[0], "from") == 0 && strcmp(parts[2], "to") == 0 &&
		 strcmp(parts[4], "every") == 0)
		for (int64_t at_ns = parse_time(parts[1]); at_ns <= parse_time(parts[3]);
		     at_ns += parse_time(parts[5]))
			add_event(at_ns, parts + 6, n - 6);
	else
		fail("neither config, at TIME ..., nor from TIME to TIME every TIME ...");
}

static int compare(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return x->order - y->order;
}

static int run_file(const char *name)
{
	char line[LINE_BYTES];
	FILE *file = fopen(name, "r");

	file_name = name;
	if (!file) {
		(void)fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return 1;
	}
	while (fgets(line, sizeof(line), file)) {
		line_now++;
		line[strcspn(line, "\n")] = '\0';
		read_line(line);
	}
	(void)fclose(file);
	qsort(events, (size_t)n_events, sizeof(*events), compare);
	for (int i = 0; i < n_events; i++)
		play(&events[i]);
	for (int i = 0; i < n_actors; i++) {
		if (actors[i].n_done > 0)
			fail("%s: %s (rule %d) was done and never expected", actors[i].name,
			     outcome_name(&actors[i].done[0]), actors[i].done[0].rule);
		session_deinit(&actors[i].session);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int r;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: run-scenario FILE\n");
		return 2;
	}
	events = calloc(EVENTS_MAX, sizeof(*events));
	if (!events)
		return 1;
	configure("");
	r = run_file(argv[1]);
	config_free(config);
	brake_deinit(&brake);
	for (int i = 0; i < n_kept; i++)
		free(kept_lines[i]);
	free(events);
	return r;
}
