/* What the kernel's care for a connection was before, and that it is not forgotten. */
#include "act/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "observe/fake-session.h"

static const struct order_tune tighter = {
	.handle = 7,
	.wanted = { .on = 1, .idle_s = 20, .interval_s = 10, .count = 5, .user_timeout_ms = 90000 },
};

/* What a socket has by the host's sysctl; -1: what it has. */
static int host_idle_s = -1;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	int r = __real_getsockopt(fd, level, name, value, size);

	if (r == 0 && host_idle_s >= 0 && level == IPPROTO_TCP && name == TCP_KEEPIDLE)
		memcpy(value, &host_idle_s, sizeof(host_idle_s));
	return r;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Else it could not be put back, and an engine that names it would be taken for a forger. */
static void what_no_socket_can_be_set_to(void **state)
{
	const struct order_tune back = { .handle = 7, .put_back = 1 };
	struct keepalive keepalive = { .known = false };
	struct order_tuned done = { .handle = 7 };
	struct fake_session session;
	struct watch *watch = fake_session_start(&session, FORWARD_NONE);

	(void)state;
	host_idle_s = 86400;
	assert_int_equal(keepalive_tune(&keepalive, watch, &tighter, &done), 0);
	assert_int_equal(done.original.idle_s, ORDER_KEEPALIVE_MOST_S);
	host_idle_s = -1;
	assert_int_equal(keepalive_tune(&keepalive, watch, &back, &done), 0);
	assert_int_equal(done.changed, 0);
	watch_free(watch);
	fake_session_stop(&session);
}

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
		cmocka_unit_test(what_no_socket_can_be_set_to),
		cmocka_unit_test(nothing_is_forgotten_when_nothing_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
