/* One pass over /proc for all who ask meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fake-proc.h"
#include "observe/strays.h"

static struct session_facts session_of(uint16_t peer_port)
{
	struct session_facts facts = { .uid = getuid(), .peer_port = peer_port, .local_port = 22 };

	assert_int_equal(address_parse("192.0.2.1", &facts.peer), 0);
	assert_int_equal(address_parse("192.0.2.2", &facts.local), 0);
	return facts;
}

/* Returns when it is what it will be. */
static pid_t start_stray(uint16_t peer_port)
{
	char variable[64], *const environment[] = { variable, NULL };
	int ends[2];
	char byte;
	pid_t pid;

	(void)snprintf(variable, sizeof(variable), "SSH_CONNECTION=192.0.2.1 %u 192.0.2.2 22",
		       peer_port);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execle("/bin/sleep", "sleep", "60", (char *)NULL, environment);
		_exit(1);
	}
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	(void)close(ends[0]);
	return pid;
}

static void end_stray(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static size_t find(uint16_t peer_port, pid_t pid)
{
	const struct session_facts facts = session_of(peer_port);
	struct watch_process found[4];
	size_t n;

	assert_int_equal(strays_find(&facts, found, 4, &n), 0);
	if (n > 0)
		assert_int_equal(found[0].pid, pid);
	return n;
}

static void one_pass_for_all_who_wait(void **state)
{
	const struct session_facts first = session_of(1), second = session_of(2);
	const pid_t one = start_stray(1);
	int64_t again_ns = 0, last_ns = 0;
	pid_t two, late;

	(void)state;
	assert_int_equal(strays_look(&first, 10, 10, &again_ns), 0);
	assert_int_equal(find(1, one), 1);
	assert_int_equal(find(2, one), 0);
	/* Both come a moment after that pass, and have to wait for the next. */
	two = start_stray(2);
	assert_int_equal(strays_look(&second, 20, 20, &again_ns), -EAGAIN);
	assert_int_equal(strays_look(&first, 21, 21, &last_ns), -EAGAIN);
	assert_true(again_ns > 21 && again_ns == last_ns);
	assert_int_equal(find(2, two), 0);
	assert_int_equal(strays_look(&second, 20, again_ns, &last_ns), 0);
	assert_int_equal(find(2, two), 1);
	/* The other one has been served with it: what came later is not in the list. */
	late = start_stray(3);
	assert_int_equal(strays_look(&first, 21, again_ns + 1, &last_ns), 0);
	assert_int_equal(find(1, one), 1);
	assert_int_equal(find(3, late), 0);
	end_stray(one);
	assert_int_equal(find(1, one), 0);
	end_stray(two);
	end_stray(late);
}

/* After half a pass nobody is told that there are no others, also who waited for it. */
static void half_a_pass_is_none(void **state)
{
	const struct session_facts first = session_of(4), second = session_of(5);
	const int64_t late_ns = INT64_MAX / 2;
	int64_t again_ns;
	pid_t one;

	(void)state;
	one = start_stray(4);
	fake_proc_fail_at(1);
	assert_int_equal(strays_look(&first, late_ns, late_ns, &again_ns), -EIO);
	assert_int_equal(strays_look(&second, late_ns - 1, late_ns + 1, &again_ns), -EIO);
	assert_int_equal(find(4, one), 0);
	fake_proc_fail_at(2);
	assert_int_equal(strays_look(&first, late_ns + 1, late_ns + 2, &again_ns), -EIO);
	assert_int_equal(strays_look(&first, late_ns + 2, late_ns + 3, &again_ns), 0);
	assert_int_equal(find(4, one), 1);
	end_stray(one);
}

static void nobody_s_are_none(void **state)
{
	struct session_facts facts = session_of(1);
	int64_t again_ns;

	(void)state;
	facts.uid = UINT32_MAX;
	assert_int_equal(strays_look(&facts, INT64_MAX, INT64_MAX, &again_ns), 0);
	assert_int_equal(find(9, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_pass_for_all_who_wait),
		cmocka_unit_test(half_a_pass_is_none),
		cmocka_unit_test(nobody_s_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
