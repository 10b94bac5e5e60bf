/* ParkMax holds also for what is parked at the same moment: a keeper is counted from when it has started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "act/guard.h"
#include "act/park-terminal.h"
#include "act/park.h"

enum { ALICE = 1000, BOB, TERMINALS = 2 };

/* All that is asked of a watch is whose it is. */
static struct session_facts users[] = { { .uid = ALICE }, { .uid = ALICE }, { .uid = BOB } };
static struct session_facts boxed = { .uid = ALICE, .container = 1 };

enum { PARKS = sizeof(users) / sizeof(*users) };

static const struct watch_channel channels[TERMINALS] = { { .facts = { .tty = 1, .pid = 11 } },
							  { .facts = { .tty = 2, .pid = 12 } } };

/* Keepers that were asked for, and what the next look at alice's last one finds. */
static unsigned asked_by_alice, asked_by_bob;
static int answer;

/* --- stand-ins --- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int __wrap_guard_check(struct watch *watch, const struct order_guard *guard);
const struct session_facts *__wrap_watch_facts(const struct watch *watch);
const struct watch_channel *__wrap_watch_channels(const struct watch *watch, size_t *ret_n);
bool __wrap_watch_has_more_channels(const struct watch *watch);
int __wrap_park_terminal_open(struct park_terminal *terminal, const struct watch *watch,
			      const struct channel_facts *channel);
int __wrap_park_terminal_ask(struct park_terminal *terminal, const struct watch *watch,
			     const struct order_park *order, const struct park_setup *setup);
int __wrap_park_terminal_wait(struct park_terminal *terminal);
void __wrap_park_terminal_cancel(struct park_terminal *terminal);
void __wrap_park_terminal_close(struct park_terminal *terminal);

int __wrap_guard_check(struct watch *watch, const struct order_guard *guard)
{
	(void)watch;
	(void)guard;
	return 0;
}

const struct session_facts *__wrap_watch_facts(const struct watch *watch)
{
	return (const struct session_facts *)watch;
}

const struct watch_channel *__wrap_watch_channels(const struct watch *watch, size_t *ret_n)
{
	(void)watch;
	*ret_n = TERMINALS;
	return channels;
}

bool __wrap_watch_has_more_channels(const struct watch *watch)
{
	(void)watch;
	return false;
}

int __wrap_park_terminal_open(struct park_terminal *terminal, const struct watch *watch,
			      const struct channel_facts *channel)
{
	*terminal = (struct park_terminal){ .channel = *channel,
					    .uid = __wrap_watch_facts(watch)->uid };
	return 0;
}

int __wrap_park_terminal_ask(struct park_terminal *terminal, const struct watch *watch,
			     const struct order_park *order, const struct park_setup *setup)
{
	(void)watch;
	(void)order;
	(void)setup;
	terminal->state = PARK_ASKED;
	asked_by_alice += terminal->uid == ALICE;
	asked_by_bob += terminal->uid == BOB;
	return 0;
}

int __wrap_park_terminal_wait(struct park_terminal *terminal)
{
	const int r = terminal->uid == ALICE ? answer : 0;

	if (r == 1)
		terminal->state = PARK_HELD;
	return r;
}

void __wrap_park_terminal_cancel(struct park_terminal *terminal)
{
	(void)terminal;
}

void __wrap_park_terminal_close(struct park_terminal *terminal)
{
	(void)terminal;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* --- the tests --- */

struct scene {
	struct park *starting, *parks[PARKS];
	int64_t now_ns;
};

static void begin(struct scene *scene, size_t i)
{
	const struct order_cut order = { .park = { .wanted = 1 } };
	const struct park_setup setup = { .starting = &scene->starting };

	assert_int_equal(park_new((struct watch *)&users[i], &order, &setup, &scene->parks[i]), 0);
}

static void step(struct scene *scene, size_t i)
{
	(void)park_step(scene->parks[i], false, scene->now_ns++);
}

static int result_of(const struct park *park)
{
	struct order_cut_done done = { 0 };

	park_result(park, &done);
	return done.result;
}

static void one_of_a_user_starts_at_a_time(void **state)
{
	struct scene scene = { .now_ns = NS_PER_S };

	(void)state;
	for (size_t i = 0; i < PARKS; i++)
		begin(&scene, i);
	for (size_t i = 0; i < PARKS; i++)
		step(&scene, i);
	assert_int_equal(asked_by_alice, 1);
	assert_int_equal(asked_by_bob, 1);
	/* The first terminal of the first is held, the second asked for. */
	answer = 1;
	step(&scene, 0);
	answer = 0;
	step(&scene, 0);
	step(&scene, 1);
	assert_int_equal(asked_by_alice, 2);
	/* Refused, so the next one's turn. */
	answer = -EDQUOT;
	step(&scene, 0);
	assert_int_equal(result_of(scene.parks[0]), -EDQUOT);
	answer = 0;
	step(&scene, 1);
	assert_int_equal(asked_by_alice, 3);
	/* Whoever has gone is waited for by nobody. */
	park_free(scene.parks[0]);
	begin(&scene, 0);
	park_free(scene.parks[1]);
	step(&scene, 0);
	assert_int_equal(asked_by_alice, 4);
	park_free(scene.parks[2]);
	park_free(scene.parks[0]);
	assert_null(scene.starting);
}

/* Whatever the engine says: on this host its user is somebody else. */
static void what_is_in_a_container_is_not_parked(void **state)
{
	const struct order_cut order = { .park = { .wanted = 1 } };
	struct park *starting = NULL, *park;
	const struct park_setup setup = { .starting = &starting };
	const unsigned before = asked_by_alice;
	struct order_cut_done done = { 0 };

	(void)state;
	assert_int_equal(park_new((struct watch *)&boxed, &order, &setup, &park), 0);
	assert_true(park_step(park, false, NS_PER_S) == TIME_NEVER);
	park_result(park, &done);
	assert_int_equal(done.result, -EXDEV);
	assert_string_equal(done.not_parked, "it runs in a container");
	assert_int_equal(asked_by_alice, before);
	park_free(park);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_a_user_starts_at_a_time),
		cmocka_unit_test(what_is_in_a_container_is_not_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
