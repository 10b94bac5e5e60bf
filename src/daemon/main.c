/*
 * sshidled: starts the processes of the daemon, or checks a configuration.
 *
 * As root: takes the runtime directory, binds the control socket, splits.  The parent becomes the
 * monitor and keeps four capabilities, one child becomes the engine, another user with none, and one
 * the starter of keepers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/groups.h"
#include "base/log.h"
#include "base/standard.h"
#include "base/text.h"
#include "config.h"
#include "core/policy.h"
#include "daemon/confine.h"
#include "daemon/engine.h"
#include "daemon/monitor.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/owner.h"
#include "daemon/passed.h"
#include "daemon/privilege.h"
#include "daemon/runtime.h"
#include "daemon/starter.h"
#include "observe/sockdiag.h"
#include "text/config-file.h"

#define NICE (-10)

struct start {
	const struct options *options;
	struct runtime runtime;
	struct privilege_user user;
	struct confine_witnesses *witnesses; /* NULL: nothing is confined */
	int waiting_fd; /* the starting process waits on it in the background case; -1 */
};

/* --- -t and -T --- */

static void print_problems(const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		(void)fprintf(stderr, "%s%s\n", problems->items[i].notice ? "notice: " : "",
			      problems->items[i].text);
}

/* The groups that the system knows of the user, as a session of that user would have them. */
static int add_system_groups(struct config_case *config_case)
{
	struct groups groups;
	int r = groups_read(config_case->query.user, &groups);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; r == 0 && i < groups.n; i++)
		r = config_case_add_group(config_case, groups.names[i]);
	groups_deinit(&groups);
	return r;
}

static int print_case(const struct config *config, const char *spec)
{
	struct config_case config_case;
	char problem[256];
	int r = config_case_parse(spec, &config_case, problem, sizeof(problem));

	if (r < 0) {
		(void)fprintf(stderr, "sshidled: -C %s: %s\n", spec,
			      r == -EINVAL ? problem : strerror(-r));
		return r;
	}
	if (config_case.query.user && config_asks(config, CRITERION_GROUP) &&
	    add_system_groups(&config_case) < 0) {
		config_case.query.groups_unknown = true;
		(void)fprintf(stderr, "sshidled: " POLICY_GROUPS_UNKNOWN("%s") "\n",
			      config_case.query.user);
	}
	config_print_case(config, &config_case.query, stdout);
	config_case_deinit(&config_case);
	return 0;
}

/* NULL without memory. */
static char *text_of(const struct config *config)
{
	auto_free char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	config_print(config, file);
	return fclose(file) == 0 ? take_ptr(text) : NULL;
}

/* The engine reads it, and what is included, as another user than who checks it.  It may find less: what a pattern
 * leads to in a directory that is closed to it is left out. */
static int check_as_engine(const struct options *options, const struct config *read_by_root)
{
	auto_free char *wanted = NULL, *text = NULL;
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	struct privilege_user user;
	int r;

	if (geteuid() != 0 || privilege_find_user(options->user, &user) < 0 ||
	    privilege_engine(&user) < 0)
		return 0;
	r = config_load(options->config_file, &config, &problems);
	if (r == 0) {
		wanted = text_of(read_by_root);
		text = text_of(config);
	}
	if (!wanted || !text || !text_equal(wanted, text)) {
		print_problems(&problems);
		(void)fprintf(
			stderr,
			r < 0 ? "sshidled: root can read it, but the daemon reads it as user %s\n"
			      : "sshidled: the daemon, as user %s, reads less of it than root\n",
			options->user);
		r = -EACCES;
	}
	config_problems_deinit(&problems);
	config_free(config);
	return r;
}

/* Standard output, after all that is printed. A failure is told. */
static int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	(void)fprintf(stderr, "sshidled: cannot write: %s\n", strerror(errno));
	return -EIO;
}

static int check_config(const struct options *options)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	int r = config_load(options->config_file, &config, &problems);

	print_problems(&problems);
	config_problems_deinit(&problems);
	if (r == 0 && options->print && options->print_case)
		r = print_case(config, options->print_case);
	else if (r == 0 && options->print)
		config_print(config, stdout);
	if (finish_output() < 0)
		r = -EIO;
	if (r == 0 && options->test)
		r = check_as_engine(options, config);
	config_free(config);
	return r < 0 ? 1 : 0;
}

/* --- starting --- */

