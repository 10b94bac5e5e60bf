/* The quiet looks: when they come, and that they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>

#include "daemon/clock.h"
#include "daemon/quiet.h"

#define SLOTS	1000
#define RUN_NS	(400 * NS_PER_MS)
#define FAST_NS (40 * NS_PER_MS)

struct world {
	struct event_base *base;
	struct quiet *quiet;
	int64_t last_ns[SLOTS];
	int64_t closest_ns; /* of two looks at one session */
	int looks[SLOTS];
	int stop_after; /* looks; 0: never */
};

static bool look(void *context, uint32_t slot)
{
	struct world *world = context;
	int64_t now_ns = clock_now_ns();

	assert_true(slot < SLOTS);
	if (world->looks[slot]++ > 0 && now_ns - world->last_ns[slot] < world->closest_ns)
		world->closest_ns = now_ns - world->last_ns[slot];
	world->last_ns[slot] = now_ns;
	return world->looks[slot] != world->stop_after;
}

static void start(struct world *world)
{
	*world = (struct world){ .base = event_base_new(), .closest_ns = TIME_NEVER };
	assert_non_null(world->base);
	assert_int_equal(quiet_new(world->base, look, world, &world->quiet), 0);
}

static void run(struct world *world, int64_t for_ns)
{
	struct timeval after = clock_until(clock_now_ns() + for_ns);

	(void)event_base_loopexit(world->base, &after);
	(void)event_base_dispatch(world->base);
}

static void stop(struct world *world)
{
	quiet_free(world->quiet);
	event_base_free(world->base);
}

static void each_in_its_rhythm(void **state)
{
	struct world world;

	(void)state;
	start(&world);
	assert_int_equal(quiet_begin(world.quiet, 900, 10 * FAST_NS), 0);
	assert_int_equal(quiet_begin(world.quiet, 3, FAST_NS), 0);
	run(&world, RUN_NS + FAST_NS);
	assert_in_range(world.looks[3], 1, 12);
	assert_int_equal(world.looks[900], 1);
	assert_int_equal(world.looks[4], 0);
	/* rounding takes a sixteenth away, and a timer may be late before the look that is not */
	assert_true(world.closest_ns > FAST_NS / 4);
	stop(&world);
}

static void all_of_many(void **state)
{
	struct world world;

	(void)state;
	start(&world);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		assert_int_equal(quiet_begin(world.quiet, slot, RUN_NS / 2), 0);
	run(&world, RUN_NS);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		assert_in_range(world.looks[slot], 1, 2);
	stop(&world);
}

static void it_ends(void **state)
{
	struct world world;

	(void)state;
	start(&world);
	world.stop_after = 2;
	assert_int_equal(quiet_begin(world.quiet, 0, QUIET_LEAST_NS), 0);
	assert_int_equal(quiet_begin(world.quiet, 2, 10 * RUN_NS), 0);
	quiet_end(world.quiet, 2);
	quiet_end(world.quiet, SLOTS);
	run(&world, RUN_NS / 2);
	assert_int_equal(world.looks[0], 2);
	assert_int_equal(world.looks[2], 0);
	/* ... and can begin again */
	assert_int_equal(quiet_begin(world.quiet, 2, QUIET_LEAST_NS), 0);
	run(&world, RUN_NS / 2);
	assert_int_equal(world.looks[2], 2);
	stop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_in_its_rhythm),
		cmocka_unit_test(all_of_many),
		cmocka_unit_test(it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
