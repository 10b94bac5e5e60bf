/* A server that could not be read is not one that is not there; and the tables of sockets are read once. */
#include "native/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fake-proc.h"
#include "native/manager.h"
#include "native/tcp-tables.h"

#define DIRECTORY "/tmp/test-listener.XXXXXX"

enum { SERVERS = 3 };

/* This program with the name of a server: when it is sent a byte it listens, and sends its port. */
struct server {
	int fd;
	pid_t pid;
	uint16_t port; /* 0: it does not listen yet */
};

static struct settings_host host;
static struct server servers[SERVERS];
static char directory[] = DIRECTORY, executable[sizeof(DIRECTORY) + sizeof("/sshd")];
static size_t n_given;
static bool has_servers;

/* --- the server: its standard input is a socket of unix --- */

static int serve(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = -1;
	char byte;

	while (read(0, &byte, 1) == 1) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
		    listen(fd, 1) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
		    write(0, &address.sin_port, sizeof(address.sin_port)) < 0)
			return 1;
	}
	return 0;
}

static void let_listen(struct server *server)
{
	in_port_t port;

	assert_int_equal(write(server->fd, "", 1), 1);
	assert_int_equal(read(server->fd, &port, sizeof(port)), sizeof(port));
	server->port = ntohs(port);
}

static void start(struct server *server)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	server->fd = ends[0];
	server->port = 0;
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		if (dup2(ends[1], 0) == 0)
			(void)execl(executable, "sshd", (char *)NULL);
		_exit(1);
	}
	(void)close(ends[1]);
}

/* The first listens from the beginning. */
static int begin(void **state)
{
	(void)state;
	if (!has_servers)
		return 0;
	for (size_t i = 0; i < SERVERS; i++)
		start(&servers[i]);
	let_listen(&servers[0]);
	n_given = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_proc_list(NULL);
	for (size_t i = 0; has_servers && i < SERVERS; i++) {
		(void)close(servers[i].fd);
		if (servers[i].pid == 0)
			continue;
		(void)kill(servers[i].pid, SIGKILL);
		(void)waitpid(servers[i].pid, NULL, 0);
	}
	return chmod(directory, S_IRWXU);
}

static int copy_program(void)
{
	auto_close int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	auto_close int to = -1;
	ssize_t n;

	if (from < 0 || !mkdtemp(directory))
		return -1;
	(void)snprintf(executable, sizeof(executable), "%s/sshd", directory);
	to = open(executable, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRWXU);
	if (to < 0)
		return -1;
	while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	return (int)n;
}

/* A program that is not this machine's own is not executed (qemu-user): there are no servers then. */
static bool can_execute(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (dup2(null, 0) == 0)
			(void)execl(executable, "sshd", (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int set_up(void **state)
{
	(void)state;
	if (copy_program() < 0)
		return -1;
	has_servers = can_execute();
	if (!has_servers)
		(void)fputs("a copy of this program cannot be executed (qemu-user)\n", stderr);
	return 0;
}

/* cmocka takes no skip() in a setup. */
static void needs_servers(void)
{
	if (!has_servers)
		skip();
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(executable) < 0 ? -1 : rmdir(directory);
}

/* --- the tests --- */

static int32_t only_us(void)
{
	return ++n_given % 2 ? getpid() : 0;
}

static void half_a_list_has_no_servers(void **state)
{
	(void)state;
	fake_proc_list(only_us);
	assert_int_equal(listener_look(&host), 0);
	/* The second read finds the end. */
	for (int number = 1; number <= 2; number++) {
		n_given = 0;
		fake_proc_fail_at(number);
		assert_int_equal(listener_look(&host), -EIO);
		n_given = 0;
		fake_proc_fail_at(number);
		assert_int_equal(listener_find(&host), -EIO);
		n_given = 0;
		fake_proc_fail_at(number);
		assert_int_equal(manager_find_sockets(&host), -EIO);
	}
	fake_proc_list(NULL);
}

/* The others listen when the tables have been read, right before they are looked at. */
static int32_t next_server(void)
{
	if (n_given == SERVERS)
		return 0;
	if (servers[n_given].port == 0)
		let_listen(&servers[n_given]);
	return servers[n_given++].pid;
}

static void a_socket_younger_than_the_table_is_found(void **state)
{
	(void)state;
	needs_servers();
	fake_proc_list(next_server);
	assert_int_equal(listener_look(&host), 0);
	assert_int_equal(host.n_servers, SERVERS);
	for (size_t i = 0; i < SERVERS; i++) {
		assert_int_equal(host.servers[i].pid, servers[i].pid);
		assert_int_equal(host.servers[i].n_ports, 1);
		assert_int_equal(host.servers[i].ports[0], servers[i].port);
		assert_false(host.servers[i].is_foreign);
	}
}

/* Others may replace their executable: a thousand of them cost one reading. */
static void who_is_left_alone_has_nothing_read_again(void **state)
{
	(void)state;
	needs_servers();
	assert_int_equal(chmod(directory, S_IRWXU | S_IRWXO), 0);
	fake_proc_list(next_server);
	assert_int_equal(listener_look(&host), 0);
	assert_int_equal(host.n_servers, 1);
	assert_true(host.servers[0].is_foreign);
	assert_int_equal(host.servers[0].ports[0], servers[0].port);
}

static void a_namespace_is_read_once(void **state)
{
	struct tcp_tables tables = { 0 };
	const struct tcp_table *table;

	(void)state;
	needs_servers();
	assert_int_equal(tcp_tables_get(&tables, getpid(), false, &table), 1);
	assert_int_equal(tcp_tables_get(&tables, servers[0].pid, false, &table), 0);
	assert_int_equal(tcp_tables_get(&tables, servers[0].pid, true, &table), 1);
	assert_int_equal(tables.n, 1);
	/* Who has gone has no namespace: nothing is kept under the name of one that others have. */
	(void)kill(servers[1].pid, SIGKILL);
	assert_int_equal(waitpid(servers[1].pid, NULL, 0), servers[1].pid);
	assert_int_equal(tcp_tables_get(&tables, servers[1].pid, false, &table), 1);
	assert_int_equal(table->n, 0);
	assert_int_equal(tcp_tables_get(&tables, getpid(), false, &table), 0);
	assert_true(table->n > 0);
	servers[1].pid = 0;
	tcp_tables_deinit(&tables);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_list_has_no_servers),
		cmocka_unit_test_setup_teardown(a_socket_younger_than_the_table_is_found, begin,
						end),
		cmocka_unit_test_setup_teardown(who_is_left_alone_has_nothing_read_again, begin,
						end),
		cmocka_unit_test_setup_teardown(a_namespace_is_read_once, begin, end),
	};

	if (argc == 1 && strcmp(argv[0], "sshd") == 0)
		return serve();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
