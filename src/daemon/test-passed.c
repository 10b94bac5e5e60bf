/* Which descriptors of a service manager are taken, and that nothing else stays. */
#include "daemon/passed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "observe/sockdiag.h"

#define FIRST 3
#define MOST  4
#define ROOM  40 /* the test's own are beyond what is passed */

static void *const can_diag = (void *)1;

/* As a service manager does: blocking, and not closed by exec(3). */
static void pass(int at, int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, FIRST + at), FIRST + at);
	if (fd != FIRST + at)
		(void)close(fd);
	assert_int_equal(fcntl(FIRST + at, F_SETFD, 0), 0);
}

static void pass_diag(int at)
{
	pass(at, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
}

static bool is_open(int at)
{
	return fcntl(FIRST + at, F_GETFD) >= 0;
}

static void say_pid(int pid, const char *n)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	assert_int_equal(setenv("LISTEN_PID", text, 1), 0);
	assert_int_equal(setenv("LISTEN_FDS", n, 1), 0);
	assert_int_equal(setenv("LISTEN_FDNAMES", "a:b", 1), 0);
}

static int move_away(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, ROOM);

	(void)close(fd);
	return moved;
}

/* Takes them; what was said goes to `said`. */
static void take(char said[static 400])
{
	int ends[2], kept;
	ssize_t n;

	/* No pipe: the log would open it once more. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	ends[0] = move_away(ends[0]);
	ends[1] = move_away(ends[1]);
	kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, ROOM);
	(void)dup2(ends[1], STDERR_FILENO);
	log_open("test", true, LOG_LEVEL_INFO);
	passed_take();
	(void)dup2(kept, STDERR_FILENO);
	n = read(ends[0], said, 399);
	said[n > 0 ? n : 0] = '\0';
	(void)close(kept);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

static void assert_taken(enum sockdiag_use use, int at)
{
	assert_int_equal(sockdiag_get(use), FIRST + at);
	assert_int_equal(fcntl(FIRST + at, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(FIRST + at, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

/* Own ones instead. */
static void assert_not_taken(enum sockdiag_use use)
{
	int fd = sockdiag_get(use);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void needs_diag(void **state)
{
	if (!*state)
		skip();
}

static void two_sockets(void **state)
{
	char said[400];

	needs_diag(state);
	pass_diag(0);
	pass_diag(1);
	say_pid(getpid(), "2");
	take(said);
	assert_string_equal(said, "");
	assert_taken(SOCKDIAG_WORDS, 0);
	assert_taken(SOCKDIAG_QUESTIONS, 1);
	sockdiag_close();
	assert_false(is_open(0));
	assert_false(is_open(1));
}

static void one_socket(void **state)
{
	char said[400];

	needs_diag(state);
	pass_diag(0);
	say_pid(getpid(), "1");
	take(said);
	assert_string_equal(said, "");
	assert_taken(SOCKDIAG_WORDS, 0);
	assert_not_taken(SOCKDIAG_QUESTIONS);
}

/* Another family, another protocol of netlink, no socket, none at all: closed; the right one is found all the same. */
static void others(void **state)
{
	char said[400];

	needs_diag(state);
	pass(0, AF_UNIX, SOCK_STREAM, 0);
	pass(1, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	assert_int_equal(dup2(STDIN_FILENO, FIRST + 2), FIRST + 2);
	pass_diag(3);
	say_pid(getpid(), "5");
	take(said);
	assert_non_null(strstr(said, "warning: 4 of 5 descriptors from the service manager are not "
				     "wanted and are closed"));
	assert_taken(SOCKDIAG_WORDS, 3);
	for (int at = 0; at < 3; at++)
		assert_true(!is_open(at) || FIRST + at == sockdiag_get(SOCKDIAG_QUESTIONS));
}

static void too_many(void **state)
{
	char said[400];

	needs_diag(state);
	for (int at = 0; at < MOST; at++)
		pass_diag(at);
	say_pid(getpid(), "4");
	take(said);
	assert_non_null(strstr(said, "2 of 4 descriptors"));
	assert_taken(SOCKDIAG_WORDS, 0);
	assert_taken(SOCKDIAG_QUESTIONS, 1);
	assert_false(is_open(2));
	assert_false(is_open(3));
}

/* What is there is not ours then, and stays. */
static void assert_untouched(int pid, const char *n)
{
	char said[400];

	pass_diag(0);
	say_pid(pid, n);
	take(said);
	assert_string_equal(said, "");
	assert_int_equal(fcntl(FIRST, F_GETFD), 0);
	for (enum sockdiag_use use = 0; use < SOCKDIAG_N; use++)
		assert_int_not_equal(sockdiag_get(use), FIRST);
	sockdiag_close();
}

static void not_for_us(void **state)
{
	static const char *const numbers[] = {
		"0", "-1", "", "2x", "1025", "65536", "4294967297", "18446744073709551617"
	};

	needs_diag(state);
	assert_untouched(getppid(), "1");
	assert_untouched(0, "1");
	assert_untouched(-1, "1");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_untouched(getpid(), numbers[i]);
}

static void nothing_passed(void **state)
{
	char said[400];

	needs_diag(state);
	take(said);
	assert_string_equal(said, "");
	assert_not_taken(SOCKDIAG_WORDS);
	assert_not_taken(SOCKDIAG_QUESTIONS);
}

/* Where there is no such socket (qemu-user) there is nothing to test.  cmocka takes no skip() in a setup. */
static int setup(void **state)
{
	*state = sockdiag_hold() < 0 ? NULL : can_diag;
	sockdiag_close();
	return 0;
}

static int teardown(void **state)
{
	sockdiag_close();
	for (int at = 0; *state && at < MOST; at++)
		(void)close(FIRST + at);
	return 0;
}

#define WITH_DIAG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIAG(two_sockets), WITH_DIAG(one_socket), WITH_DIAG(others),
		WITH_DIAG(too_many),	WITH_DIAG(not_for_us), WITH_DIAG(nothing_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
