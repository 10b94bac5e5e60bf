/* The children of a process on a kernel that has no lists of them. */
#include "observe/children.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fake-proc.h"

enum { FAMILY = 5, CHURN_ROUNDS = 20 };

static const char *refused_path; /* fails ... */
static int refused_error, walks; /* ... with that; how often /proc was opened */

static int open_as_wanted(const char *path, int flags)
{
	const char *end = strrchr(path, '/');

	walks += strcmp(path, "/proc") == 0;
	if (refused_path && strcmp(path, refused_path) == 0) {
		errno = refused_error;
		return -1;
	}
	if (end && strcmp(end, "/children") == 0) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

/* Whichever of them the C library has; what is read here creates nothing. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
	return open_as_wanted(path, flags);
}

int __wrap_open64(const char *path, int flags, ...)
{
	return open_as_wanted(path, flags);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static pid_t start(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Without waiting for it. */
static void make_zombie(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* Ours, of one reading. */
static struct process_list ours(void)
{
	struct process_list list = { 0 };

	assert_int_equal(children_read(getpid(), 1, &list), 0);
	return list;
}

static bool is_ours(pid_t pid)
{
	struct process_list list = ours();
	const bool found = process_list_has(&list, pid);

	process_list_deinit(&list);
	return found;
}

/* Whether the kernel has them cannot be asked now, which says nothing.  The first test: it is asked once. */
static void not_known_is_an_error(void **state)
{
	struct process_list list = { 0 };

	(void)state;
	refused_path = "/proc/thread-self/children";
	refused_error = EMFILE;
	assert_int_equal(children_read(getpid(), 1, &list), -EMFILE);
	assert_int_equal(list.n, 0);
	refused_path = NULL;
}

static void all_of_them_zombies_too(void **state)
{
	struct process_list list, parents = { 0 };
	pid_t family[FAMILY];

	(void)state;
	for (size_t i = 0; i < FAMILY; i++)
		family[i] = start();
	make_zombie(family[1]);
	list = ours();
	assert_int_equal(list.n, FAMILY);
	for (size_t i = 0; i < FAMILY; i++)
		assert_int_equal(list.pids[i], family[i]);
	process_list_deinit(&list);
	assert_int_equal(children_read(getppid(), 1, &parents), 0);
	assert_true(process_list_has(&parents, getpid()));
	process_list_deinit(&parents);
	for (size_t i = 0; i < FAMILY; i++)
		end(family[i]);
	list = ours();
	assert_int_equal(list.n, 0);
	process_list_deinit(&list);
}

struct other_thread {
	pthread_barrier_t barrier;
	pid_t child;
};

static void *start_one(void *context)
{
	struct other_thread *other = context;

	other->child = start();
	(void)pthread_barrier_wait(&other->barrier);
	/* The child's parent is to live on. */
	(void)pthread_barrier_wait(&other->barrier);
	return NULL;
}

static void those_of_other_threads_too(void **state)
{
	struct other_thread other;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_barrier_init(&other.barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, start_one, &other), 0);
	(void)pthread_barrier_wait(&other.barrier);
	assert_true(is_ours(other.child));
	end(other.child);
	(void)pthread_barrier_wait(&other.barrier);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pthread_barrier_destroy(&other.barrier), 0);
}

static void half_a_walk_is_none(void **state)
{
	const pid_t child = start();

	(void)state;
	/* The second read finds the end, or more. */
	for (int number = 1; number <= 2; number++) {
		struct process_list list = { 0 };

		fake_proc_fail_at(number);
		assert_int_equal(children_read(getpid(), 1, &list), -EIO);
		assert_int_equal(list.n, 0);
		process_list_deinit(&list);
	}
	assert_true(is_ours(child));
	end(child);
}

static void who_cannot_be_read_is_not_left_out(void **state)
{
	static const int errors[] = { EACCES, EPERM, EMFILE, ENOMEM };
	const pid_t child = start();
	struct process_list list = { 0 };
	char path[32];

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", child);
	refused_path = path;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		refused_error = errors[i];
		assert_int_equal(children_read(getpid(), 1, &list), -errors[i]);
		assert_int_equal(list.n, 0);
	}
	/* That one has gone. */
	refused_error = ENOENT;
	assert_false(is_ours(child));
	refused_path = NULL;
	assert_true(is_ours(child));
	end(child);
}

/* A walk of ours: what it gives, and who ends before it. */
static struct {
	int32_t pids[4];
	size_t at;
	pid_t ends;
	bool reaped;
} script;

static int32_t next_of_script(void)
{
	if (script.at == 1 && script.ends > 0) {
		if (script.reaped)
			end(script.ends);
		else
			make_zombie(script.ends);
	}
	return script.pids[script.at++];
}

