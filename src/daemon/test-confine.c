/*
 * What each process may do and what ends it: the real lists, in a child that makes one call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/confine.h"
#include "sandbox/tables.h"

/* What a child ends with when the call came back: 0 it worked, 1 it gave an error. */
typedef int attempt_fn(void);

static int result(long r)
{
	return r < 0 ? 1 : 0;
}

/* --- calls that no process but the starter may make --- */

static int run_program(void)
{
	char *const arguments[] = { (char *)(uintptr_t) "true", NULL };

	return result(execve("/bin/true", arguments, NULL));
}

static int make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid < 0 || waitpid(pid, NULL, 0) < 0 ? -1 : 0);
}

static int kill_parent(void)
{
	return result(kill(INT32_MAX, SIGTERM));
}

static int trace(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int change_user(void)
{
	return result(setresuid(0, 0, 0));
}

static int change_owner(void)
{
	return result(fchownat(AT_FDCWD, "/dev/null", 0, 0, 0));
}

static int mount_something(void)
{
	return result(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int new_namespaces(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int clone_into_namespace(void)
{
	return result(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int packet_socket(void)
{
	return result(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int type_into_terminal(void)
{
	return result(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int steal_terminal(void)
{
	return result(ioctl(STDIN_FILENO, TIOCSCTTY, 1));
}

static int be_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int write_process(void)
{
	return result(syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0));
}

static int load_bpf(void)
{
	return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int add_key(void)
{
	return result(syscall(SYS_add_key, "user", "x", "y", 1, -3));
}

static int io_ring(void)
{
	return result(syscall(425, 1, NULL)); /* io_uring_setup */
}

static int open_by_handle(void)
{
	return result(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
}

static int set_clock(void)
{
	return result(syscall(SYS_clock_settime, 0, NULL));
}

static int make_link(void)
{
	return result(symlinkat("/etc/passwd", AT_FDCWD, "/tmp/sshidle-no-such-link"));
}

static int make_directory(void)
{
	return result(mkdirat(-1, "x", 0700));
}

static int take_descriptor(void)
{
	return result(syscall(SYS_pidfd_getfd, -1, 0, 0));
}

static int hold_process(void)
{
	return result(syscall(SYS_pidfd_open, getpid(), 0));
}

static int signal_by_descriptor(void)
{
	return result(syscall(SYS_pidfd_send_signal, -1, SIGTERM, NULL, 0));
}

static int borrow_faults(void)
{
	return result(syscall(SYS_userfaultfd, ~0) < 0 ? 0 : -1);
}

static int bind_something(void)
{
	return result(bind(-1, NULL, 0) < 0 ? 0 : -1);
}

/* --- what must work --- */

static int use_memory(void)
{
	char *text = malloc(1 << 20);

	if (!text)
		return 1;
	memset(text, 1, 1 << 20);
	text = realloc(text, 64 << 20);
	free(text);
	return 0;
}

static int look_users_up(void)
{
	gid_t groups[64];
	int n = 64;

	return result(getpwnam("root") && !getpwuid(4242424) && getgrgid(0) &&
				      getgrouplist("root", 0, groups, &n) > 0
			      ? 0
			      : -1);
}

static int read_config(void)
{
	return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int say_something(void)
{
	openlog("sshidle-test", LOG_NDELAY, LOG_USER);
	closelog();
	return 0;
}

static int local_socket(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int netlink_socket(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 4));
}

static int network_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void *nothing(void *context)
{
	return context;
}

static int make_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0
		       ? 0
		       : 1;
}

static void *forever(void *context)
{
	(void)poll(NULL, 0, -1);
	return context;
}

static int cancel_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, forever, NULL) == 0 && pthread_cancel(thread) == 0 &&
			       pthread_join(thread, NULL) == 0
		       ? 0
		       : 1;
}

static int stop_terminal(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), number = -1;

	if (master < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return 1;
	/* A new one is locked: an error of the call, not the end. */
	(void)ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	(void)tcflow(master, TCOON);
	return 0;
}

enum verdict { WORKS, REFUSED, ENDS, RETURNS, WHATEVER };

enum { WHO_KEEPER = CONFINE_N, WHO_N };

static const struct row {
	const char *what;
	attempt_fn *attempt;
	/* of the engine, the monitor, the starter, the keeper */
	enum verdict verdicts[WHO_N];
} rows[] = {
	{ "execve", run_program, { ENDS, ENDS, WORKS, ENDS } },
	{ "fork", make_process, { ENDS, ENDS, WORKS, ENDS } },
	{ "kill", kill_parent, { ENDS, ENDS, ENDS, ENDS } },
	{ "ptrace", trace, { ENDS, ENDS, ENDS, ENDS } },
	{ "setresuid", change_user, { ENDS, ENDS, RETURNS, ENDS } },
	{ "fchownat", change_owner, { ENDS, ENDS, RETURNS, ENDS } },
	{ "mount", mount_something, { ENDS, ENDS, ENDS, ENDS } },
	{ "unshare", new_namespaces, { ENDS, ENDS, ENDS, ENDS } },
	{ "clone(CLONE_NEWUSER)", clone_into_namespace, { ENDS, ENDS, ENDS, ENDS } },
	{ "socket(AF_PACKET)", packet_socket, { REFUSED, ENDS, REFUSED, REFUSED } },
	{ "socket(AF_INET)", network_socket, { REFUSED, ENDS, REFUSED, REFUSED } },
	{ "socket(AF_NETLINK)", netlink_socket, { REFUSED, ENDS, REFUSED, REFUSED } },
	{ "socket(AF_UNIX)", local_socket, { WORKS, WORKS, WORKS, WORKS } },
	{ "ioctl(TIOCSTI)", type_into_terminal, { ENDS, ENDS, ENDS, ENDS } },
	{ "ioctl(TIOCSCTTY)", steal_terminal, { ENDS, ENDS, ENDS, ENDS } },
	{ "prctl(PR_SET_DUMPABLE)", be_dumpable, { ENDS, ENDS, WORKS, ENDS } },
	{ "process_vm_writev", write_process, { ENDS, ENDS, ENDS, ENDS } },
	{ "bpf", load_bpf, { ENDS, ENDS, ENDS, ENDS } },
	{ "add_key", add_key, { ENDS, ENDS, ENDS, ENDS } },
	{ "io_uring_setup", io_ring, { ENDS, ENDS, ENDS, ENDS } },
	{ "open_by_handle_at", open_by_handle, { ENDS, ENDS, ENDS, ENDS } },
	{ "clock_settime", set_clock, { ENDS, ENDS, ENDS, ENDS } },
	{ "symlink", make_link, { ENDS, ENDS, ENDS, ENDS } },
	{ "mkdir", make_directory, { ENDS, ENDS, REFUSED, ENDS } },
	{ "pidfd_open", hold_process, { ENDS, WORKS, WORKS, WORKS } },
	{ "pidfd_getfd", take_descriptor, { ENDS, REFUSED, ENDS, ENDS } },
	{ "pidfd_send_signal", signal_by_descriptor, { ENDS, REFUSED, ENDS, ENDS } },
	{ "userfaultfd", borrow_faults, { ENDS, WORKS, ENDS, ENDS } },
	{ "bind", bind_something, { ENDS, ENDS, WORKS, WORKS } },
	{ "a thread", make_thread, { ENDS, WORKS, WORKS, ENDS } },
	{ "a cancelled thread", cancel_thread, { ENDS, WORKS, WHATEVER, ENDS } },
	{ "malloc", use_memory, { WORKS, WORKS, WORKS, WORKS } },
	{ "users and groups", look_users_up, { WORKS, WHATEVER, WORKS, WORKS } },
	{ "a file", read_config, { WORKS, WORKS, WORKS, WORKS } },
	{ "syslog", say_something, { WORKS, WORKS, WORKS, WORKS } },
	{ "a terminal", stop_terminal, { ENDS, WORKS, WORKS, ENDS } },
};

static const char *const who_names[] = { "engine", "monitor", "starter", "keeper" };

/* The child never comes back. */
static void be_confined(int who, attempt_fn *attempt, struct sandbox_witness *witness)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)dup2(null, STDERR_FILENO);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (sandbox_forbid_calls(who == WHO_KEEPER ? sandbox_keeper_tables : confine_tables(who),
				 witness) < 0)
		_exit(99);
	_exit(attempt());
}

static int run(int who, attempt_fn *attempt, struct sandbox_witness *witness)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		be_confined(who, attempt, witness);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool fits(enum verdict verdict, int status)
{
	switch (verdict) {
	case WORKS:
		return WIFEXITED(status) && WEXITSTATUS(status) == 0;
	case REFUSED:
		return WIFEXITED(status) && WEXITSTATUS(status) == 1;
	case RETURNS:
		return WIFEXITED(status) && WEXITSTATUS(status) <= 1;
	case ENDS:
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	case WHATEVER:
		return true;
	}
	return false;
}

static bool can_filter(void)
{
	if (!sandbox_is_built())
		print_message("skipped: built without libseccomp\n");
	else if (sandbox_is_sanitized)
		print_message("skipped: with sanitizers more is allowed\n");
	else
		return true;
	return false;
}

static void test_calls(void **state)
{
	struct confine_witnesses *witnesses = confine_witnesses_new();
	char call[SANDBOX_NAME_BYTES] = "none";
	int wrong = 0;

	(void)state;
	assert_non_null(witnesses);
	if (!can_filter())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int who = 0; who < WHO_N; who++) {
			int status = run(who, rows[i].attempt, &witnesses->of[0]);

			if (fits(rows[i].verdicts[who], status))
				continue;
			(void)sandbox_call_name(&witnesses->of[0], call);
			print_error("%s in the %s: status %#x, last forbidden: %s\n", rows[i].what,
				    who_names[who], (unsigned)status, call);
			wrong++;
		}
	assert_int_equal(wrong, 0);
	(void)munmap(witnesses, sizeof(*witnesses));
}

/* In the log, by name, once. */
static void assert_told(struct confine_witnesses *witnesses)
{
	int ends[2], kept = dup(STDERR_FILENO);
	char said[1024] = "";
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	(void)dup2(ends[1], STDERR_FILENO);
	log_open("test", true, LOG_LEVEL_INFO);
	confine_tell(CONFINE_ENGINE, witnesses);
	confine_tell(CONFINE_ENGINE, witnesses);
	(void)dup2(kept, STDERR_FILENO);
	n = read(ends[0], said, sizeof(said) - 1);
	assert_true(n > 0);
	assert_non_null(strstr(said, "alert: the engine was ended because it made a system call "
				     "that is not in its list: bpf; "));
	assert_ptr_equal(strchr(said, '\n'), said + n - 1);
	(void)close(kept);
}

/* Whoever is left can say which call it was. */
static void test_witness(void **state)
{
	struct confine_witnesses *witnesses = confine_witnesses_new();
	char name[SANDBOX_NAME_BYTES];

	(void)state;
	if (!can_filter())
		skip();
	assert_non_null(witnesses);
	assert_false(sandbox_call_name(&witnesses->of[CONFINE_ENGINE], name));
	(void)run(CONFINE_ENGINE, load_bpf, &witnesses->of[CONFINE_ENGINE]);
	assert_true(sandbox_call_name(&witnesses->of[CONFINE_ENGINE], name));
	assert_string_equal(name, "bpf");
	assert_false(sandbox_call_name(&witnesses->of[CONFINE_MONITOR], name));
	assert_told(witnesses);
	(void)munmap(witnesses, sizeof(*witnesses));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_witness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
