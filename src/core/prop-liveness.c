/*
 * Random clients on random networks, against what must always hold:
 *
 *   - no end by rule 10 within interval x count of the host's true last sign of life
 *   - no end by rule 11 within interval x count of the program's, nor of a program that ran within
 *     the last second
 *   - rule 10 needs pings, rule 11 a probe or a full window
 *   - the verdict stays the same until next_look when nothing happens
 *   - removing evidence (a sample that knows less) never makes an end more likely
 *   - a host that is gone for good is ended in time, and so is a program where the server probes
 *
 * The world is numbers; what is true of the client is known to the test and not to the core.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-copy.h"
#include "core/judge.h"
#include "core/session.h"

#define HISTORIES    1500
#define STEPS	     300
#define PROBE_BYTES  52
#define ANSWER_BYTES 36
#define WINDOW_BYTES 5000

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
	int64_t data_at_ns, sign_at_ns; /* true last data, true last sign of the host */
	int64_t able_at_ns;		/* it ran, and the link was up */
	int64_t limit_ns, ping_at_ns;
	uint64_t window, asked; /* of a stopped program; probes without an answer */
	bool link_down, stopped, probed, filled, ended;
	bool clear; /* everything can be read, always */
};

/* What is on its way arrives; a running program answers what it was asked. */
static void world_settle(struct world *world, int64_t now_ns)
{
	struct sample *counters = &world->counters;
	uint64_t more = counters->sent - counters->acked;

	if (world->link_down)
		return;
	if (world->stopped && more > world->window)
		more = world->window;
	if (world->stopped)
		world->window -= more;
	world->sign_at_ns = now_ns;
	counters->acked += more;
	counters->unsent = counters->sent - counters->acked;
	world->filled |= counters->unsent > 0;
	if (world->stopped)
		return;
	world->able_at_ns = now_ns;
	if (world->asked == 0)
		return;
	counters->received += world->asked * ANSWER_BYTES;
	counters->rchar += world->asked * ANSWER_BYTES;
	world->asked = 0;
	world->data_at_ns = now_ns;
}

static void world_send(struct world *world, uint64_t bytes, uint64_t plain, int64_t now_ns)
{
	world->counters.sent += bytes;
	world->counters.wchar += bytes;
	world->counters.rchar += plain;
	world_settle(world, now_ns);
}

static void world_type(struct world *world, int64_t now_ns)
{
	if (world->link_down || world->stopped)
		return;
	world->counters.received += 36;
	world->counters.rchar += 36;
	world->counters.segments_in++;
	world->counters.wchar += dice(2);
	world->data_at_ns = now_ns;
	world_send(world, 36, 1, now_ns);
}

static void world_probe(struct world *world, int64_t now_ns)
{
	world->asked++;
	world->probed = true;
	world_send(world, PROBE_BYTES, 0, now_ns);
}

static void world_start(struct world *world, int64_t now_ns)
{
	struct session_facts facts = { .started_at_ns = now_ns, .server = SERVER_OPENSSH };
	struct channel_facts channel = { .kind = KIND_EXEC, .tty = -1, .pid = 1, .start_ticks = 1 };
	struct policy *policy;

	*world = (struct world){ .data_at_ns = now_ns,
				 .sign_at_ns = now_ns,
				 .ping_at_ns = TIME_NEVER,
				 .counters.n_descriptors = 9 };
	session_init(&world->session, &facts, now_ns);
	assert_int_equal(session_set_channels(&world->session, &channel, 1, now_ns, now_ns), 0);
	policy = &world->policy;
	world->session.channels[0].policy = policy;
	policy->idle_timeout_ns = TIME_NEVER;
	policy->idle_action = ACTION_DISCONNECT;
	policy->client_alive_interval_ns = (2 + dice(60)) * NS_PER_S;
	policy->client_alive_count_max = 2 + dice(4);
	world->limit_ns = policy_alive_limit_ns(policy);
}

