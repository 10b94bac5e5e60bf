#include "keeper/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fake-proc.h"

static bool knows_own_group(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char line[512] = "", *at;

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	(void)fclose(file);
	/* Behind the name and the state: the parent and the group. */
	at = strrchr(line, ')');
	assert_non_null(at);
	(void)strtol(at + 4, &at, 10);
	return strtol(at, NULL, 10) == getpgrp();
}

static void its_leader_has_the_name(void **state)
{
	char name[GROUP_NAME_BYTES];

	(void)state;
	if (getpgrp() != getpid())
		assert_int_equal(setpgid(0, 0), 0);
	/* qemu-user makes up what /proc/PID/stat says of its own process. */
	if (!knows_own_group()) {
		(void)fputs("its own group is not in /proc/PID/stat (qemu-user)\n", stderr);
		skip();
	}
	assert_int_equal(prctl(PR_SET_NAME, "a leader"), 0);
	assert_int_equal(group_name(getpgrp(), name), getpid());
	assert_string_equal(name, "a leader");
	assert_int_equal(group_name(1 << 30, name), 0);
	assert_string_equal(name, "?");
}

static void half_a_list_has_no_name(void **state)
{
	char name[GROUP_NAME_BYTES];

	(void)state;
	/* The first process is in what is read first; the second read finds the end, or more. */
	assert_true(group_name(getpgid(1), name) > 0);
	for (int number = 1; number <= 2; number++) {
		fake_proc_fail_at(number);
		assert_int_equal(group_name(getpgid(1), name), 0);
		assert_string_equal(name, "?");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_leader_has_the_name),
		cmocka_unit_test(half_a_list_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
