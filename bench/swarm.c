/*
 * swarm N: makes N light session processes and holds their clients.
 *
 * Each is what OpenSSH 9.2 looks like when root has logged in: one process named sshd, below something
 * that is no sshd, with a connected socket that does not block, handlers for SIGCHLD and SIGTERM, the
 * master of a terminal, and a shell on it.  Nothing is encrypted, all else moves as in sshd: what comes from the
 * socket goes to the terminal and back, so that /proc/PID/io and the socket's counters mean the same.  A byte 0 is
 * protocol: it is answered, and the terminal does not see it.
 *
 * Processes know who they are by the name they were started with; the directory for the two names is
 * the caller's.  All of them end when their connection does, and all connections are gone with this process.
 *
 *     swarm DIRECTORY N
 *
 * What it prints, times being CLOCK_MONOTONIC in ns:
 *
 *     ready N PORT         all are there
 *     opened I T           by `open`: the shell of session I is there
 *     ended I T            the process of session I has ended
 *
 * What it reads:
 *
 *     type FROM N          one key on each of N sessions, answered with `typed FROM N T`
 *     keepalive FROM N     the same with the protocol's byte
 *     open                 one session more
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SERVER_NAME "sshd"
#define SHELL_NAME  "bash" /* as long as the other */

/* The connection in a session's process, the terminal in its shell. */
#define SOCKET_FD 3

#define PATH_BYTES 512
#define EVENTS_MAX 64

/* Sessions that may be on their way to their prompt. */
#define AT_ONCE 32

static volatile sig_atomic_t child_ended;

static void fail(const char *what)
{
	(void)fprintf(stderr, "swarm: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* --- the shell: raw, as readline has it; echoes --- */

static int run_shell(void)
{
	struct termios mode;
	char bytes[256];
	ssize_t n;

	if (tcgetattr(0, &mode) < 0)
		return 1;
	cfmakeraw(&mode);
	if (tcsetattr(0, TCSANOW, &mode) < 0 || write(1, "$ ", 2) != 2)
		return 1;
	while ((n = read(0, bytes, sizeof(bytes))) > 0)
		if (write(1, bytes, (size_t)n) != n)
			return 1;
	return 0;
}

/* --- the session's process --- */

static void on_child(int number)
{
	(void)number;
	child_ended = 1;
}

static void on_term(int number)
{
	(void)number;
	_exit(0);
}

static void start_shell(int master, const char *name)
{
	char tty[64];
	pid_t pid;

	if (ptsname_r(master, tty, sizeof(tty)) != 0)
		fail("ptsname");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		int slave;

		(void)setsid();
		(void)signal(SIGCHLD, SIG_DFL);
		(void)signal(SIGTERM, SIG_DFL);
		slave = open(tty, O_RDWR);
		if (slave < 0 || dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
			_exit(1);
		(void)execl(name, SHELL_NAME, (char *)NULL);
		_exit(1);
	}
}

/* Returns false at the end of the connection. */
static bool move_in(int master)
{
	char bytes[4096], plain[4096];
	ssize_t n = read(SOCKET_FD, bytes, sizeof(bytes));
	size_t n_plain = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] != '\0')
			plain[n_plain++] = bytes[i];
		else if (write(SOCKET_FD, "", 1) < 0)
			return false;
	}
	return n > 0 && (n_plain == 0 || write(master, plain, n_plain) > 0);
}

static bool move_out(int master)
{
	char bytes[4096];
	ssize_t n = read(master, bytes, sizeof(bytes));

	return n > 0 && write(SOCKET_FD, bytes, (size_t)n) >= 0;
}

static int run_session(char *path)
{
	struct pollfd fds[2] = { { .fd = SOCKET_FD, .events = POLLIN }, { .events = POLLIN } };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char *name = strrchr(path, '/');

	(void)fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC);
	if (master < 0 || unlockpt(master) < 0 || !name)
		fail("a terminal");
	(void)memcpy(name + 1, SHELL_NAME, sizeof(SHELL_NAME));
	start_shell(master, path);
	(void)signal(SIGCHLD, on_child);
	(void)signal(SIGTERM, on_term);
	fds[1].fd = master;
	while (!child_ended) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && !move_in(master))
			break;
		if (fds[1].revents && !move_out(master))
			break;
	}
	return 0;
}

/* --- the swarm --- */

struct swarm {
	char server[PATH_BYTES];
	struct sockaddr_in address;
	int *clients; /* -1: closed */
	pid_t *pids;
	size_t n, size;
	int listener, events, children;
};

static void swarm_init(struct swarm *swarm, size_t size)
{
	sigset_t ended;

	swarm->size = size;
	swarm->clients = calloc(size, sizeof(*swarm->clients));
	swarm->pids = calloc(size, sizeof(*swarm->pids));
	(void)sigemptyset(&ended);
	(void)sigaddset(&ended, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &ended, NULL);
	swarm->children = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
	if (!swarm->clients || !swarm->pids || swarm->children < 0)
		fail("cannot start");
}

