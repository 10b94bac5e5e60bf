#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/client.h"
#include "keeper/holder.h"
#include "keeper/server-private.h"

/* What the program has not read. */
static size_t waiting;
static struct client *left;

size_t terminal_waiting(const struct terminal *terminal)
{
	(void)terminal;
	return waiting;
}

void terminal_write(struct terminal *terminal, const void *bytes, size_t n)
{
	(void)terminal;
	(void)bytes;
	waiting += n;
}

void terminal_read(struct terminal *terminal, bool on)
{
	(void)terminal;
	(void)on;
}

void holder_settle(struct holder *holder)
{
	(void)holder;
}

void holder_resize(struct holder *holder, const struct winsize *size)
{
	(void)holder;
	(void)size;
}

void server_take(struct client *client, const char *message, size_t n)
{
	(void)client;
	(void)message;
	(void)n;
}

void server_let_go(struct client *client)
{
	(void)client;
}

void server_left(struct server *server, struct client *client)
{
	left = client;
	(void)event_base_loopbreak(server->holder->base);
}

void server_forget(struct server *server, struct client *client)
{
	TAILQ_REMOVE(&server->clients, client, link);
}

static void send_keys(int fd, size_t n)
{
	static uint8_t frame[FRAME_HEAD_BYTES + FRAME_MOST_BYTES];

	frame_head(FRAME_INPUT, n, frame);
	assert_int_equal(send(fd, frame, FRAME_HEAD_BYTES + n, 0), FRAME_HEAD_BYTES + n);
}

static bool is_read(const struct client *client)
{
	return bufferevent_get_enabled(client->stream) & EV_READ;
}

/* Also one that has not read all: its socket has an error then. */
static void one_that_goes_while_it_is_not_read(void **state)
{
	const struct timeval within = { .tv_sec = 10 };
	struct holder holder = { .base = event_base_new() };
	struct server server = { .holder = &holder,
				 .clients = TAILQ_HEAD_INITIALIZER(server.clients) };
	struct client *client;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	client = client_new(&server, fds[0]);
	assert_non_null(client);
	client->attached = true;
	client_send_frame(client, FRAME_OUTPUT, "not read", 8);
	waiting = 1000000;
	send_keys(fds[1], 1);
	while (is_read(client))
		assert_int_equal(event_base_loop(holder.base, EVLOOP_ONCE), 0);
	assert_null(left);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(event_base_loopexit(holder.base, &within), 0);
	assert_int_equal(event_base_dispatch(holder.base), 0);
	assert_ptr_equal(left, client);
	client_free(client);
	event_base_free(holder.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_goes_while_it_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