static void raise_file_limit(void)
{
	struct rlimit limit;

	/* One descriptor for each session; the hard limit is the host's word. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* On a host that is busy to its limits monitor and engine should still keep their time; they need little of it.
 * sshidle.service forbids the call: there systemd does it to the process group, which the starter has left. */
static void raise_priority(void)
{
	(void)setpriority(PRIO_PROCESS, 0, NICE);
}

static void detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		(void)close(null);
}

/* In the background case the first process waits here for the word of the second one. */
static int wait_for_start(int fd)
{
	char word;
	ssize_t n;

	do {
		n = read(fd, &word, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : 1;
}

/* Where a path leads after the change of directory. Lives as long as the process. */
static int make_absolute(const char **path)
{
	auto_free char *here = NULL;
	char *whole;

	if (**path == '/')
		return 0;
	here = getcwd(NULL, 0);
	if (!here)
		return -errno;
	if (asprintf(&whole, "%s/%s", here, *path) < 0)
		return -ENOMEM;
	*path = whole;
	return 0;
}

/* Splits off a session leader in the background. The first process does not return. */
static int go_background(struct options *options, int *ret_waiting_fd)
{
	int ends[2];
	pid_t pid;

	if (make_absolute(&options->config_file) < 0)
		return -errno;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		(void)close(ends[1]);
		exit(wait_for_start(ends[0]));
	}
	(void)close(ends[0]);
	(void)setsid();
	(void)!chdir("/");
	*ret_waiting_fd = ends[1];
	return 0;
}

static void on_ready(void *context)
{
	struct start *start = context;

	(void)runtime_write_pid(&start->runtime);
	log_info("sshidled %s watches this host", SSHIDLE_VERSION);
	if (start->waiting_fd >= 0) {
		log_open("sshidled", false, LOG_LEVEL_INFO);
		log_info("sshidled %s watches this host", SSHIDLE_VERSION);
		(void)!write(start->waiting_fd, "+", 1);
		(void)close(start->waiting_fd);
		start->waiting_fd = -1;
		detach();
	}
	notify_ready();
}

static void on_engine_ready(void *context)
{
	const struct start *start = context;

	if (start->options->foreground)
		return;
	log_open("sshidled", false, LOG_LEVEL_INFO);
	detach();
}

static int run_engine(struct start *start, int link_fd)
{
	struct engine_options options = {
		.config_file = start->options->config_file,
		.state_file = start->runtime.state_file,
		.monitor_pid = getppid(),
		.link_fd = link_fd,
		.control_fd = start->runtime.socket_fd,
		.witnesses = start->witnesses,
		.ready = on_engine_ready,
		.context = start,
	};
	int r = privilege_engine(&start->user);

	if (r < 0) {
		log_error("the engine cannot become user %s: %s", start->options->user,
			  strerror(-r));
		return 1;
	}
	(void)prctl(PR_SET_NAME, "sshidled-engine");
	if (start->waiting_fd >= 0)
		(void)close(start->waiting_fd);
	(void)close(start->runtime.lock_fd);
	sockdiag_close();
	return engine_run(&options);
}

/*
 * What keepers do is what users print: they are to have no more than an ordinary process's time.
 *
 * Called on both sides of the fork: by the starter before it has children, as the end of one that was left behind in the
 * group would have the kernel hang up all of it (an orphaned group with a stopped process), and by the first process
 * before it says that it is ready.
 */
static void leave_group(pid_t starter)
{
	(void)setpgid(starter, 0);
}

static int run_starter(struct start *start, int fd)
{
	struct starter_options options = {
		.fd = fd,
		.keeper = start->options->keeper,
		.runtime_dir = start->options->runtime_directory,
	};
	int r;

	leave_group(0);
	r = privilege_starter(owner_can_ask());
	if (r < 0) {
		log_error("the starter cannot give up its capabilities: %s", strerror(-r));
		return 1;
	}
	(void)prctl(PR_SET_NAME, "sshidled-starter");
	/* Whatever the daemon was started with: keepers are ordinary. */
	(void)setpriority(PRIO_PROCESS, 0, 0);
	/* It is in the background of its terminal now, and may write there. */
	(void)signal(SIGTTOU, SIG_IGN);
	on_engine_ready(start);
	if (start->waiting_fd >= 0)
		(void)close(start->waiting_fd);
	(void)close(start->runtime.socket_fd);
	(void)close(start->runtime.lock_fd);
	sockdiag_close();
	if (confine_calls(CONFINE_STARTER, start->witnesses) < 0)
		return 1;
	return starter_run(&options);
}

/* As fork(2), with a link between the two that is `ret_fd` in each. A failure is logged. */
static pid_t split_off(int type, int *ret_fd)
{
	int ends[2];
	pid_t pid = -1;

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0)
		pid = fork();
	if (pid < 0) {
		log_error("cannot split: %s", strerror(errno));
		return pid;
	}
	(void)close(ends[pid == 0 ? 0 : 1]);
	*ret_fd = ends[pid == 0 ? 1 : 0];
	return pid;
}

