/* What the kernel's care for a connection was before, and that it is not forgotten. */
#include "act/keepalive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "observe/fake-session.h"

static const struct order_tune tighter = {
	.handle = 7,
	.wanted = { .on = 1, .idle_s = 20, .interval_s = 10, .count = 5, .user_timeout_ms = 90000 },
};

static void what_was_there_comes_back(void **state)
{
	const struct order_tune back = { .handle = 7, .put_back = 1 };
	struct keepalive keepalive = { .known = false };
	struct order_keepalive before, now;
	struct order_tuned done = { .handle = 7 };
	struct fake_session session;
	struct watch *watch = fake_session_start(&session, FORWARD_NONE);

	(void)state;
	assert_int_equal(keepalive_read(watch, &before), 0);
	assert_int_equal(keepalive_tune(&keepalive, watch, &tighter, &done), 0);
	assert_int_equal(done.changed, 1);
	assert_memory_equal(&done.original, &before, sizeof(before));
	assert_int_equal(keepalive_read(watch, &now), 0);
	assert_memory_equal(&now, &tighter.wanted, sizeof(now));
	assert_int_equal(keepalive_tune(&keepalive, watch, &back, &done), 0);
	assert_int_equal(done.changed, 0);
	assert_int_equal(keepalive_read(watch, &now), 0);
	assert_memory_equal(&now, &before, sizeof(now));
	watch_free(watch);
	fake_session_stop(&session);
}

/* An order that fails, as for want of descriptors: it stays to be put back. */
static void nothing_is_forgotten_when_nothing_can_be_read(void **state)
{
	struct keepalive keepalive = { .known = false };
	struct order_keepalive before;
	struct order_tuned done = { .handle = 7 };
	struct fake_session session;
	struct watch *watch = fake_session_start(&session, FORWARD_NONE);

	(void)state;
	assert_int_equal(keepalive_read(watch, &before), 0);
	assert_int_equal(keepalive_tune(&keepalive, watch, &tighter, &done), 0);
	fake_session_stop(&session);
	done = (struct order_tuned){ .handle = 7 };
	assert_true(keepalive_tune(&keepalive, watch, &tighter, &done) < 0);
	assert_int_equal(done.changed, 1);
	assert_memory_equal(&done.original, &before, sizeof(before));
	watch_free(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_there_comes_back),
		cmocka_unit_test(nothing_is_forgotten_when_nothing_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
