/* What INET_DIAG and UNIX_DIAG tell of a socket is what the socket itself tells. */
#include "observe/diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/sockdiag.h"

/* A listener on the loopback interface, a connection to it, its accepted end. */
struct ends {
	int listener, client, server;
};

static struct ends ends;

/* Where the kernel does not tell (qemu-user) there is nothing to test. cmocka takes no skip() in a setup. */
static void needs_diag(void **state)
{
	if (!*state)
		skip();
}

static uint64_t inode_of(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return status.st_ino;
}

struct wanted {
	uint64_t inode;
	struct diag_socket found;
	int n;
};

static void take(void *context, const struct diag_socket *socket)
{
	struct wanted *wanted = context;

	if (socket->inode != wanted->inode)
		return;
	wanted->found = *socket;
	wanted->n++;
}

static struct diag_socket find(int fd)
{
	struct wanted wanted = { .inode = inode_of(fd) };

	assert_int_equal(diag_all(take, &wanted), 0);
	assert_int_equal(wanted.n, 1);
	return wanted.found;
}

static void facts_are_the_same(int fd, const struct socket_facts *told)
{
	struct socket_facts own;

	assert_int_equal(socket_describe(fd, &own), 0);
	assert_int_equal(told->family, own.family);
	assert_int_equal(told->listening, own.listening);
	assert_int_equal(told->connected, own.connected);
	assert_int_equal(told->local_port, own.local_port);
	assert_int_equal(told->peer_port, own.peer_port);
	assert_memory_equal(&told->local, &own.local, sizeof(own.local));
	assert_memory_equal(&told->peer, &own.peer, sizeof(own.peer));
	assert_string_equal(told->local_path, own.local_path);
	assert_string_equal(told->peer_path, own.peer_path);
}

static void tcp_sockets_are_found(void **state)
{
	const int fds[] = { ends.listener, ends.client, ends.server };
	uint64_t cookie;

	needs_diag(state);
	for (size_t i = 0; i < 3; i++) {
		struct diag_socket socket = find(fds[i]);

		facts_are_the_same(fds[i], &socket.facts);
		assert_int_equal(socket_cookie(fds[i], &cookie), 0);
		assert_true(diag_cookie(&socket.id) == cookie);
		/* Somebody listens where it was accepted. */
		assert_int_equal(socket.facts.reuse, i != 1);
	}
}

static void counters_are_the_same(void **state)
{
	struct socket_counters told, own;
	struct diag_socket socket;
	char bytes[1000] = { 0 };

	needs_diag(state);
	socket = find(ends.server);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(send(ends.client, bytes, 700, 0), 700);
		assert_int_equal(send(ends.server, bytes, 1000, 0), 1000);
		assert_int_equal(recv(ends.client, bytes, 1000, MSG_WAITALL), 1000);
		assert_int_equal(recv(ends.server, bytes, 300, MSG_WAITALL), 300);
		assert_int_equal(diag_count(&socket.id, &told), 0);
		assert_int_equal(socket_count(ends.server, &own), 0);
		assert_int_equal(told.waiting, 400 * (round + 1));
		assert_int_equal(told.waiting, own.waiting);
		assert_int_equal(told.sent, own.sent);
		assert_int_equal(told.received, own.received);
		assert_int_equal(told.segments_in, own.segments_in);
	}
}

static void a_closed_socket_is_stale(void **state)
{
	struct linger at_once = { .l_onoff = 1 };
	struct socket_counters told;
	struct diag_socket socket;

	needs_diag(state);
	socket = find(ends.server);
	assert_int_equal(setsockopt(ends.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
			 0);
	(void)close(ends.server);
	ends.server = -1;
	assert_int_equal(diag_count(&socket.id, &told), -ESTALE);
}

static void unix_sockets_are_found(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	int datagram = socket(AF_UNIX, SOCK_DGRAM, 0), server;
	struct socket_facts told;

	needs_diag(state);
	(void)snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/sshidle-test-diag.%d", getpid());
	(void)unlink(name.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof(name)), 0);
	server = accept(listener, NULL, NULL);
	for (size_t i = 0; i < 3; i++) {
		int fd = (int[]){ listener, client, server }[i];

		assert_int_equal(diag_unix(inode_of(fd), &told), 0);
		facts_are_the_same(fd, &told);
	}
	assert_string_equal(told.local_path, name.sun_path);
	assert_int_equal(diag_unix(inode_of(datagram), &told), -ENOENT);
	assert_int_equal(diag_unix(inode_of(ends.client), &told), -ENOENT);
	(void)unlink(name.sun_path);
	(void)close(listener);
	(void)close(client);
	(void)close(server);
	(void)close(datagram);
}

/* As a daemon before this one may have left it: a list was asked for, and `read_messages` of it were read. */
static void leave_unread(int read_messages)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = 1 },
		.body = { .sdiag_family = AF_INET,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = UINT32_MAX },
	};
	const int fd = sockdiag_get(SOCKDIAG_QUESTIONS);
	char bytes[64];

	assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
	for (int i = 0; i < read_messages; i++)
		assert_true(sockdiag_receive(fd, bytes, sizeof(bytes)) > 0);
}

/* What is asked next gets its own answer, and all of it. */
static void an_answer_was_given_up(void **state)
{
	struct socket_counters told, own;
	struct diag_socket socket, again;
	struct socket_facts facts;

	needs_diag(state);
	socket = find(ends.server);
	for (int read_messages = 0; read_messages < 2; read_messages++) {
		leave_unread(read_messages);
		again = find(ends.server);
		facts_are_the_same(ends.server, &again.facts);
		leave_unread(read_messages);
		assert_int_equal(diag_count(&socket.id, &told), 0);
		assert_int_equal(socket_count(ends.server, &own), 0);
		assert_int_equal(told.segments_in, own.segments_in);
		leave_unread(read_messages);
		assert_int_equal(diag_unix(inode_of(ends.client), &facts), -ENOENT);
	}
}

/* An error that is told with the next message is that of an earlier request. */
static void an_error_was_left(void **state)
{
	struct nlmsghdr nonsense = { .nlmsg_len = sizeof(nonsense),
				     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				     .nlmsg_flags = NLM_F_REQUEST,
				     .nlmsg_seq = 1 };
	struct diag_socket socket;

	needs_diag(state);
	assert_int_equal(send(sockdiag_get(SOCKDIAG_QUESTIONS), &nonsense, sizeof(nonsense), 0),
			 sizeof(nonsense));
	socket = find(ends.server);
	facts_are_the_same(ends.server, &socket.facts);
}

static int setup(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	struct wanted none = { 0 };

	*state = diag_all(take, &none) < 0 ? NULL : &ends;
	ends.listener = socket(AF_INET, SOCK_STREAM, 0);
	ends.client = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(ends.listener, (struct sockaddr *)&address, size) < 0 ||
	    listen(ends.listener, 1) < 0 ||
	    getsockname(ends.listener, (struct sockaddr *)&address, &size) < 0 ||
	    connect(ends.client, (struct sockaddr *)&address, size) < 0)
		return -1;
	ends.server = accept(ends.listener, NULL, NULL);
	return ends.server < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(ends.listener);
	(void)close(ends.client);
	(void)close(ends.server);
	return 0;
}

#define WITH_ENDS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ENDS(tcp_sockets_are_found),    WITH_ENDS(counters_are_the_same),
		WITH_ENDS(a_closed_socket_is_stale), WITH_ENDS(unix_sockets_are_found),
		WITH_ENDS(an_answer_was_given_up),   WITH_ENDS(an_error_was_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
