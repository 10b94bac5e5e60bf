/*
 * Random histories of random sessions, against what must always hold:
 *
 *   - no end before the true last use + the limit, and no sample that passes a use over: not ^C in the step of a
 *     rekey either
 *   - no end of a session with a terminal before its warning stood for its time
 *   - the verdict stays the same until next_look when nothing happens
 *   - removing evidence (a sample that knows less) never makes a session more idle
 *   - looks at which nothing has moved, and samples where something has, do what samples do
 *   - sessions do not affect each other
 *   - a session that is not used any more ends, and in time; rekeys that the monitor's counters tell keep none
 *
 * The world is numbers; the true moments of use are known to the test and not to the core.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/fake-copy.h"
#include "core/judge.h"
#include "core/session.h"
#include "core/terminal.h"

#define HISTORIES 3000
#define STEPS	  400
#define WALL_NS	  (1800000000LL * NS_PER_S)

static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % sides;
}

struct world {
	struct policy policy;
	struct session session;
	struct sample counters;
	struct channel_sample terminal;
	int64_t used_at_ns; /* the true last input */
	int64_t data_at_ns; /* the last byte of any kind */
	int64_t limit_ns;
	int64_t next_look_ns, quiet_every_ns, still_ns;
	uint64_t looked_received, looked_sent; /* of the last sample */
	uint32_t question, answer, prompt;     /* bytes of a rekey, and of what follows a ^C */
	uint32_t asked, answered; /* the monitor's counters; the sample's may be older */
	bool keepalives, cooked, signals, exact, ended, settled, clear;
	bool monitored, bare; /* with a monitor that can be read; a command without a terminal */
	bool monitor_is_read; /* before the rest of the next sample */
};

/* Of host keys, as they were measured: docs/decisions/0005. */
static const uint32_t rekeys[][2] = { { 96, 92 },   { 147, 92 },  { 97, 413 }, { 504, 413 },
				      { 104, 108 }, { 208, 108 }, { 80, 92 },  { 81, 413 },
				      { 64, 92 },   { 117, 92 },  { 318, 112 } };

static void world_start(struct world *world, int64_t now_ns)
{
	struct session_facts facts = { .started_at_ns = now_ns, .server = SERVER_OPENSSH };
	struct channel_facts channel = { .kind = KIND_SHELL, .tty = 3, .pid = 1, .start_ticks = 1 };
	const uint32_t *row;
	struct policy *policy;

	*world = (struct world){ .used_at_ns = now_ns, .data_at_ns = now_ns };
	world->keepalives = dice(2);
	world->cooked = dice(2);
	world->exact = dice(2);
	world->signals = !world->cooked && dice(2);
	row = rekeys[dice(sizeof(rekeys) / sizeof(rekeys[0]))];
	world->question = row[0];
	world->answer = row[1];
	world->prompt = dice(400);
	world->limit_ns = (1 + dice(900)) * NS_PER_S;
	world->monitored = dice(2);
	world->bare = world->monitored && dice(3) == 0;
	if (world->bare) {
		channel.kind = KIND_EXEC;
		channel.tty = -1;
		world->cooked = world->signals = false;
	}
	world->terminal = (struct channel_sample){ .tty = 3, .known = TERMINAL_KNOWN };
	if (!world->cooked)
		world->terminal.known |= TERMINAL_RAW;
	if (world->signals || world->cooked)
		world->terminal.known |= TERMINAL_SIGNALS;
	session_init(&world->session, &facts, now_ns);
	assert_int_equal(session_set_channels(&world->session, &channel, 1, now_ns, now_ns), 0);
	policy = &world->policy;
	world->session.channels[0].policy = policy;
	policy->idle_timeout_ns = world->limit_ns;
	policy->idle_warning_ns = dice(3) * world->limit_ns / 4;
	policy->counts = USE_BIT(USE_INPUT);
	policy->idle_action = ACTION_DISCONNECT;
}

/* As the kernel does: see core/terminal.h. */
static void world_read(struct world *world, int64_t now_ns)
{
	const int64_t now_s = (now_ns + WALL_NS) / NS_PER_S;

	if (now_s >= terminal_window_end_s(world->terminal.atime_s))
		world->terminal.atime_s = now_s;
	world->terminal.known &= ~(uint32_t)TERMINAL_PENDING;
}

static void world_type(struct world *world, int64_t now_ns)
{
	/* A line of 19 bytes makes the question of one host key that of another. */
	uint64_t n = 1 + dice(world->bare ? 40 : 5);

	world->counters.received += 36 * n;
	world->counters.rchar += 36 * n;
	world->counters.segments_in += n;
	world->counters.wchar += n;
	world->used_at_ns = world->data_at_ns = now_ns;
	if (world->bare)
		return;
	/* ^C: nobody reads it. */
	if (world->signals && dice(2))
		world->counters.rchar += n * (4 + world->prompt);
	/* In a cooked terminal half a line is neither read nor readable. */
	else if (dice(2))
		world_read(world, now_ns);
	else if (!world->cooked)
		world->terminal.known |= TERMINAL_PENDING;
}

