/*
 * What each process may do and what ends it: the real lists, in a child that makes one call.  The
 * files that are open and closed to the engine, also by the back door.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
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
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/confine.h"
#include "sandbox/tables.h"
#include "text/config-file.h"

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
	return result(chown("/dev/null", 0, 0));
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
	{ "chown", change_owner, { ENDS, ENDS, RETURNS, ENDS } },
	{ "mount", mount_something, { ENDS, ENDS, ENDS, ENDS } },
	{ "unshare", new_namespaces, { ENDS, ENDS, ENDS, ENDS } },
	{ "clone(CLONE_NEWUSER)", clone_into_namespace, { ENDS, ENDS, ENDS, ENDS } },
	{ "socket(AF_PACKET)", packet_socket, { REFUSED, ENDS, REFUSED, REFUSED } },
	{ "socket(AF_INET)", network_socket, { REFUSED, ENDS, REFUSED, REFUSED } },
	{ "socket(AF_NETLINK)", netlink_socket, { REFUSED, WORKS, REFUSED, REFUSED } },
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
	{ "bind", bind_something, { ENDS, WORKS, WORKS, WORKS } },
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

/* --- files --- */

struct stage {
	char root[64];	   /* "own", the state's; "other"; "conf", the configuration's */
	char path[4][160]; /* of a file in each, and of a link from own to other */
};

enum { FILE_OWN, FILE_OTHER, FILE_CONF, FILE_LINK };

static void write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)close(fd);
}

static void make_stage(struct stage *stage)
{
	static const char *const names[] = { "own", "other", "conf" };
	char directory[128];

	(void)snprintf(stage->root, sizeof(stage->root), "/tmp/sshidle-confine-XXXXXX");
	assert_non_null(mkdtemp(stage->root));
	for (int i = 0; i < 3; i++) {
		(void)snprintf(directory, sizeof(directory), "%s/%s", stage->root, names[i]);
		assert_int_equal(mkdir(directory, 0700), 0);
		(void)snprintf(stage->path[i], sizeof(stage->path[i]), "%s/file", directory);
		write_file(stage->path[i]);
	}
	(void)snprintf(stage->path[FILE_LINK], sizeof(stage->path[FILE_LINK]), "%s/own/link",
		       stage->root);
	assert_int_equal(symlink(stage->path[FILE_OTHER], stage->path[FILE_LINK]), 0);
}

static void remove_stage(struct stage *stage)
{
	static const char *const names[] = { "own/file",  "own/new",  "own/link", "other/file",
					     "conf/file", "conf/new", "own",	  "other",
					     "conf",	  "" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", stage->root, names[i]);
		(void)remove(path);
	}
}

/* 0, or the error. */
static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static int try_beside(const char *path, const char *name, int flags)
{
	char other[200];

	(void)snprintf(other, sizeof(other), "%s", path);
	*strrchr(other, '/') = '\0';
	(void)snprintf(other + strlen(other), sizeof(other) - strlen(other), "/%s", name);
	return try_open(other, flags);
}

static int try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

/* The number of the first line that is not as it should be; 0: all are. */
#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static int look_around(const struct stage *stage, int version)
{
	char back_door[200];

	EXPECT(try_open("/etc/passwd", O_RDONLY) == 0);
	EXPECT(try_open("/proc/sys/kernel/random/boot_id", O_RDONLY) == 0);
	EXPECT(try_open("/dev/null", O_RDWR) == 0);
	EXPECT(try_open(stage->path[FILE_CONF], O_RDONLY) == 0);
	EXPECT(try_open(stage->path[FILE_OWN], O_RDWR | O_TRUNC) == 0);
	EXPECT(try_beside(stage->path[FILE_OWN], "new", O_WRONLY | O_CREAT) == 0);
	/* others' files, by whatever way */
	EXPECT(try_open(stage->path[FILE_OTHER], O_RDONLY) == EACCES);
	EXPECT(try_open(stage->path[FILE_LINK], O_RDONLY) == EACCES);
	(void)snprintf(back_door, sizeof(back_door), "/proc/self/root%s", stage->path[FILE_OTHER]);
	EXPECT(try_open(back_door, O_RDONLY) == EACCES);
	(void)snprintf(back_door, sizeof(back_door), "/etc/..%s", stage->path[FILE_OTHER]);
	EXPECT(try_open(back_door, O_RDONLY) == EACCES);
	EXPECT(chdir("/tmp") == 0 && try_open(stage->path[FILE_OTHER] + 5, O_RDONLY) == EACCES);
	EXPECT(sandbox_is_sanitized || try_open("/proc/self/environ", O_RDONLY) == EACCES);
	EXPECT(sandbox_is_sanitized || try_open("/proc/1/cmdline", O_RDONLY) == EACCES);
	EXPECT(sandbox_is_sanitized || try_open("/proc", O_RDONLY | O_DIRECTORY) == EACCES);
	EXPECT(try_open("/", O_RDONLY | O_DIRECTORY) == EACCES);
	EXPECT(try_open("/dev/ptmx", O_RDWR) == EACCES);
	EXPECT(try_open("/var/log", O_RDONLY | O_DIRECTORY) == EACCES);
	/* what it may read is not its to change */
	EXPECT(try_open(stage->path[FILE_CONF], O_WRONLY) == EACCES);
	EXPECT(try_beside(stage->path[FILE_CONF], "new", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(try_open("/etc/sshidle-confine", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(unlink(stage->path[FILE_CONF]) < 0 && errno == EACCES);
	EXPECT(rename(stage->path[FILE_OWN], stage->path[FILE_CONF]) < 0);
	EXPECT(mkdir("/tmp/sshidle-confine-directory", 0700) < 0 && errno == EACCES);
	EXPECT(symlink("/etc", stage->path[FILE_OWN]) < 0);
	EXPECT(version < 4 || try_connect() == EACCES);
	EXPECT(version < 6 || (kill(getppid(), 0) < 0 && errno == EPERM));
	return 0;
}

static int confined_look(const struct stage *stage)
{
	struct config_places config = { 0 };
	char directory[128];
	long version = syscall(444, NULL, 0, 1);

	if (version <= 0)
		return -1;
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)snprintf(directory, sizeof(directory), "%s/conf", stage->root);
	if (config_places_add(&config, directory) < 0 ||
	    confine_files(stage->path[FILE_OWN], &config) < 0)
		return __LINE__;
	return look_around(stage, (int)version);
}

static void test_files(void **state)
{
	struct stage stage;
	int ends[2], line = 0, status;
	pid_t pid;

	(void)state;
	make_stage(&stage);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		line = confined_look(&stage);
		_exit(write(ends[1], &line, sizeof(line)) != sizeof(line));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(ends[0], &line, sizeof(line)), sizeof(line));
	remove_stage(&stage);
	if (line < 0) {
		print_message("skipped: this kernel has no Landlock\n");
		skip();
	}
	if (line > 0)
		print_error("line %d\n", line);
	assert_int_equal(line, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_witness),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
