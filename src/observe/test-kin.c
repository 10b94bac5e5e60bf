#include "observe/kin.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fake-proc.h"

/* A session's leader, a child of it with a session of its own, and a stranger. */
struct world {
	struct kin_leader leader;
	pid_t child, stranger;
};

static void wait_for_end(void)
{
	for (;;)
		(void)pause();
}

static int begin(void **state)
{
	static struct world world;
	struct procstat stat;
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		pid_t child = setsid() > 0 ? fork() : -1;

		if (child == 0)
			(void)setsid();
		else
			(void)!write(ends[1], &child, sizeof(child));
		wait_for_end();
	}
	world.leader.pid = pid;
	world.stranger = fork();
	if (world.stranger == 0)
		wait_for_end();
	if (read(ends[0], &world.child, sizeof(world.child)) != sizeof(world.child) ||
	    procstat_read(pid, &stat) < 0)
		return -1;
	(void)close(ends[0]);
	(void)close(ends[1]);
	world.leader.start_ticks = stat.start_ticks;
	*state = &world;
	return 0;
}

static int end(void **state)
{
	const struct world *world = *state;

	(void)kill(world->child, SIGKILL);
	(void)kill(world->stranger, SIGKILL);
	(void)waitpid(world->stranger, NULL, 0);
	(void)kill(world->leader.pid, SIGKILL);
	(void)waitpid(world->leader.pid, NULL, 0);
	return 0;
}

static void the_leader_and_its_descendants(void **state)
{
	const struct world *world = *state;
	struct process_list list = { 0 };

	assert_int_equal(kin_find(&world->leader, &list), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.pids[0], world->leader.pid);
	assert_int_equal(list.pids[1], world->child);
	process_list_deinit(&list);
}

static void half_a_list_is_none(void **state)
{
	const struct world *world = *state;

	/* The second read finds the end, or more. */
	for (int number = 1; number <= 2; number++) {
		struct process_list list = { 0 };

		fake_proc_fail_at(number);
		assert_int_equal(kin_find(&world->leader, &list), -EIO);
		process_list_deinit(&list);
	}
}

static void a_later_process_with_its_pid_is_not_the_leader(void **state)
{
	const struct world *world = *state;
	struct kin_leader before = world->leader;
	struct process_list list = { 0 };

	before.start_ticks--;
	assert_int_equal(kin_find(&before, &list), -ESRCH);
	process_list_deinit(&list);
}

static void a_leader_that_nobody_waits_for_has_ended(void **state)
{
	const struct world *world = *state;
	struct process_list list = { 0 };
	siginfo_t info;

	assert_int_equal(kill(world->leader.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)world->leader.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(kin_find(&world->leader, &list), -ESRCH);
	process_list_deinit(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_leader_and_its_descendants, begin, end),
		cmocka_unit_test_setup_teardown(half_a_list_is_none, begin, end),
		cmocka_unit_test_setup_teardown(a_later_process_with_its_pid_is_not_the_leader,
						begin, end),
		cmocka_unit_test_setup_teardown(a_leader_that_nobody_waits_for_has_ended, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