static void read_monitor(struct world *world)
{
	world->counters.parent_rchar = world->asked;
	world->counters.parent_wchar = world->answered;
	world->monitor_is_read = true;
}

static int64_t world_look(struct world *world, int64_t now_ns);

/* With a look at any moment of it, which reads the monitor's counters first. */
static void world_rekey(struct world *world, int64_t now_ns, int64_t *look_ns)
{
	uint32_t looked_at = dice(8), monitor_at = dice(looked_at + 1);

	world->data_at_ns = now_ns;
	for (uint32_t at = 0; at < 6; at++) {
		if (at == monitor_at && looked_at < 6)
			read_monitor(world);
		if (at == looked_at)
			*look_ns = world_look(world, now_ns);
		world->counters.received += at == 0 ? 2780 : 0;
		world->counters.rchar += at == 0 ? 2780 : 0;
		world->counters.segments_in += at == 0 ? 3 : 0;
		world->counters.sent += at == 1 ? 2372 : 0;
		world->counters.wchar += at == 1 ? 2372 : 0;
		world->counters.wchar += at == 2 ? world->question : 0;
		world->asked += at == 3 ? world->question : 0;
		world->answered += at == 4 ? world->answer : 0;
		world->counters.rchar += at == 5 ? world->answer : 0;
	}
}

static void world_noise(struct world *world, int64_t now_ns, int64_t *look_ns)
{
	if (world->keepalives) {
		world->counters.received += 52;
		world->counters.rchar += 52;
		world->counters.sent += 52;
		world->counters.wchar += 52;
		world->counters.segments_in++;
		world->data_at_ns = now_ns;
	}
	if (dice(3) == 0)
		world->counters.rchar += dice(10000); /* output, most of it still to be sent */
	if (dice(8) == 0 && (world->terminal.known & TERMINAL_PENDING))
		world_read(world, now_ns);
	if (dice(10) == 0)
		world_rekey(world, now_ns, look_ns);
}

static struct sample world_sample(struct world *world, int64_t now_ns)
{
	struct sample sample;

	if (!world->monitor_is_read)
		read_monitor(world);
	world->monitor_is_read = false;
	sample = world->counters;
	sample.from_ns = now_ns;
	sample.at_ns = now_ns + dice(1000000);
	sample.still_ns = world->still_ns;
	sample.realtime_offset_ns = WALL_NS;
	sample.last_data_recv_ns = sample.at_ns - world->data_at_ns;
	sample.known = SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_FORWARDS | SAMPLE_CHANNELS;
	if (world->monitored && (world->bare || world->clear || dice(30) != 0))
		sample.known |= SAMPLE_PARENT;
	sample.n_channels = 1;
	sample.channels[0] = world->terminal;
	if (world->clear)
		return sample;
	/* Now and then one is taken inside a system call, or something cannot be read. */
	if (!world->exact && dice(20) == 0 && sample.wchar > 1000)
		sample.wchar -= dice(1000);
	if (dice(30) == 0)
		sample.known &= ~(1u << dice(4));
	return sample;
}

static void check_constant(const struct session *session, const struct verdict *verdict,
			   int64_t now_ns)
{
	int64_t between_ns = now_ns + (verdict->next_look_ns - now_ns) / (2 + dice(8));
	struct verdict again = judge(session, between_ns, false);

	if (verdict->action != VERDICT_NONE)
		return;
	assert_int_equal(again.rule, verdict->rule);
	assert_int_equal(again.action, VERDICT_NONE);
	assert_true(again.end_at_ns == verdict->end_at_ns);
}

/* A copy that knows less of this sample must not be idle for longer. */
static void check_less_evidence(const struct world *world, const struct sample *sample)
{
	struct session less = copy_session(&world->session), more = copy_session(&world->session);
	struct sample blind = *sample;

	blind.known &= ~(1u << dice(4));
	if (session_observe(&less, &blind) && session_observe(&more, sample))
		assert_true(session_channel_last_use(&less, &less.channels[0]).latest_ns >=
			    session_channel_last_use(&more, &more.channels[0]).latest_ns);
	session_deinit(&less);
	session_deinit(&more);
}

