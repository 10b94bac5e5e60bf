#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "act/park-drain.h"
#include "core/facts.h"

#define MS NS_PER_MS

static enum park_drained look(struct park_drain *drain, int64_t waiting, int64_t unsent,
			      int64_t plain_out, int64_t at_ns)
{
	const struct park_look now = { waiting, unsent, plain_out, true, false };

	return park_drain_judge(drain, &now, at_ns);
}

/* Three looks that find nothing, after one to compare with. */
static void drained_is_still_for_three_looks(void **state)
{
	struct park_drain drain = { 0 };

	(void)state;
	assert_int_equal(look(&drain, 0, 0, 100, 0), PARK_DRAINING);
	assert_int_equal(look(&drain, 0, 0, 100, 10 * MS), PARK_DRAINING);
	assert_int_equal(look(&drain, 0, 0, 100, 20 * MS), PARK_DRAINING);
	assert_int_equal(look(&drain, 0, 0, 100, 30 * MS), PARK_DRAINED);
}

/* Whatever moves begins the count anew: the server may hold something between terminal and socket. */
static void a_move_begins_anew(void **state)
{
	static const struct park_look moves[] = { { 0, 0, 101, true, false },
						  { 5, 0, 100, true, false },
						  { 0, 7, 100, true, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		struct park_drain drain = { 0 };
		const struct park_look *move = &moves[i];

		(void)look(&drain, 0, 0, 100, 0);
		(void)look(&drain, 0, 0, 100, 10 * MS);
		(void)look(&drain, 0, 0, 100, 20 * MS);
		assert_int_equal(
			look(&drain, move->waiting, move->unsent, move->plain_out, 30 * MS),
			PARK_DRAINING);
		assert_int_equal(look(&drain, 0, 0, 101, 40 * MS), PARK_DRAINING);
		assert_int_equal(look(&drain, 0, 0, 101, 50 * MS), PARK_DRAINING);
		assert_int_equal(look(&drain, 0, 0, 101, 60 * MS),
				 i == 0 ? PARK_DRAINED : PARK_DRAINING);
		assert_int_equal(look(&drain, 0, 0, 101, 70 * MS), PARK_DRAINED);
	}
}

/* It may hold something for as long as it waits for its turn. */
static void a_runnable_server_is_waited_for(void **state)
{
	const struct park_look busy = { 0, 0, 100, false, true };
	struct park_drain drain = { 0 };

	(void)state;
	for (int i = 0; i < 900; i++)
		assert_int_equal(park_drain_judge(&drain, &busy, i * 10 * MS), PARK_DRAINING);
	assert_int_equal(look(&drain, 0, 0, 100, 9000 * MS), PARK_DRAINING);
	assert_int_equal(look(&drain, 0, 0, 100, 9010 * MS), PARK_DRAINING);
	assert_int_equal(look(&drain, 0, 0, 100, 9020 * MS), PARK_DRAINED);
}

static void a_stopped_server_is_frozen(void **state)
{
	const struct park_look stopped = { 0, 0, 100, false, false };
	struct park_drain drain = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(park_drain_judge(&drain, &stopped, i * 10 * MS), PARK_DRAINING);
	assert_int_equal(park_drain_judge(&drain, &stopped, 1000 * MS), PARK_FROZEN);
}

static void frozen_is_without_a_move_for_a_second(void **state)
{
	struct park_drain drain = { 0 };

	(void)state;
	assert_int_equal(look(&drain, 4095, 800000, 100, 0), PARK_DRAINING);
	assert_int_equal(look(&drain, 4095, 800000, 100, 990 * MS), PARK_DRAINING);
	assert_int_equal(look(&drain, 4095, 800000, 100, 1000 * MS), PARK_FROZEN);
}

/* A slow line is waited for, but not for ever. */
static void slow_is_not_frozen(void **state)
{
	struct park_drain drain = { 0 };

	(void)state;
	for (int i = 0; i < 60; i++)
		assert_int_equal(look(&drain, 0, 1000000 - i, 100, i * 999 * MS), PARK_DRAINING);
	assert_int_equal(look(&drain, 0, 900000, 100, 60000 * MS), PARK_FROZEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drained_is_still_for_three_looks),
		cmocka_unit_test(a_move_begins_anew),
		cmocka_unit_test(a_runnable_server_is_waited_for),
		cmocka_unit_test(a_stopped_server_is_frozen),
		cmocka_unit_test(frozen_is_without_a_move_for_a_second),
		cmocka_unit_test(slow_is_not_frozen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
