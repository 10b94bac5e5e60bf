/*
 * The promise to users and to the administrator, under random mixes of all that happens to a session:
 *
 *   - no warning and no end before the last use of each channel and its limit, nor while it is kept
 *   - then an end, at most max(1 s, 2 % of the limit) later
 *
 * Typing, output, rekeys, forwarded connections that are counted, brief or on unix sockets, work with its WorkMax,
 * samples that know less, our own lines, reloads with other limits, keeps and the brake. Of each use the
 * world knows two times: when it certainly was, and when what happened may be taken for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/judge.h"
#include "core/session.h"

#define HISTORIES  1000
#define STEPS	   120
#define START_NS   (1000 * NS_PER_S)
#define WALL_NS	   (1800000000LL * NS_PER_S)
#define LINE_BYTES 110
#define ALL_USES   (USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT) | USE_BIT(USE_TRAFFIC))

/* Of session_rhythm_ns() without a limit. */
#define WIDEST_NS (30 * NS_PER_S)

/* Reads of a terminal within so long do not all show (core/terminal.h), with room for a second at each end. */
#define READS_HIDDEN_NS (10 * NS_PER_S)

static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % sides;
}

struct world {
	struct session session;
	struct policy policies[KIND_N];
	struct sample counters;
	int64_t now_ns;
	int64_t certain_ns[USE_N], possible_ns[USE_N]; /* the last use */
	int64_t changed_ns;			       /* a reload or a keep: no warning is older */
	int64_t kept_ns, held_ns;		       /* until then */
	int64_t warned_ns, typed_ns, brief_ns;
	int64_t sampled_ns, next_look_ns, quiet_every_ns, still_ns;
	uint64_t sampled_received, sampled_sent;
	uint32_t unsure; /* USE_BIT()s: taken for uses at the next sample */
	bool settled, busy, ended;
	bool used, rekeyed; /* since the last sample */
};

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* --- what happens --- */

static void use(struct world *world, uint32_t certain, uint32_t possible)
{
	world->used = true;
	/* What is neither of the two alone may be anything. */
	if (world->rekeyed)
		possible = ALL_USES;
	for (int i = 0; i < USE_N; i++) {
		if (certain & USE_BIT(i))
			world->certain_ns[i] = world->now_ns;
		if ((certain | possible) & USE_BIT(i))
			world->possible_ns[i] = world->now_ns;
	}
	/* What moves while that is open may be its traffic. */
	if (world->counters.known & SAMPLE_UNMEASURED)
		world->possible_ns[USE_TRAFFIC] = world->now_ns;
}

static void net_in(struct world *world, uint64_t bytes, uint64_t plain)
{
	world->counters.received += bytes;
	world->counters.rchar += bytes;
	world->counters.segments_in++;
	world->counters.wchar += plain;
}

static void net_out(struct world *world, uint64_t bytes, uint64_t plain)
{
	world->counters.sent += bytes;
	world->counters.wchar += bytes;
	world->counters.rchar += plain;
}

static void type(struct world *world)
{
	struct channel_sample *terminal = &world->counters.channels[0];

	net_in(world, 36, 1 + dice(5));
	if (dice(2)) {
		terminal->atime_s = (world->now_ns + WALL_NS) / NS_PER_S;
		terminal->known &= ~(uint32_t)TERMINAL_PENDING;
	} else {
		terminal->known |= TERMINAL_PENDING;
	}
	world->typed_ns = world->now_ns;
	use(world, USE_BIT(USE_INPUT), 0);
}

/* More than our own line has, or it could be taken for that. */
static void print(struct world *world)
{
	uint64_t n = LINE_BYTES + 1 + dice(5000);

	net_out(world, n + 36, n);
	use(world, USE_BIT(USE_OUTPUT), 0);
}

static void forward(struct world *world)
{
	uint64_t n = 1 + dice(5000);

	net_in(world, n + 36, n);
	net_out(world, n + 36, n);
	world->counters.forward_written += n;
	world->counters.forward_read += n;
	use(world, USE_BIT(USE_TRAFFIC), 0);
}

/* It is not seen itself: known only when nothing else can have got what came, see take(). */
static void forward_briefly(struct world *world)
{
	net_in(world, 1036, 1000);
	net_out(world, 1036, 1000);
	world->brief_ns = world->now_ns;
	use(world, 0, ALL_USES);
}

