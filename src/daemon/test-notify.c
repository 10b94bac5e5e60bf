/* What a service manager gets. */
#include "daemon/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A manager's socket; its name begins with a NUL where that is abstract. */
static int listen_at(const char *name, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, length);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
			 0);
	return fd;
}

static void assert_got(int fd, const char *expected)
{
	char bytes[64];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	assert_int_equal(n, strlen(expected));
	assert_memory_equal(bytes, expected, (size_t)n);
	assert_true(recv(fd, bytes, sizeof(bytes), 0) < 0);
}

static void at_a_path(void **state)
{
	char directory[] = "/tmp/test-notify-XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/s", directory);
	fd = listen_at(path, strlen(path));
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	notify_ready();
	assert_got(fd, "READY=1");
	(void)close(fd);
	/* Nobody is there any more. */
	notify_ready();
	(void)unlink(path);
	(void)rmdir(directory);
}

static void at_an_abstract_name(void **state)
{
	char name[64];
	int n, fd;

	(void)state;
	n = snprintf(name, sizeof(name), "@sshidle-test-notify-%d", getpid());
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	name[0] = '\0';
	fd = listen_at(name, (size_t)n);
	notify_ready();
	assert_got(fd, "READY=1");
	(void)close(fd);
}

/* None of them is a place; what is there is not disturbed. */
static void nowhere(void **state)
{
	static const char *const names[] = { "", "@", "/", "relative/name", "vsock:2:1" };
	char long_name[200];

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[0] = '/';
	long_name[sizeof(long_name) - 1] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		notify_ready();
	}
	assert_int_equal(setenv("NOTIFY_SOCKET", long_name, 1), 0);
	notify_ready();
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	notify_ready();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_a_path),
		cmocka_unit_test(at_an_abstract_name),
		cmocka_unit_test(nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