static int read_by_script(pid_t parent)
{
	struct process_list list = { 0 };
	int r;

	script.at = 0;
	fake_proc_list(next_of_script);
	r = children_read(parent, 1, &list);
	fake_proc_list(NULL);
	process_list_deinit(&list);
	return r;
}

/* Whatever order /proc has them in: pids begin anew some day. */
static void the_order_is_that_of_their_birth(void **state)
{
	pid_t family[2] = { start(), start() };
	struct process_list list = { 0 };

	(void)state;
	memset(&script, 0, sizeof(script));
	script.pids[0] = family[1];
	script.pids[1] = family[0];
	script.pids[2] = getpid();
	fake_proc_list(next_of_script);
	assert_int_equal(children_read(getpid(), 1, &list), 0);
	fake_proc_list(NULL);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.pids[0], family[0]);
	assert_int_equal(list.pids[1], family[1]);
	process_list_deinit(&list);
	end(family[0]);
	end(family[1]);
}

/* Then its children are no longer its own, and the rest of the walk finds none. */
static void a_parent_that_ends_has_none(void **state)
{
	struct process_list list = { 0 };
	pid_t parent;

	(void)state;
	for (int reaped = 0; reaped < 2; reaped++) {
		parent = start();
		memset(&script, 0, sizeof(script));
		script.pids[0] = parent;
		script.pids[1] = getpid();
		assert_int_equal(read_by_script(parent), 0);
		script.ends = parent;
		script.reaped = reaped;
		assert_int_equal(read_by_script(parent), -ESRCH);
		if (!reaped)
			assert_int_equal(waitpid(parent, NULL, 0), parent);
		assert_int_equal(children_read(parent, 1, &list), -ESRCH);
	}
	assert_int_equal(list.n, 0);
}

static void one_walk_for_all_who_ask(void **state)
{
	const pid_t first = start();
	struct process_list list = { 0 };
	pid_t second;

	(void)state;
	children_hold();
	walks = 0;
	assert_true(is_ours(first));
	children_hold();
	assert_int_equal(children_read(first, 1, &list), 0);
	children_release();
	second = start();
	assert_false(is_ours(second));
	assert_int_equal(walks, 1);
	/* It was not there: neither were its children. */
	assert_int_equal(children_read(second, 1, &list), 0);
	assert_int_equal(walks, 2);
	assert_true(is_ours(second));
	assert_int_equal(walks, 2);
	children_release();
	assert_true(is_ours(first));
	assert_int_equal(walks, 3);
	end(second);
	assert_false(is_ours(second));
	end(first);
	assert_int_equal(list.n, 0);
}

/* After half a walk the next one who asks gets a whole one. */
static void half_a_walk_is_not_held(void **state)
{
	const pid_t child = start();
	struct process_list list = { 0 };

	(void)state;
	children_hold();
	fake_proc_fail_at(2);
	assert_int_equal(children_read(getpid(), 1, &list), -EIO);
	assert_true(is_ours(child));
	children_release();
	end(child);
}

/* Others come and go all the time; an assertion that fails is for the test's own process. */
static _Noreturn void come_and_go(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		const pid_t pid = fork();

		if (pid <= 0)
			_exit(0);
		(void)waitpid(pid, NULL, 0);
	}
}

static void who_stays_is_always_there(void **state)
{
	pid_t family[FAMILY], busy = fork();

	(void)state;
	assert_true(busy >= 0);
	if (busy == 0)
		come_and_go();
	for (size_t i = 0; i < FAMILY; i++)
		family[i] = start();
	for (int round = 0; round < CHURN_ROUNDS; round++) {
		struct process_list list = ours();

		assert_int_equal(list.n, FAMILY + 1);
		for (size_t i = 0; i < FAMILY; i++)
			assert_true(process_list_has(&list, family[i]));
		process_list_deinit(&list);
	}
	for (size_t i = 0; i < FAMILY; i++)
		end(family[i]);
	end(busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_known_is_an_error),
		cmocka_unit_test(all_of_them_zombies_too),
		cmocka_unit_test(those_of_other_threads_too),
		cmocka_unit_test(half_a_walk_is_none),
		cmocka_unit_test(who_cannot_be_read_is_not_left_out),
		cmocka_unit_test(the_order_is_that_of_their_birth),
		cmocka_unit_test(a_parent_that_ends_has_none),
		cmocka_unit_test(one_walk_for_all_who_ask),
		cmocka_unit_test(half_a_walk_is_not_held),
		cmocka_unit_test(who_stays_is_always_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
