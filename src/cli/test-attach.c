/* Keys that the keeper takes a few of, and then none: there is an end to what waits, and the escape character behind it works. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/attach.h"

enum { MIB = 1 << 20, MOST_MIB = 64, PASTE_BYTES = 4000, WITHIN_MS = 10000 };

/* Never returns: 0 when it was let go. */
static void attach(const char *terminal, int keeper)
{
	struct attach_end end;
	const int fd = open(terminal, O_RDWR | O_CLOEXEC);

	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
		_exit(2);
	_exit(attach_run(keeper, '~', &end) == 0 && end.how == ATTACH_LET_GO ? 0 : 1);
}

static pid_t start(int *ret_master, int *ret_keeper)
{
	char name[64];
	int ends[2];
	pid_t pid;

	*ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(*ret_master >= 0 && grantpt(*ret_master) == 0 && unlockpt(*ret_master) == 0);
	assert_int_equal(ptsname_r(*ret_master, name, sizeof(name)), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		attach(name, ends[0]);
	(void)close(ends[0]);
	*ret_keeper = ends[1];
	return pid;
}

/* Until it is raw nothing is typed: a terminal of lines keeps no more than one. */
static void wait_until_raw(int master)
{
	struct termios mode;

	do
		assert_int_equal(tcgetattr(master, &mode), 0);
	while (mode.c_lflag & ICANON);
}

/* As a program that reads a little. */
static void take_some(int keeper)
{
	static char keys[MIB];

	assert_int_equal(recv(keeper, keys, sizeof(keys), MSG_WAITALL), sizeof(keys));
}

/* Bytes that were taken until the bell. */
static size_t paste(int master, int keeper)
{
	struct pollfd fd = { .fd = master, .events = POLLIN | POLLOUT };
	char keys[PASTE_BYTES], answer;
	size_t taken = 0;
	bool read_some = false;

	memset(keys, 'x', sizeof(keys));
	for (;;) {
		ssize_t n;

		assert_true(poll(&fd, 1, WITHIN_MS) > 0);
		if (fd.revents & POLLIN && read(master, &answer, 1) == 1 && answer == '\a')
			return taken;
		n = fd.revents & POLLOUT ? write(master, keys, sizeof(keys)) : 0;
		taken += n > 0 ? (size_t)n : 0;
		if (!read_some && taken > (size_t)MOST_MIB * MIB / 2) {
			take_some(keeper);
			read_some = true;
		}
		assert_true(taken < 4ul * MOST_MIB * MIB);
	}
}

/* A key is one that came alone. */
static void type(int master, const char *keys)
{
	struct pollfd fd = { .fd = master, .events = POLLOUT };

	assert_true(poll(&fd, 1, WITHIN_MS) > 0);
	assert_int_equal(write(master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static void what_waits_has_an_end(void **state)
{
	int master, keeper, status = -1, waiting = 1;
	const pid_t pid = start(&master, &keeper);
	size_t taken;

	(void)state;
	wait_until_raw(master);
	taken = paste(master, keeper);
	assert_in_range(taken, (MOST_MIB - 2) * MIB, (MOST_MIB + 2) * MIB);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		type(master, "\r~.");
		(void)poll(NULL, 0, 50);
		assert_true(waiting++ < WITHIN_MS / 50);
	}
	assert_int_equal(status, 0);
	(void)close(master);
	(void)close(keeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
