#include "observe/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void add(struct roster *roster, int32_t pid, uint64_t cookie, enum roster_state state)
{
	struct roster_row *row;

	assert_int_equal(roster_add(roster, pid, SERVER_DROPBEAR, &row), 0);
	row->cookie = cookie;
	row->state = (uint8_t)state;
}

static void rows_stay_sorted(void **state)
{
	struct roster roster = { 0 };

	(void)state;
	/* 0 to 996 in a mixed order: 7 and 997 have no common divisor. */
	for (int32_t i = 0; i < 997; i++)
		add(&roster, i * 7 % 997, 0, ROSTER_RESTING);
	assert_int_equal(roster.n, 997);
	for (size_t i = 0; i < roster.n; i++)
		assert_int_equal(roster.rows[i].pid, i);
	for (int32_t i = 0; i < 997; i += 2)
		roster_remove(&roster, i);
	assert_int_equal(roster.n, 498);
	assert_null(roster_find(&roster, 4));
	assert_int_equal(roster_find(&roster, 5)->pid, 5);
	assert_null(roster_find(&roster, 997));
	roster_remove(&roster, 4);
	assert_int_equal(roster.n, 498);
	roster_deinit(&roster);
	assert_null(roster_find(&roster, 0));
}

static void only_pending_rows_are_gone_through(void **state)
{
	struct roster roster = { 0 };

	(void)state;
	assert_null(roster_pending_from(&roster, 0));
	for (int32_t i = 0; i < 100; i++)
		add(&roster, i, 0, i % 2 ? ROSTER_RESTING : ROSTER_SESSION);
	assert_null(roster_pending_from(&roster, 0));
	add(&roster, 200, 0, ROSTER_PENDING);
	add(&roster, 150, 0, ROSTER_PENDING);
	assert_int_equal(roster_pending_from(&roster, 0)->pid, 150);
	assert_int_equal(roster_pending_from(&roster, 150)->pid, 150);
	assert_int_equal(roster_pending_from(&roster, 151)->pid, 200);
	assert_null(roster_pending_from(&roster, 201));
	roster_deinit(&roster);
}

static void a_known_pid_is_not_added_twice(void **state)
{
	struct roster roster = { 0 };
	struct roster_row *row;

	(void)state;
	add(&roster, 10, 5, ROSTER_SESSION);
	assert_int_equal(roster_add(&roster, 10, SERVER_OPENSSH, &row), 0);
	assert_int_equal(row->cookie, 5);
	assert_int_equal(roster.n, 1);
	roster_deinit(&roster);
}

static void sessions_are_found_by_cookie(void **state)
{
	struct roster roster = { 0 };

	(void)state;
	add(&roster, 10, 5, ROSTER_SESSION);
	add(&roster, 9, 5, ROSTER_RESTING);
	add(&roster, 8, 6, ROSTER_RESTING);
	assert_true(roster_has_session(&roster, 5));
	assert_false(roster_has_session(&roster, 6));
	roster_reopen(&roster, 5);
	assert_false(roster_has_session(&roster, 5));
	assert_int_equal(roster_find(&roster, 9)->state, ROSTER_PENDING);
	assert_int_equal(roster_find(&roster, 10)->state, ROSTER_PENDING);
	assert_int_equal(roster_find(&roster, 8)->state, ROSTER_RESTING);
	roster_deinit(&roster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_stay_sorted),
		cmocka_unit_test(only_pending_rows_are_gone_through),
		cmocka_unit_test(a_known_pid_is_not_added_twice),
		cmocka_unit_test(sessions_are_found_by_cookie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