/* The user of sshd's processes before a login: there is none on a host without OpenSSH. */
static uint32_t find_privsep_uid(void)
{
	struct privilege_user user;

	return privilege_find_user("sshd", &user) < 0 ? UINT32_MAX : user.uid;
}

/* While the monitor may still make sockets. */
static void hold_sockets(void)
{
	const int r = sockdiag_hold();

	if (r < 0)
		log_warning("why a connection was lost will not be in the log, and sockets that "
			    "cannot be borrowed are not seen: no netlink socket for inet-diag: %s",
			    strerror(-r));
}

static int run_monitor(struct start *start, int link_fd, int starter_fd, pid_t engine)
{
	struct monitor_options options = {
		.link_fd = link_fd,
		.starter_fd = starter_fd,
		.runtime_dir = start->options->runtime_directory,
		.engine_pid = engine,
		.privsep_uid = find_privsep_uid(),
		.witnesses = start->witnesses,
		.ready = on_ready,
		.context = start,
	};
	int r = privilege_monitor();

	if (r < 0) {
		log_error("capabilities cannot be given up: %s", strerror(-r));
		return 1;
	}
	(void)close(start->runtime.socket_fd);
	hold_sockets();
	if (confine_calls(CONFINE_MONITOR, start->witnesses) < 0)
		return 1;
	r = monitor_run(&options);
	runtime_close(&start->runtime);
	return r;
}

/* A stop or reload in the first moments waits for the monitor's handlers (monitor_run() takes it
 * up). */
static void hold_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static int split(struct start *start)
{
	int starter_fd = -1, link_fd;
	pid_t pid;

	hold_signals();
	/* Where nothing can be parked nobody has to become a user. */
	if (HAVE_PARK) {
		pid = split_off(SOCK_SEQPACKET, &starter_fd);
		if (pid <= 0)
			return pid < 0 ? 1 : run_starter(start, starter_fd);
		leave_group(pid);
	}
	raise_priority();
	pid = split_off(SOCK_STREAM | SOCK_NONBLOCK, &link_fd);
	if (pid < 0)
		return 1;
	if (pid > 0)
		return run_monitor(start, link_fd, starter_fd, pid);
	if (starter_fd >= 0)
		(void)close(starter_fd);
	return run_engine(start, link_fd);
}

static int start_daemon(struct options *options)
{
	struct start start = { .options = options, .waiting_fd = -1 };

	if (geteuid() != 0) {
		log_error("must be started as root: it reads other users' sessions");
		return 1;
	}
	if (privilege_find_user(options->user, &start.user) < 0) {
		log_error(
			"there is no user %s for the unprivileged process; create it with: useradd "
			"--system --no-create-home --home-dir /nonexistent --shell "
			"/usr/sbin/nologin %s",
			options->user, options->user);
		return 1;
	}
	if (start.user.uid == 0) {
		log_error("the unprivileged process must not run as %s", options->user);
		return 1;
	}
	passed_take();
	raise_file_limit();
	(void)umask(022);
	/* Keepers live in the root directory. */
	if (make_absolute(&options->runtime_directory) < 0 || make_absolute(&options->keeper) < 0) {
		log_error("the working directory cannot be found: %s", strerror(errno));
		return 1;
	}
	if (options->unconfined || !sandbox_is_built())
		log_warning("system calls are not restricted: %s",
			    options->unconfined ? "-S" : "this is a build without libseccomp");
	if (!options->unconfined) {
		start.witnesses = confine_witnesses_new();
		if (!start.witnesses)
			return 1;
	}
	if (!options->foreground && go_background(options, &start.waiting_fd) < 0) {
		log_error("cannot go to the background: %s", strerror(errno));
		return 1;
	}
	if (runtime_open(options->runtime_directory, &start.user, &start.runtime) < 0)
		return 1;
	return split(&start);
}

int main(int argc, char **argv)
{
	struct options options;
	int r;

	standard_fill();
	r = options_parse(argc, argv, &options);
	if (r < 0)
		return 2;
	if (r > 0)
		return finish_output() < 0 ? 1 : 0;
	log_open("sshidled", !options.syslog, LOG_LEVEL_INFO);
	if (options.test || options.print)
		return check_config(&options);
	return start_daemon(&options);
}
