#include "observe/destroyed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COOKIES_N 300

/* Where the kernel does not tell (no root, qemu-user) there is nothing to test.  cmocka takes no
 * skip() in a setup. */
static struct destroyed *of_state(void **state)
{
	if (!*state)
		skip();
	return *state;
}

/* All numbers below COOKIES_N in an order that is neither up nor down: 7 has no factor in common
 * with 300. */
static uint64_t nth(uint64_t i)
{
	return i * 7 % COOKIES_N;
}

static void test_added_in_any_order(void **state)
{
	struct destroyed *destroyed = of_state(state);

	for (uint64_t i = 0; i < COOKIES_N; i++) {
		assert_false(destroyed_wants(destroyed, nth(i)));
		assert_int_equal(destroyed_add(destroyed, nth(i), 22), 0);
		assert_int_equal(destroyed_add(destroyed, nth(i), 22), 0);
	}
	for (uint64_t i = 0; i < COOKIES_N; i++) {
		assert_true(destroyed_wants(destroyed, i));
		destroyed_forget(destroyed, i);
		destroyed_forget(destroyed, i);
		assert_false(destroyed_wants(destroyed, i));
	}
}

static void test_many_ports(void **state)
{
	struct destroyed *destroyed = of_state(state);

	/* More than the filter holds, and then few again. */
	for (int round = 0; round < 2; round++) {
		for (uint16_t port = 1; port <= 40; port++)
			assert_int_equal(destroyed_add(destroyed, port, port), 0);
		for (uint16_t port = 1; port <= 40; port++)
			destroyed_forget(destroyed, port);
	}
}

static int setup(void **state)
{
	struct destroyed *destroyed;

	*state = destroyed_new(&destroyed) < 0 ? NULL : destroyed;
	return 0;
}

static int teardown(void **state)
{
	destroyed_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_added_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_ports, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
