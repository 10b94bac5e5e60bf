#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bounds.h"
#include "core/brake.h"
#include "core/facts.h"

#define S NS_PER_S

static void at_most_so_many_in_a_span(void **state)
{
	struct brake brake = { 0 };

	(void)state;
	assert_false(brake_on(&brake, 0));
	assert_int_equal(brake_set(&brake, 2, 10 * S), 0);
	brake_note_cut(&brake, 1000, 100 * S);
	assert_false(brake_on(&brake, 100 * S));
	brake_note_cut(&brake, 1000, 103 * S);
	assert_true(brake_on(&brake, 103 * S));
	assert_true(brake_on(&brake, 110 * S - 1));
	assert_false(brake_on(&brake, 110 * S));
	brake_note_cut(&brake, 1000, 110 * S);
	assert_true(brake_on(&brake, 112 * S));
	brake_take_back(&brake, 1000, 110 * S);
	assert_false(brake_on(&brake, 112 * S));
	brake_deinit(&brake);
}

static void a_new_setting_remembers_cuts(void **state)
{
	struct brake brake = { 0 };

	(void)state;
	assert_int_equal(brake_set(&brake, 3, 10 * S), 0);
	brake_note_cut(&brake, 1000, 100 * S);
	brake_note_cut(&brake, 1000, 101 * S);
	assert_int_equal(brake_set(&brake, 2, 10 * S), 0);
	assert_true(brake_on(&brake, 102 * S));
	assert_int_equal(brake_set(&brake, 3, 10 * S), 0);
	assert_false(brake_on(&brake, 102 * S));
	brake_note_cut(&brake, 1000, 102 * S);
	assert_true(brake_on(&brake, 103 * S));
	/* The ring has gone round; each is taken along once, and leaves in its time. */
	brake_note_cut(&brake, 1001, 103 * S);
	assert_int_equal(brake_set(&brake, 5, 10 * S), 0);
	for (uint32_t gone = 0; gone < 3; gone++)
		assert_int_equal(brake_free(&brake, (111 + gone) * S), 3 + gone);
	assert_int_equal(brake_taken(&brake, 1001, 112 * S), 1);
	assert_true(brake_set(&brake, 0, 1) < 0);
	assert_true(brake_set(&brake, BRAKE_MOST + 1, 1) < 0);
	assert_int_equal(brake_set(&brake, BRAKE_MOST, 1), 0);
	brake_deinit(&brake);
	assert_true(!brake_on(&brake, 0) && !brake.cuts);
}

static void bounds_narrow(void **state)
{
	struct bounds bounds = { 10, 100 }, later;

	(void)state;
	bounds_use(&bounds, 5, 90);
	assert_true(bounds.earliest_ns == 10 && bounds.latest_ns == 100);
	bounds_use(&bounds, 90, 120);
	assert_true(bounds.earliest_ns == 90 && bounds.latest_ns == 120);
	bounds_none_after(&bounds, 130);
	assert_true(bounds.latest_ns == 120);
	bounds_none_after(&bounds, 95);
	assert_true(bounds.earliest_ns == 90 && bounds.latest_ns == 95);
	bounds_none_after(&bounds, 80);
	assert_true(bounds.earliest_ns == 80 && bounds.latest_ns == 80);
	later = bounds_later(bounds, (struct bounds){ 70, 90 });
	assert_true(later.earliest_ns == 80 && later.latest_ns == 90);
}

static void what_did_not_take_place_is_taken_back(void **state)
{
	struct brake brake = { 0 };

	(void)state;
	assert_int_equal(brake_set(&brake, 4, 10 * S), 0);
	brake_note_cut(&brake, 1000, 100 * S);
	brake_note_cut(&brake, 1001, 101 * S);
	brake_note_cut(&brake, 1000, 102 * S);
	brake_note_cut(&brake, 1000, 103 * S);
	assert_int_equal(brake_taken(&brake, 1000, 103 * S), 3);
	assert_int_equal(brake_free(&brake, 103 * S), 0);
	brake_take_back(&brake, 1000, 101 * S);
	brake_take_back(&brake, 1000, 102 * S);
	brake_take_back(&brake, 1000, 102 * S);
	assert_int_equal(brake_taken(&brake, 1000, 103 * S), 2);
	assert_int_equal(brake_taken(&brake, 1001, 103 * S), 1);
	assert_int_equal(brake_free(&brake, 103 * S), 1);
	brake_note_cut(&brake, 1002, 104 * S);
	/* Each leaves in its time. */
	assert_true(brake_on(&brake, 110 * S - 1));
	assert_int_equal(brake_free(&brake, 110 * S), 1);
	assert_int_equal(brake_free(&brake, 111 * S), 2);
	assert_int_equal(brake_free(&brake, 113 * S - 1), 2);
	assert_int_equal(brake_free(&brake, 113 * S), 3);
	assert_int_equal(brake_taken(&brake, 1002, 113 * S), 1);
	brake_deinit(&brake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_most_so_many_in_a_span),
		cmocka_unit_test(a_new_setting_remembers_cuts),
		cmocka_unit_test(what_did_not_take_place_is_taken_back),
		cmocka_unit_test(bounds_narrow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