static void world_act(struct world *world, const struct verdict *verdict, int64_t now_ns)
{
	const struct policy *policy = &world->policy;
	int64_t warned_at_ns = session_notes(&world->session)->warned_at_ns;
	int64_t warning_ns = policy->idle_warning_ns;

	if (warning_ns > world->limit_ns / 2)
		warning_ns = world->limit_ns / 2;
	/* Nobody is there to be warned. */
	if (world->bare)
		warning_ns = 0;
	if (verdict->action == VERDICT_WARN) {
		assert_non_null(session_need_notes(&world->session));
		world->session.notes->warned_at_ns = now_ns;
	}
	if (verdict->action != VERDICT_DISCONNECT)
		return;
	assert_true(now_ns >= world->used_at_ns + world->limit_ns);
	if (warning_ns > 0)
		assert_true(warned_at_ns != 0 && now_ns >= warned_at_ns + warning_ns &&
			    warned_at_ns >= world->used_at_ns);
	world->ended = true;
}

/* Takes one sample, as watch_sample() would, and does what it asks for. */
static int64_t world_take(struct world *world, const struct sample *sample)
{
	int64_t now_ns = sample->from_ns;
	struct verdict verdict;
	struct bounds last;

	world->still_ns = 0;
	world->looked_received = world->counters.received;
	world->looked_sent = world->counters.sent;
	world->settled = (sample->known & 15) == 15 && !(world->terminal.known & TERMINAL_PENDING);
	world->quiet_every_ns = 0;
	world->next_look_ns = now_ns + 20 * NS_PER_MS;
	if (!session_observe(&world->session, sample))
		return world->next_look_ns;
	last = session_channel_last_use(&world->session, world->session.channels);
	assert_true(!world->exact || last.latest_ns >= world->used_at_ns);
	verdict = judge(&world->session, now_ns, false);
	check_constant(&world->session, &verdict, now_ns);
	world_act(world, &verdict, now_ns);
	world->next_look_ns = verdict.next_look_ns;
	world->quiet_every_ns = verdict.quiet_every_ns;
	if (world->quiet_every_ns == 0 || now_ns + world->quiet_every_ns > verdict.next_look_ns)
		return verdict.next_look_ns;
	return now_ns + world->quiet_every_ns;
}

/* As watch_is_still(). */
static bool world_is_still(const struct world *world)
{
	return world->settled && world->counters.received == world->looked_received &&
	       world->counters.sent == world->looked_sent;
}

/* A quiet look or a sample, whichever is due. Returns when the next one is. */
static int64_t world_look(struct world *world, int64_t now_ns)
{
	struct sample sample;

	if (world->quiet_every_ns > 0 && now_ns < world->next_look_ns && world_is_still(world)) {
		world->still_ns = now_ns;
		now_ns += world->quiet_every_ns;
		return now_ns < world->next_look_ns ? now_ns : world->next_look_ns;
	}
	sample = world_sample(world, now_ns);
	check_less_evidence(world, &sample);
	return world_take(world, &sample);
}

static void a_session_in_use_is_never_cut(void **state)
{
	(void)state;
	for (seed = 1; seed < HISTORIES; seed++) {
		uint64_t history = seed;
		int64_t now_ns = 1000 * NS_PER_S, look_ns = now_ns + NS_PER_MS;
		struct world world;

		world_start(&world, now_ns);
		for (int i = 0; i < STEPS && !world.ended; i++) {
			int64_t pause_ns =
				(int64_t)dice(1000) * world.limit_ns / 900 / (1 + dice(20));

			for (now_ns += pause_ns; look_ns < now_ns && !world.ended;)
				look_ns = world_look(&world, look_ns);
			if (dice(2))
				world_type(&world, now_ns);
			else
				world_noise(&world, now_ns, &look_ns);
		}
		session_deinit(&world.session);
		seed = history;
	}
}

/* Two sessions with the same history, one of them judged between looks at a stranger. */
static void sessions_do_not_affect_each_other(void **state)
{
	struct world one, two, stranger;
	int64_t now_ns = 1000 * NS_PER_S;

	(void)state;
	seed = 77;
	world_start(&one, now_ns);
	seed = 77;
	world_start(&two, now_ns);
	world_start(&stranger, now_ns);
	for (int i = 0; i < STEPS; i++) {
		struct sample sample;
		struct verdict a, b;

		now_ns += world_sample(&stranger, now_ns).at_ns % NS_PER_S;
		sample = world_sample(&one, now_ns);
		session_observe(&one.session, &sample);
		session_observe(&two.session, &sample);
		a = judge(&one.session, now_ns, false);
		(void)judge(&stranger.session, now_ns, true);
		b = judge(&two.session, now_ns, false);
		assert_memory_equal(&a, &b, sizeof(a));
		if (dice(4) == 0)
			world_type(&one, now_ns);
	}
	session_deinit(&one.session);
	session_deinit(&two.session);
	session_deinit(&stranger.session);
}

/* What an end may be late by. */
static int64_t lateness(const struct world *world)
{
	return world->limit_ns / 50 > NS_PER_S ? world->limit_ns / 50 : NS_PER_S;
}

