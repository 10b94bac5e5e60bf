#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fake-proc.h"
#include "base/pids.h"

/* More than one reading gives: each takes 24 bytes at least. */
enum { CHILDREN = PIDS_BYTES / 24 };

static pid_t children[CHILDREN];

static int begin(void **state)
{
	(void)state;
	for (size_t i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			(void)pause();
			_exit(0);
		}
		if (children[i] < 0)
			return -1;
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < CHILDREN; i++) {
		(void)kill(children[i], SIGKILL);
		(void)waitpid(children[i], NULL, 0);
	}
	return 0;
}

static size_t child_of(int32_t pid)
{
	size_t i = 0;

	while (i < CHILDREN && children[i] != pid)
		i++;
	return i;
}

/* The result of the last call, and how many of ours came. */
static int walk(size_t *ret_n)
{
	bool seen[CHILDREN] = { false };
	struct pids pids;
	int32_t pid;
	int r;

	*ret_n = 0;
	assert_int_equal(pids_open(&pids), 0);
	while ((r = pids_next(&pids, &pid)) > 0) {
		const size_t child = child_of(pid);

		assert_true(pid > 0);
		if (child == CHILDREN)
			continue;
		assert_false(seen[child]);
		seen[child] = true;
		(*ret_n)++;
	}
	pids_close(&pids);
	assert_int_equal(pids.fd, -1);
	return r;
}

static void each_comes_once(void **state)
{
	size_t n;

	(void)state;
	assert_int_equal(walk(&n), 0);
	assert_int_equal(n, CHILDREN);
}

static void a_failing_read_is_not_the_end(void **state)
{
	size_t n;

	(void)state;
	fake_proc_fail_at(1);
	assert_int_equal(walk(&n), -EIO);
	assert_int_equal(n, 0);
	fake_proc_fail_at(2);
	assert_int_equal(walk(&n), -EIO);
	assert_true(n < CHILDREN);
	/* The next walk is none the worse for it. */
	assert_int_equal(walk(&n), 0);
	assert_int_equal(n, CHILDREN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_comes_once),
		cmocka_unit_test(a_failing_read_is_not_the_end),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