static void forward_uncounted(struct world *world)
{
	uint64_t n = 1 + dice(5000);

	if (dice(3) == 0) {
		world->counters.known ^= SAMPLE_UNMEASURED;
		world->unsure |= USE_BIT(USE_TRAFFIC);
		return;
	}
	if (!(world->counters.known & SAMPLE_UNMEASURED))
		return;
	if (dice(2))
		net_in(world, n + 36, n);
	else
		net_out(world, n + LINE_BYTES + 36, n + LINE_BYTES);
	use(world, USE_BIT(USE_TRAFFIC), ALL_USES);
}

static void keepalive(struct world *world)
{
	net_in(world, 52, 0);
	net_out(world, 36, 0);
}

/* With a use, or with keys waiting, it is taken for one. */
static void rekey(struct world *world)
{
	net_in(world, 2780, 96);
	net_out(world, 2372, 92);
	world->counters.parent_rchar += 96;
	world->counters.parent_wchar += 92;
	world->rekeyed = true;
	if (world->used || (world->counters.channels[0].known & TERMINAL_PENDING))
		use(world, 0, ALL_USES);
}

static struct policy random_policy(enum channel_kind kind)
{
	static const uint32_t counts[KIND_N] = {
		[KIND_SHELL] = USE_BIT(USE_INPUT),
		[KIND_EXEC] = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT) | USE_BIT(USE_WORK),
		[KIND_FORWARD] = USE_BIT(USE_TRAFFIC),
	};
	struct policy policy = policy_none;

	policy.idle_timeout_ns = dice(9) == 0 ? TIME_NEVER : (int64_t)(2 + dice(1800)) * NS_PER_S;
	policy.idle_warning_ns = (int64_t)dice(3) * 20 * NS_PER_S;
	policy.work_max_ns = (int64_t)(1 + dice(1000)) * NS_PER_S;
	policy.work_threshold_ppm = 3000;
	policy.counts = counts[kind] | (dice(4) == 0 ? USE_BIT(USE_OUTPUT) : 0);
	policy.idle_action = ACTION_DISCONNECT;
	return policy;
}

static void reload(struct world *world)
{
	for (enum channel_kind kind = 0; kind < KIND_N; kind++)
		world->policies[kind] = random_policy(kind);
	world->changed_ns = world->now_ns;
	/* Earlier uses are known as closely as the limits before wanted it. */
	for (int i = 0; i < USE_N; i++)
		world->possible_ns[i] = least(world->now_ns, world->possible_ns[i] + WIDEST_NS);
	world->unsure |= USE_BIT(USE_WORK);
	world->next_look_ns = world->now_ns;
}

static void keep(struct world *world)
{
	assert_non_null(session_need_notes(&world->session));
	world->changed_ns = world->now_ns;
	world->kept_ns = dice(2) ? 0 : world->now_ns + (int64_t)dice(2000) * NS_PER_S;
	world->session.notes->kept_until_ns = world->kept_ns;
	world->next_look_ns = world->now_ns;
}

static void work(struct world *world)
{
	world->busy = !world->busy;
	world->unsure |= USE_BIT(USE_WORK);
}

static void be_held(struct world *world)
{
	world->held_ns = world->now_ns + (int64_t)dice(300) * NS_PER_S;
}

static void happen(struct world *world)
{
	static void (*const things[])(struct world * world) = {
		type,
		type,
		type,
		print,
		print,
		forward,
		forward_briefly,
		forward_uncounted,
		forward_uncounted,
		work,
		be_held,
		keep,
		reload,
		rekey,
		rekey,
		keepalive,
		keepalive,
		keepalive,
		keepalive,
		keepalive,
		keepalive,
		keepalive,
	};

	things[dice(sizeof(things) / sizeof(things[0]))](world);
}

/* --- what is promised --- */

static int64_t end_of(const struct world *world, const struct channel *channel,
		      const int64_t *used_ns)
{
	const struct policy *policy = channel->policy;
	int64_t last_ns = START_NS, work_ns = used_ns[USE_WORK];

	if (policy->idle_timeout_ns == TIME_NEVER)
		return TIME_NEVER;
	for (int i = 0; i < USE_N; i++)
		if (i != USE_WORK && (policy->counts & USE_BIT(i)))
			last_ns = most(last_ns, used_ns[i]);
	if (used_ns == world->possible_ns && (world->busy || (world->unsure & USE_BIT(USE_WORK))))
		work_ns = world->now_ns;
	if (work_ns > last_ns + policy->work_max_ns)
		work_ns = last_ns + policy->work_max_ns;
	if (channel->facts.kind == KIND_EXEC)
		last_ns = most(last_ns, work_ns);
	return last_ns + policy->idle_timeout_ns;
}