static void world_happen(struct world *world, int64_t now_ns)
{
	world_settle(world, now_ns);
	if (dice(4) != 0)
		world->link_down = false;
	if (dice(4) != 0)
		world->stopped = false;
	switch (dice(9)) {
	case 0:
		world->link_down = true;
		break;
	case 1:
		world->stopped = true;
		world->window = WINDOW_BYTES;
		break;
	case 2:
	case 3:
		world_probe(world, now_ns);
		break;
	case 4:
		world_type(world, now_ns);
		break;
	case 5:
		world_send(world, dice(3000), dice(3000), now_ns);
		break;
	case 6: /* the end of a program's output */
		world->counters.n_descriptors--;
		world_send(world, ANSWER_BYTES, 0, now_ns);
		break;
	default:
		break;
	}
	world_settle(world, now_ns);
}

/* Ages are ticks of 4 ms. */
static int64_t age(int64_t at_ns, int64_t now_ns)
{
	int64_t age_ns = now_ns > at_ns ? now_ns - at_ns : 0;

	return age_ns / (4 * NS_PER_MS) * (4 * NS_PER_MS);
}

static struct sample world_sample(struct world *world, int64_t now_ns)
{
	struct sample sample = world->counters;

	sample.from_ns = sample.at_ns = now_ns;
	sample.last_data_recv_ns = age(world->data_at_ns, now_ns);
	sample.last_ack_recv_ns = age(world->sign_at_ns, now_ns);
	sample.known =
		SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_FORWARDS | SAMPLE_CHANNELS | SAMPLE_DESCRIPTORS;
	sample.n_channels = 1;
	if (world->ping_at_ns <= now_ns) {
		sample.pinged_at_ns = now_ns;
		if (!world->link_down)
			world->sign_at_ns = now_ns + NS_PER_MS;
	}
	if (world->clear)
		return sample;
	if (dice(20) == 0 && sample.wchar > 1000)
		sample.wchar -= dice(1000);
	if (dice(30) == 0)
		sample.known &= ~(1u << dice(4));
	return sample;
}

static bool is_cut(const struct verdict *verdict)
{
	return verdict->rule == RULE_UNRESPONSIVE_HOST ||
	       verdict->rule == RULE_UNRESPONSIVE_PROGRAM;
}

static void check_less_evidence(const struct world *world, const struct sample *sample)
{
	static const uint32_t facts[] = { SAMPLE_IO, SAMPLE_SOCKET, SAMPLE_FORWARDS,
					  SAMPLE_CHANNELS, SAMPLE_DESCRIPTORS };
	struct session less = copy_session(&world->session), more = copy_session(&world->session);
	struct sample blind = *sample;
	struct verdict blinded, full;

	blind.known &= ~facts[dice(5)];
	(void)session_observe(&less, &blind);
	(void)session_observe(&more, sample);
	blinded = judge(&less, less.observed_at_ns, false);
	full = judge(&more, more.observed_at_ns, false);
	assert_true(!is_cut(&blinded) || is_cut(&full));
	session_deinit(&less);
	session_deinit(&more);
}

static void check_constant(const struct session *session, const struct verdict *verdict,
			   int64_t now_ns)
{
	int64_t between_ns = now_ns + (verdict->next_look_ns - now_ns) / (2 + dice(8));
	struct verdict again = judge(session, between_ns, false);

	if (verdict->action == VERDICT_NONE)
		assert_true(again.rule == verdict->rule && again.action == VERDICT_NONE);
}

static void check_cut(const struct world *world, const struct verdict *verdict, int64_t now_ns)
{
	if (verdict->rule == RULE_UNRESPONSIVE_HOST) {
		assert_true(now_ns >= world->sign_at_ns + world->limit_ns);
		assert_true(liveness_pings(&world->session.liveness) >= 2);
		assert_true(world->link_down);
		return;
	}
	assert_true(now_ns >= world->data_at_ns + world->limit_ns);
	assert_true(now_ns >= world->able_at_ns + NS_PER_S);
	assert_true(world->probed || world->filled);
}

