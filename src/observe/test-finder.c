/* New sessions are found by the pids that were handed out in our own namespace, and known by who holds them, whatever
 * stands in their way. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/process.h"

/* No pid of this kind is ever handed out: PID_MAX_LIMIT is 4194304. */
#define FOREIGN_PID 4194305

/* As lxcfs does: the loadavg of its host, with the host's pids. In a child, as the mount is its own. */
static int last_pid_beside_lxcfs(const char *file)
{
	int32_t pid;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0 ||
	    mount(file, "/proc/loadavg", "none", MS_BIND, "") < 0)
		return 77;
	if (process_last_pid(&pid) < 0)
		return 2;
	return pid == FOREIGN_PID ? 3 : 0;
}

static void the_last_pid_is_of_our_namespace(void **state)
{
	char file[] = "/tmp/test-finder.XXXXXX";
	int status, fd = mkstemp(file);
	pid_t child;

	(void)state;
	if (access("/proc/sys/kernel/ns_last_pid", R_OK) < 0)
		skip(); /* CONFIG_CHECKPOINT_RESTORE */
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "0.1 0.1 0.1 1/93 %d\n", FOREIGN_PID) > 0);
	assert_int_equal(close(fd), 0);
	child = fork();
	if (child == 0)
		_exit(last_pid_beside_lxcfs(file));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	(void)unlink(file);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* not root, or no mounts here */
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* As a directory gives its users: each is 11 bytes of a status. */
static void be_in_many_groups(int ready)
{
	enum { GROUPS = 1000, FIRST = 2000000000 };
	gid_t groups[GROUPS];

	for (gid_t i = 0; i < GROUPS; i++)
		groups[i] = FIRST + i;
	if (setgroups(GROUPS, groups) < 0 || write(ready, "", 1) != 1)
		_exit(77);
	for (;;)
		(void)pause();
}

static void who_is_in_many_groups_is_known(void **state)
{
	struct procstat_status ours, theirs;
	int ready[2], r;
	ssize_t n;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0)
		be_in_many_groups(ready[1]);
	assert_true(child > 0);
	(void)close(ready[1]);
	n = read(ready[0], &byte, 1);
	(void)close(ready[0]);
	r = process_status(child, &theirs);
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	if (n != 1)
		skip(); /* not root */
	assert_int_equal(r, 0);
	assert_int_equal(process_status(getpid(), &ours), 0);
	assert_int_equal(theirs.uid, getuid());
	assert_int_equal(theirs.caught, ours.caught);
	assert_int_equal(theirs.seccomp, ours.seccomp);
	assert_int_equal(theirs.n_filters, ours.n_filters);
	assert_int_equal(theirs.no_new_privs, ours.no_new_privs);
	assert_int_equal(theirs.nested, ours.nested);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_pid_is_of_our_namespace),
		cmocka_unit_test(who_is_in_many_groups_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
