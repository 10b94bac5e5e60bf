#include "native/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *const environment[] = { "WORD=seen", NULL };

/* What a script prints, and how it ended. */
static int run(const char *script, bool session, char ret_text[static 256], pid_t *ret_pid)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct launch launch = { .argv = argv, .environment = environment, .in = -1, .error = -1 };
	int ends[2], status;
	size_t n = 0;
	ssize_t got;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	launch.out = ends[1];
	launch.session = session;
	assert_int_equal(launch_program(&launch, ret_pid), 0);
	(void)close(ends[1]);
	while ((got = read(ends[0], ret_text + n, 255 - n)) > 0)
		n += (size_t)got;
	ret_text[n] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(*ret_pid, &status, 0), *ret_pid);
	return status;
}

static void it_has_no_signals_of_the_caller(void **state)
{
	char text[256];
	sigset_t set, before;
	pid_t pid;
	int status;

	(void)state;
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	status = run("kill -PIPE $$; echo ignored", false, text, &pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	status = run("kill -TERM $$; echo blocked", false, text, &pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

static void it_has_only_what_it_is_given(void **state)
{
	char text[256];
	pid_t pid;

	(void)state;
	assert_int_equal(setenv("CALLER", "here", 1), 0);
	assert_int_equal(run("echo $WORD${CALLER-} $PWD; cat; echo lost >&2", false, text, &pid),
			 0);
	assert_string_equal(text, "seen /\n");
}

/* The fifth and sixth word of its line: process group and session. */
static void it_leads_a_group_or_a_session(void **state)
{
	char text[256], expected[256];
	pid_t pid;

	(void)state;
	assert_int_equal(
		run("read -r _ _ _ _ group session _ < /proc/$$/stat; echo $group $session", false,
		    text, &pid),
		0);
	(void)snprintf(expected, sizeof(expected), "%d %d\n", pid, getsid(0));
	assert_string_equal(text, expected);
	assert_int_equal(
		run("read -r _ _ _ _ group session _ < /proc/$$/stat; echo $group $session", true,
		    text, &pid),
		0);
	(void)snprintf(expected, sizeof(expected), "%d %d\n", pid, pid);
	assert_string_equal(text, expected);
}

/* qemu-user 7.2 and valgrind 3.19 do not share memory with what vfork(2) makes: there it ends with 127. */
static void what_cannot_be_executed_is_an_error(void **state)
{
	const char *const argv[] = { "/nonexistent", NULL };
	const struct launch launch = {
		.argv = argv, .environment = environment, .in = -1, .out = -1, .error = -1
	};
	int status, r;
	pid_t pid;

	(void)state;
	r = launch_program(&launch, &pid);
	if (r == 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 127);
	} else {
		assert_int_equal(r, -ENOENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_no_signals_of_the_caller),
		cmocka_unit_test(it_has_only_what_it_is_given),
		cmocka_unit_test(it_leads_a_group_or_a_session),
		cmocka_unit_test(what_cannot_be_executed_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