/* Not used any more: ended, and late by at most max(1 s, 2 %), with the warning's rules. */
static void an_idle_session_ends_in_time(void **state)
{
	(void)state;
	for (seed = 1; seed < HISTORIES; seed++) {
		uint64_t history = seed;
		int64_t now_ns = 1000 * NS_PER_S, look_ns = now_ns + NS_PER_MS, late_ns;
		struct world world;

		world_start(&world, now_ns);
		world.policy.idle_warning_ns %= world.limit_ns;
		late_ns = lateness(&world);
		while (!world.ended) {
			struct sample sample = world.counters;
			struct verdict verdict;

			sample.from_ns = sample.at_ns = look_ns;
			sample.realtime_offset_ns = WALL_NS;
			sample.last_data_recv_ns = dice(NS_PER_MS); /* keepalives all the time */
			sample.known =
				SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_FORWARDS | SAMPLE_CHANNELS;
			sample.n_channels = 1;
			sample.channels[0] = world.terminal;
			session_observe(&world.session, &sample);
			verdict = judge(&world.session, look_ns, false);
			world_act(&world, &verdict, look_ns);
			if (world.ended)
				assert_true(look_ns <= world.used_at_ns + world.limit_ns + late_ns);
			look_ns = verdict.next_look_ns;
		}
		session_deinit(&world.session);
		seed = history;
	}
}

/* Whatever takes its input. */
static void rekeys_keep_nobody(void **state)
{
	(void)state;
	for (seed = 1; seed < HISTORIES; seed++) {
		uint64_t history = seed;
		int64_t now_ns = 1000 * NS_PER_S, look_ns = now_ns + NS_PER_MS, until_ns;
		struct world world;

		world_start(&world, now_ns);
		world.clear = world.monitored = true;
		world.policy.idle_warning_ns = 0;
		until_ns = now_ns + world.limit_ns + lateness(&world);
		for (now_ns += NS_PER_S / 2; !world.ended;) {
			assert_true(look_ns <= until_ns);
			if (look_ns < now_ns) {
				look_ns = world_look(&world, look_ns);
				continue;
			}
			world_rekey(&world, now_ns, &look_ns);
			now_ns += (int64_t)(1 + dice(100)) * NS_PER_S;
		}
		session_deinit(&world.session);
		seed = history;
	}
}

static void keepalive(struct world *world, int64_t now_ns)
{
	world->counters.received += 52;
	world->counters.rchar += 52;
	world->counters.segments_in++;
	world->data_at_ns = now_ns;
}

/* What the last use of a session that rests is known to be: not before it, and as close as with samples only. */
static void check_last_use(const struct world *world)
{
	const struct session *session = &world->session;
	struct bounds last = session_channel_last_use(session, &session->channels[0]);
	int64_t wide_ns = judge_rhythm_ns(world->limit_ns) + 2 * FACTS_AGE_SLACK_NS;

	assert_true(last.latest_ns >= world->used_at_ns);
	assert_true(last.earliest_ns <= world->used_at_ns);
	assert_true(last.latest_ns - last.earliest_ns <= wide_ns);
}

/* A key after long silence, and then what is none: the cut is in time, the evidence is not wider. */
static void rest_makes_no_cut_late(void **state)
{
	(void)state;
	for (seed = 1; seed < HISTORIES; seed++) {
		uint64_t history = seed;
		int64_t now_ns = 1000 * NS_PER_S, look_ns = now_ns + NS_PER_MS, until_ns;
		struct world world;

		world_start(&world, now_ns);
		world.clear = true;
		world.limit_ns = (60 + dice(3600)) * NS_PER_S;
		world.policy.idle_timeout_ns = world.limit_ns;
		world.policy.idle_warning_ns = 0;
		for (int i = 0; i < 5 && !world.ended; i++) {
			now_ns += (int64_t)dice(900) * world.limit_ns / 1000;
			for (; look_ns < now_ns;)
				look_ns = world_look(&world, look_ns);
			world_type(&world, now_ns);
			world.terminal.known &= ~(uint32_t)TERMINAL_PENDING;
		}
		until_ns = now_ns + world.limit_ns + lateness(&world);
		for (now_ns += dice(1000) * NS_PER_MS * 20; !world.ended;) {
			assert_true(look_ns <= until_ns);
			if (look_ns >= now_ns) {
				keepalive(&world, now_ns);
				now_ns += (int64_t)(1 + dice(100)) * NS_PER_S;
				continue;
			}
			look_ns = world_look(&world, look_ns);
			if (world.looked_received == world.counters.received)
				check_last_use(&world);
		}
		session_deinit(&world.session);
		seed = history;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_in_use_is_never_cut),
		cmocka_unit_test(sessions_do_not_affect_each_other),
		cmocka_unit_test(an_idle_session_ends_in_time),
		cmocka_unit_test(rekeys_keep_nobody),
		cmocka_unit_test(rest_makes_no_cut_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
