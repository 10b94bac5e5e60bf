#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/standard.h"

/* The number of the first thing that is wrong, 0: none. */
static int try_closed(unsigned closed)
{
	char byte;

	for (int fd = 0; fd <= 2; fd++)
		if (closed & 1u << fd)
			(void)close(fd);
	standard_fill();
	if (open("/dev/null", O_RDWR | O_CLOEXEC) <= 2)
		return 1;
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return 2;
	errno = 0;
	if (closed & 1u && (read(0, &byte, 1) >= 0 || errno != EBADF))
		return 3;
	if (closed & 2u && (write(1, "", 1) >= 0 || errno != EBADF))
		return 4;
	return 0;
}

static void nothing_else_gets_their_numbers(void **state)
{
	(void)state;
	for (unsigned closed = 0; closed < 8; closed++) {
		int status = -1;
		const pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(try_closed(closed));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_else_gets_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
