/* Who holds which socket, and until when. */
#include "observe/sockdiag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void *const can_diag = (void *)1;

static void needs_diag(void **state)
{
	if (!*state)
		skip();
}

static void made_once(void **state)
{
	int words, questions;

	needs_diag(state);
	words = sockdiag_get(SOCKDIAG_WORDS);
	questions = sockdiag_get(SOCKDIAG_QUESTIONS);
	assert_true(words >= 0 && questions >= 0 && words != questions);
	assert_int_equal(sockdiag_hold(), 0);
	assert_int_equal(sockdiag_get(SOCKDIAG_WORDS), words);
	assert_int_equal(sockdiag_get(SOCKDIAG_QUESTIONS), questions);
	sockdiag_close();
	assert_int_equal(fcntl(words, F_GETFD), -1);
	assert_int_equal(fcntl(questions, F_GETFD), -1);
}

static void given(void **state)
{
	int own, fd;

	needs_diag(state);
	own = sockdiag_get(SOCKDIAG_QUESTIONS);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	sockdiag_give(SOCKDIAG_QUESTIONS, fd);
	assert_int_equal(fcntl(own, F_GETFD), -1);
	assert_int_equal(sockdiag_hold(), 0);
	assert_int_equal(sockdiag_get(SOCKDIAG_QUESTIONS), fd);
}

/* The monitor may make no socket any more when it is asked again. */
static void not_tried_again(void **state)
{
	struct rlimit limit, none = { 0 };

	needs_diag(state);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(sockdiag_hold(), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(sockdiag_get(SOCKDIAG_WORDS), -EMFILE);
	assert_int_equal(sockdiag_get(SOCKDIAG_QUESTIONS), -EMFILE);
	sockdiag_close();
	assert_int_equal(sockdiag_hold(), 0);
}

static int setup(void **state)
{
	*state = sockdiag_hold() < 0 ? NULL : can_diag;
	sockdiag_close();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sockdiag_close();
	return 0;
}

#define WITH_DIAG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIAG(made_once),
		WITH_DIAG(given),
		WITH_DIAG(not_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
