#include "observe/fake-session.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "observe/connection.h"
#include "observe/process.h"
#include "observe/socket.h"

static int connect_pair(int *ret_client, int *ret_server)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(name);
	auto_close int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int server;

	if (listener < 0 || client < 0 || bind(listener, (struct sockaddr *)&name, size) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&name, &size) < 0 ||
	    connect(client, (struct sockaddr *)&name, size) < 0)
		return -errno;
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		return -errno;
	*ret_client = take_fd(&client);
	*ret_server = server;
	return 0;
}

/* Connected by a name, which is gone again. */
static int connect_unix(int *ret_program, int *ret_server)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	auto_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int program = -1;

	(void)snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/fake-session.%d", getpid());
	if (listener < 0 || server < 0 ||
	    bind(listener, (struct sockaddr *)&name, sizeof(name)) < 0)
		return -errno;
	if (listen(listener, 1) == 0 &&
	    connect(server, (struct sockaddr *)&name, sizeof(name)) == 0)
		program = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	(void)unlink(name.sun_path);
	if (program < 0)
		return -ENOTCONN;
	*ret_program = program;
	*ret_server = take_fd(&server);
	return 0;
}

/* Its descriptors have the parent's numbers; it holds but the servers' ends. */
static _Noreturn void hold(const struct fake_session *session, int ready)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	cleanup_close(&session->client);
	cleanup_close(&session->far);
	(void)close(ready);
	for (;;)
		(void)pause();
}

static int start_holder(struct fake_session *session)
{
	auto_close int ready = -1, wait = -1;
	int ends[2];
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	wait = ends[0];
	ready = ends[1];
	session->pid = fork();
	if (session->pid < 0)
		return -errno;
	if (session->pid == 0)
		hold(session, ready);
	(void)close(take_fd(&ready));
	/* Its end of the pipe is closed. */
	return read(wait, &byte, 1) == 0 ? 0 : -EIO;
}

/* What connection_examine() would say of it. */
static int describe(pid_t pid, int server, struct connection *connection)
{
	struct socket_facts socket = { 0 };
	auto_close int copy = -1;
	struct stat st = { 0 };
	int r = process_open(pid, &connection->pidfd);

	if (r == 0)
		r = process_borrow(connection->pidfd, server, &copy);
	if (r == 0)
		r = socket_describe(server, &socket);
	if (r == 0)
		r = socket_cookie(server, &connection->facts.identity.cookie);
	if (r == 0)
		r = process_start_ticks(pid, &connection->facts.identity.start_ticks);
	if (r == 0 && fstat(server, &st) < 0)
		r = -errno;
	if (r < 0)
		return r;
	connection->facts.identity.pid = pid;
	connection->facts.server = SERVER_OPENSSH;
	connection->facts.uid = getuid();
	connection->facts.peer = socket.peer;
	connection->facts.local = socket.local;
	connection->facts.peer_port = socket.peer_port;
	connection->facts.local_port = socket.local_port;
	connection->inode = st.st_ino;
	connection->fd = server;
	connection->parent = getpid();
	return 0;
}

static int try_start(struct fake_session *session, enum fake_forward forward,
		     struct watch **ret_watch)
{
	struct connection connection = { .fd = -1, .pidfd = -1 };
	struct fake_session started = { .pid = -1, .client = -1, .far = -1 };
	auto_close int server = -1, near = -1;
	int r = connect_pair(&started.client, &server);

	if (r == 0 && forward == FORWARD_TCP)
		r = connect_pair(&started.far, &near);
	if (r == 0 && forward == FORWARD_UNIX)
		r = connect_unix(&started.far, &near);
	if (r == 0)
		r = start_holder(&started);
	if (r == 0)
		r = describe(started.pid, server, &connection);
	if (r == 0)
		r = watch_new(&connection, ret_watch);
	else
		cleanup_close(&connection.pidfd);
	if (r < 0)
		fake_session_stop(&started);
	else
		*session = started;
	return r;
}

void fake_session_stop(struct fake_session *session)
{
	if (session->pid > 0) {
		(void)kill(session->pid, SIGKILL);
		(void)waitpid(session->pid, NULL, 0);
	}
	cleanup_close(&session->client);
	cleanup_close(&session->far);
}

struct watch *fake_session_start(struct fake_session *session, enum fake_forward forward)
{
	struct watch *watch = NULL;
	int r = try_start(session, forward, &watch);

	if (r == -EPERM || r == -ENOSYS || r == -EINVAL) {
		print_message("nothing can be borrowed here: %s\n", strerror(-r));
		skip();
	}
	assert_int_equal(r, 0);
	return watch;
}