/* When all channels are past their limits, with the limit that is reached last and the longest warning. */
struct promise {
	int64_t end_ns, limit_ns, warning_ns;
};

static struct promise promise_of(const struct world *world, const int64_t *used_ns)
{
	struct promise promise = { 0 };

	for (size_t i = 0; i < world->session.n_channels; i++) {
		const struct channel *channel = &world->session.channels[i];
		int64_t end_ns = end_of(world, channel, used_ns);

		promise.warning_ns = most(promise.warning_ns, policy_warning_ns(channel->policy));
		if (end_ns <= promise.end_ns)
			continue;
		promise.end_ns = end_ns;
		promise.limit_ns = channel->policy->idle_timeout_ns;
	}
	return promise;
}

static void assert_not_late(const struct world *world)
{
	struct promise promise = promise_of(world, world->possible_ns);
	/* A warning stands its time. */
	int64_t since_ns =
		most(world->changed_ns, most(world->kept_ns, world->held_ns)) + promise.warning_ns;

	if (promise.end_ns == TIME_NEVER || world->ended || (world->unsure & ALL_USES))
		return;
	assert_true(world->now_ns <=
		    most(promise.end_ns, since_ns) + most(NS_PER_S, promise.limit_ns / 50));
}

static void assert_not_early(const struct world *world, bool warning)
{
	struct promise promise = promise_of(world, world->certain_ns);

	assert_true(promise.end_ns != TIME_NEVER);
	assert_true(world->now_ns >= promise.end_ns - (warning ? promise.warning_ns : 0));
	assert_true(world->now_ns >= world->kept_ns);
}

/* --- the daemon --- */

static void act(struct world *world, const struct verdict *verdict)
{
	const struct policy *policy = world->session.channels[verdict->channel].policy;

	if (verdict->rule < RULE_WARN && world->session.notes)
		world->session.notes->warned_at_ns = 0;
	if (verdict->action == VERDICT_WARN) {
		assert_not_early(world, true);
		assert_non_null(session_need_notes(&world->session));
		world->session.notes->warned_at_ns = world->warned_ns = world->now_ns;
		net_out(world, LINE_BYTES + 36, LINE_BYTES);
		ledger_expect_notice(&world->session.ledger, LINE_BYTES, world->now_ns);
		/* A server renews its keys before the first packet after a pause. */
		if (dice(2))
			rekey(world);
	}
	if (verdict->action != VERDICT_DISCONNECT)
		return;
	assert_not_early(world, false);
	assert_true(world->now_ns >= world->held_ns);
	if (policy_warning_ns(policy) > 0)
		assert_true(world->warned_ns > world->typed_ns &&
			    world->now_ns >= world->warned_ns + policy_warning_ns(policy));
	world->ended = true;
}

/* Some know less, or were taken inside a system call. What the monitor was asked is always known. */
static struct sample sample_of(struct world *world, bool certain)
{
	struct sample sample = world->counters;

	sample.from_ns = world->now_ns;
	sample.at_ns = world->now_ns + dice(NS_PER_MS);
	sample.still_ns = world->still_ns;
	sample.realtime_offset_ns = WALL_NS;
	sample.n_channels = world->session.n_channels;
	sample.known |= SAMPLE_LEDGER | SAMPLE_CHANNELS | SAMPLE_PARENT;
	if (!certain && dice(20) == 0)
		sample.wchar -= 1 + dice(500);
	if (!certain && dice(60) == 0) {
		sample.known &= ~(1U << dice(4));
		world->unsure |= ALL_USES | USE_BIT(USE_WORK);
	}
	return sample;
}