static int64_t world_look(struct world *world, int64_t now_ns)
{
	struct sample sample = world_sample(world, now_ns);
	struct verdict verdict;
	bool says = true;

	check_less_evidence(world, &sample);
	says = session_observe(&world->session, &sample);
	verdict = judge(&world->session, world->session.observed_at_ns, false);
	if (says)
		check_constant(&world->session, &verdict, now_ns);
	world->ping_at_ns = verdict.ping_at_ns;
	if (is_cut(&verdict)) {
		check_cut(world, &verdict, now_ns);
		world->ended = true;
	}
	return says ? verdict.next_look_ns : now_ns + 20 * NS_PER_MS;
}

static void world_run(struct world *world, int64_t *look_ns, int64_t until_ns)
{
	while (*look_ns < until_ns && !world->ended) {
		int64_t next_ns = world_look(world, *look_ns);

		assert_true(next_ns > *look_ns);
		*look_ns = next_ns;
	}
}

static void a_living_client_is_never_cut(void **state)
{
	unsigned ends = 0;

	(void)state;
	for (seed = 1; seed < HISTORIES; seed++) {
		uint64_t history = seed;
		int64_t now_ns = 1000 * NS_PER_S, look_ns = now_ns + NS_PER_MS;
		struct world world;

		world_start(&world, now_ns);
		for (int i = 0; i < STEPS && !world.ended; i++) {
			now_ns += (int64_t)dice(1000) * world.limit_ns / 3000 + NS_PER_MS;
			world_run(&world, &look_ns, now_ns);
			world_happen(&world, now_ns);
		}
		ends += world.ended;
		session_deinit(&world.session);
		seed = history;
	}
	/* The histories are such that both is tried. */
	assert_true(ends > HISTORIES / 10 && ends < HISTORIES * 9 / 10);
}

/* max(1 s, 2 %), as for every other end. */
static int64_t late_ns(const struct world *world)
{
	return world->limit_ns / 50 > NS_PER_S ? world->limit_ns / 50 : NS_PER_S;
}

static void a_lost_host_ends_in_time(void **state)
{
	(void)state;
	for (seed = 1; seed < HISTORIES; seed++) {
		uint64_t history = seed;
		int64_t now_ns = 1000 * NS_PER_S, look_ns = now_ns + NS_PER_MS;
		bool output = dice(2);
		struct world world;

		world_start(&world, now_ns);
		world.clear = true;
		world_run(&world, &look_ns, now_ns + dice(100) * NS_PER_S);
		world.link_down = true;
		while (!world.ended) {
			if (output)
				world_send(&world, 100, 64, look_ns);
			world_run(&world, &look_ns, look_ns + NS_PER_S);
			assert_true(world.ended ||
				    look_ns <= world.sign_at_ns + world.limit_ns + late_ns(&world));
		}
		session_deinit(&world.session);
		seed = history;
	}
}

/* The server asks each interval, as `sshidle apply` has it do. */
static void a_stopped_program_ends_in_time(void **state)
{
	(void)state;
	for (seed = 1; seed < HISTORIES; seed++) {
		uint64_t history = seed;
		int64_t now_ns = 1000 * NS_PER_S, look_ns = now_ns + NS_PER_MS, every_ns;
		struct world world;

		world_start(&world, now_ns);
		world.clear = true;
		every_ns = world.policy.client_alive_interval_ns;
		for (int i = 0; !world.ended; i++) {
			now_ns += every_ns;
			world_run(&world, &look_ns, now_ns);
			if (i == 3) {
				world.stopped = true;
				world.window = WINDOW_BYTES;
			}
			if (!world.ended)
				world_probe(&world, now_ns);
			assert_true(world.ended ||
				    look_ns <= world.data_at_ns + world.limit_ns + late_ns(&world));
		}
		session_deinit(&world.session);
		seed = history;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_living_client_is_never_cut),
		cmocka_unit_test(a_lost_host_ends_in_time),
		cmocka_unit_test(a_stopped_program_ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
