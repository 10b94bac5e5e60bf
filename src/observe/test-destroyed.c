#include "observe/destroyed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "observe/sockdiag.h"

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

/* As a bit for each group, by the kernel. */
static uint32_t groups_joined(void)
{
	uint32_t groups[8] = { 0 };
	socklen_t size = sizeof(groups);

	assert_int_equal(getsockopt(sockdiag_get(SOCKDIAG_WORDS), SOL_NETLINK,
				    NETLINK_LIST_MEMBERSHIPS, groups, &size),
			 0);
	return groups[0];
}

/* The socket outlives who listens, and each daemon: nobody else has to hear of what was asked for. */
static void test_groups_are_left(void **state)
{
	static const int groups[] = { SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY };
	const uint32_t both =
		1U << (SKNLGRP_INET_TCP_DESTROY - 1) | 1U << (SKNLGRP_INET6_TCP_DESTROY - 1);
	struct destroyed *destroyed = of_state(state);

	assert_int_equal(groups_joined(), 0);
	assert_int_equal(destroyed_add(destroyed, 1, 22), 0);
	assert_int_equal(groups_joined(), both);
	destroyed_forget(destroyed, 1);
	assert_int_equal(groups_joined(), 0);
	assert_int_equal(destroyed_add(destroyed, 1, 22), 0);
	destroyed_free(destroyed);
	*state = NULL;
	assert_int_equal(groups_joined(), 0);
	/* By one that was killed. */
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(setsockopt(sockdiag_get(SOCKDIAG_WORDS), SOL_NETLINK,
					    NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])),
				 0);
	assert_int_equal(destroyed_new(&destroyed), 0);
	*state = destroyed;
	assert_int_equal(groups_joined(), 0);
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
		cmocka_unit_test_setup_teardown(test_groups_are_left, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