static void take(struct world *world, bool certain)
{
	int64_t before_ns = world->session.observed_at_ns;
	struct verdict verdict;
	struct sample sample;

	if (world->busy)
		world->counters.channels[1].work_ns +=
			(uint64_t)(world->now_ns - world->sampled_ns);
	sample = sample_of(world, certain);
	world->sampled_ns = world->now_ns;
	world->still_ns = 0;
	world->quiet_every_ns = 0;
	world->sampled_received = sample.received;
	world->sampled_sent = sample.sent;
	world->settled =
		(sample.known & 15) == 15 && !(sample.channels[0].known & TERMINAL_PENDING);
	world->next_look_ns = world->now_ns + 20 * NS_PER_MS;
	if (!session_observe(&world->session, &sample))
		return;
	for (int i = 0; i < USE_N; i++)
		if (world->unsure & USE_BIT(i))
			world->possible_ns[i] = sample.at_ns;
	world->unsure = 0;
	if ((sample.known & SAMPLE_LEDGER) == SAMPLE_LEDGER)
		world->used = world->rekeyed = false;
	/* Neither was the terminal read nor is there a command: only a forwarded connection can have got it. */
	if (world->brief_ns > before_ns && world->session.channels[1].facts.kind != KIND_EXEC &&
	    world->typed_ns + READS_HIDDEN_NS < before_ns && world->settled)
		world->certain_ns[USE_TRAFFIC] =
			most(world->certain_ns[USE_TRAFFIC], world->brief_ns);
	verdict = judge(&world->session, world->now_ns, world->now_ns < world->held_ns);
	act(world, &verdict);
	world->next_look_ns = verdict.next_look_ns;
	world->quiet_every_ns = verdict.quiet_every_ns;
}

/* As watch_is_still(). */
static bool is_still(const struct world *world)
{
	return world->settled && world->counters.received == world->sampled_received &&
	       world->counters.sent == world->sampled_sent;
}

static int64_t due_ns(const struct world *world)
{
	int64_t quiet_ns = most(world->sampled_ns, world->still_ns) + world->quiet_every_ns;

	return world->quiet_every_ns > 0 && quiet_ns < world->next_look_ns ? quiet_ns
									   : world->next_look_ns;
}

static void live_until(struct world *world, int64_t until_ns, bool certain)
{
	while (!world->ended && due_ns(world) <= until_ns) {
		bool quiet = due_ns(world) < world->next_look_ns;

		world->now_ns = most(world->now_ns, due_ns(world));
		if (quiet && is_still(world))
			world->still_ns = world->now_ns;
		else
			take(world, certain);
		assert_not_late(world);
	}
	world->now_ns = most(world->now_ns, until_ns);
}

static void world_start(struct world *world)
{
	struct session_facts facts = { .started_at_ns = START_NS, .server = SERVER_OPENSSH };
	struct channel_facts channels[3] = {
		{ .kind = KIND_SHELL, .tty = 3, .pid = 1, .start_ticks = 1 },
		{ .kind = KIND_EXEC, .tty = -1, .pid = 2, .start_ticks = 2 },
		{ .kind = KIND_FORWARD, .tty = -1 },
	};
	size_t n = 3;

	*world = (struct world){ .now_ns = START_NS, .next_look_ns = START_NS + NS_PER_MS };
	if (dice(2))
		channels[1] = channels[--n];
	session_init(&world->session, &facts, START_NS);
	assert_int_equal(session_set_channels(&world->session, channels, n, START_NS, START_NS), 0);
	for (size_t i = 0; i < n; i++) {
		world->session.channels[i].policy = &world->policies[channels[i].kind];
		world->counters.channels[i] =
			(struct channel_sample){ .tty = channels[i].tty,
						 .known = TERMINAL_KNOWN | TERMINAL_RAW |
							  TERMINAL_WORK };
	}
	world->unsure = ALL_USES | USE_BIT(USE_WORK);
	reload(world);
}

static void the_promise_is_kept(void **state)
{
	int ended = 0, n = 0;

	(void)state;
	for (uint64_t history = 1; history <= HISTORIES; history++) {
		struct world world;

		seed = history * 7919;
		world_start(&world);
		for (int i = 0; i < STEPS && !world.ended; i++) {
			live_until(&world,
				   world.now_ns + (int64_t)dice(1000) * NS_PER_S / (1 + dice(30)),
				   false);
			happen(&world);
		}
		n++;
		/* Whatever came before: keepalives, and nothing uncertain. */
		for (int i = 0; i < 60 && !world.ended; i++) {
			live_until(&world, world.now_ns + (int64_t)dice(100) * NS_PER_S, true);
			keepalive(&world);
		}
		ended += world.ended;
		session_deinit(&world.session);
	}
	/* The others have no limit, or a long one, or are kept. */
	assert_true(ended > n / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_promise_is_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
