#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static bool always_room;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	if (!always_room)
		return __real_poll(fds, n, ms);
	fds[0].revents = POLLOUT;
	return 1;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Standard error as a pipe; the caller reads [0] and puts back [1]. */
static void catch_stderr(int ret_fds[2])
{
	int pipe_fds[2];

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	ret_fds[0] = pipe_fds[0];
	ret_fds[1] = dup(STDERR_FILENO);
	assert_int_not_equal(dup2(pipe_fds[1], STDERR_FILENO), -1);
	/* The log must cope with a blocking descriptor. */
	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_WRONLY), 0);
	close(pipe_fds[1]);
}

static void read_back(int fd, char *ret_text, size_t size)
{
	const ssize_t n = read(fd, ret_text, size - 1);

	ret_text[n > 0 ? n : 0] = '\0';
}

static void release(int fds[2])
{
	assert_int_not_equal(dup2(fds[1], STDERR_FILENO), -1);
	close(fds[0]);
	close(fds[1]);
}

static void lines_carry_their_level(void **state)
{
	char text[1000];
	int fds[2];

	(void)state;
	catch_stderr(fds);
	log_open("sshidled", true, LOG_LEVEL_INFO);
	errno = ENOENT;
	log_alert("a %d", 1);
	log_error("e");
	log_warning("w");
	log_info("i\nj");
	assert_int_equal(errno, ENOENT);
	read_back(fds[0], text, sizeof(text));
	release(fds);
	assert_string_equal(text, "sshidled: alert: a 1\nsshidled: error: e\n"
				  "sshidled: warning: w\nsshidled: i j\n");
}

/* Another process takes the room between the question and the write. */
static void room_that_is_gone_is_not_waited_for(void **state)
{
	static char text[1 << 20];
	int fds[2];

	(void)state;
	catch_stderr(fds);
	log_open("sshidled", true, LOG_LEVEL_INFO);
	always_room = true;
	for (int i = 0; i < 20000; i++)
		log_info("%d", i);
	always_room = false;
	read_back(fds[0], text, sizeof(text));
	release(fds);
	assert_non_null(strstr(text, "sshidled: 0\nsshidled: 1\n"));
}

static void a_full_pipe_does_not_block(void **state)
{
	static char text[1 << 20], long_text[5000];
	int fds[2];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	catch_stderr(fds);
	log_open("sshidled", true, LOG_LEVEL_INFO);
	for (int i = 0; i < 1000; i++)
		log_info("%s", long_text);
	read_back(fds[0], text, sizeof(text));
	log_info("again");
	read_back(fds[0], text, sizeof(text));
	release(fds);
	assert_non_null(strstr(text, " log lines were lost\nsshidled: again\n"));
}

static void without_a_reader_nothing_happens(void **state)
{
	int fds[2];

	(void)state;
	catch_stderr(fds);
	close(fds[0]);
	fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_open("sshidled", true, LOG_LEVEL_INFO);
	log_info("nobody reads this");
	release(fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_carry_their_level),
		cmocka_unit_test(a_full_pipe_does_not_block),
		cmocka_unit_test(room_that_is_gone_is_not_waited_for),
		cmocka_unit_test(without_a_reader_nothing_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