static void swarm_listen(struct swarm *swarm)
{
	socklen_t size = sizeof(swarm->address);
	const int one = 1;

	swarm->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	swarm->events = epoll_create1(EPOLL_CLOEXEC);
	swarm->address = (struct sockaddr_in){ .sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (swarm->listener < 0 || swarm->events < 0 ||
	    setsockopt(swarm->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(swarm->listener, (struct sockaddr *)&swarm->address, size) < 0 ||
	    listen(swarm->listener, 128) < 0 ||
	    getsockname(swarm->listener, (struct sockaddr *)&swarm->address, &size) < 0)
		fail("cannot listen");
}

static void spawn_session(struct swarm *swarm, int server, pid_t *ret_pid)
{
	char *const arguments[] = { swarm->server, NULL }, *const environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;

	(void)sigemptyset(&none);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, server, SOCKET_FD);
	errno = posix_spawn(ret_pid, swarm->server, &actions, &attributes, arguments, environment);
	if (errno != 0)
		fail(swarm->server);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
}

/* The prompt has come: the session is what it will be. */
static void wait_for_prompt(int client)
{
	char prompt[2];

	if (recv(client, prompt, sizeof(prompt), MSG_WAITALL) != sizeof(prompt))
		fail("a session has no shell");
}

static void add_session(struct swarm *swarm)
{
	struct epoll_event event = { .events = EPOLLIN };
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	const int one = 1;

	if (client < 0 ||
	    connect(client, (struct sockaddr *)&swarm->address, sizeof(swarm->address)) < 0)
		fail("cannot connect");
	server = accept4(swarm->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (server < 0 || setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		fail("cannot accept");
	spawn_session(swarm, server, &swarm->pids[swarm->n]);
	(void)close(server);
	event.data.u64 = swarm->n;
	if (epoll_ctl(swarm->events, EPOLL_CTL_ADD, client, &event) < 0)
		fail("epoll_ctl");
	swarm->clients[swarm->n++] = client;
}

static void take_bytes(struct swarm *swarm, size_t i)
{
	char bytes[4096];
	ssize_t n = recv(swarm->clients[i], bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	(void)close(swarm->clients[i]);
	swarm->clients[i] = -1;
}

/* Shells come here too, when they outlive their session. */
static void bury(struct swarm *swarm)
{
	struct signalfd_siginfo info;
	const int64_t at_ns = now_ns();
	pid_t pid;

	while (read(swarm->children, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < swarm->n; i++)
			if (swarm->pids[i] == pid)
				(void)printf("ended %zu %lld\n", i, (long long)at_ns);
}

static void send_to(const struct swarm *swarm, size_t from, size_t n, const char *byte)
{
	int64_t began_ns = now_ns();

	for (size_t i = from; i < swarm->n && i < from + n; i++)
		if (swarm->clients[i] >= 0)
			(void)send(swarm->clients[i], byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)printf("typed %zu %zu %lld\n", from, n, (long long)began_ns);
}

static void take_command(struct swarm *swarm, char *line)
{
	const char *word = strsep(&line, " \n");
	const unsigned long from = line ? strtoul(line, &line, 10) : 0;
	const unsigned long n = line ? strtoul(line, NULL, 10) : 0;

	if (!word)
		return;
	if (strcmp(word, "type") == 0)
		send_to(swarm, from, n, "x");
	else if (strcmp(word, "keepalive") == 0)
		send_to(swarm, from, n, "");
	else if (strcmp(word, "open") == 0 && swarm->n < swarm->size) {
		add_session(swarm);
		wait_for_prompt(swarm->clients[swarm->n - 1]);
		(void)printf("opened %zu %lld\n", swarm->n - 1, (long long)now_ns());
	}
}

static void swarm_run(struct swarm *swarm)
{
	struct epoll_event events[EVENTS_MAX], input = { .events = EPOLLIN, .data.u64 = SIZE_MAX };
	struct epoll_event children = { .events = EPOLLIN, .data.u64 = SIZE_MAX - 1 };
	char line[128];
	int n;

	if (epoll_ctl(swarm->events, EPOLL_CTL_ADD, 0, &input) < 0 ||
	    epoll_ctl(swarm->events, EPOLL_CTL_ADD, swarm->children, &children) < 0)
		fail("epoll_ctl");
	for (;;) {
		n = epoll_wait(swarm->events, events, EVENTS_MAX, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == children.data.u64)
				bury(swarm);
			else if (events[i].data.u64 != input.data.u64)
				take_bytes(swarm, events[i].data.u64);
			else if (fgets(line, sizeof(line), stdin))
				take_command(swarm, line);
			else
				return;
		}
		(void)fflush(stdout);
	}
}

static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	struct swarm swarm = { .n = 0 };
	size_t wanted;

	name = name ? name + 1 : argv[0];
	if (strcmp(name, SHELL_NAME) == 0)
		return run_shell();
	if (strcmp(name, SERVER_NAME) == 0)
		return run_session(argv[0]);
	if (argc != 3) {
		(void)fprintf(stderr, "usage: swarm DIRECTORY N\n");
		return 2;
	}
	wanted = strtoul(argv[2], NULL, 10);
	/* Room for those that `open` adds. */
	swarm_init(&swarm, wanted + 1000);
	if (snprintf(swarm.server, sizeof(swarm.server), "%s/" SERVER_NAME, argv[1]) >= PATH_BYTES)
		fail("arguments");
	raise_limits();
	/* Shells that outlive their session. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	swarm_listen(&swarm);
	for (size_t i = 0; i < wanted + AT_ONCE; i++) {
		if (i < wanted)
			add_session(&swarm);
		if (i >= AT_ONCE && i - AT_ONCE < wanted)
			wait_for_prompt(swarm.clients[i - AT_ONCE]);
	}
	(void)printf("ready %zu %d\n", swarm.n, ntohs(swarm.address.sin_port));
	(void)fflush(stdout);
	swarm_run(&swarm);
	return 0;
}
