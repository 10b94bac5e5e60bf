/* The link's end: whoever leaves is seen to leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/link.h"

struct side {
	struct event_base *base;
	struct event *stop;
	struct link *link;
	int peer, taken;
};

static int take(void *context, const void *message)
{
	struct side *side = context;

	(void)message;
	side->taken++;
	return 0;
}

static void on_lost(void *context)
{
	struct side *side = context;

	event_base_loopbreak(side->base);
}

static void on_stop(evutil_socket_t number, short what, void *context)
{
	struct side *side = context;

	(void)number;
	(void)what;
	event_base_loopbreak(side->base);
}

static const struct link_row rows[] = {
	{ LINK_RELOAD, LINK_RUNNING, sizeof(struct link_closed), 0, 0, take },
	{ 0 },
};

static void start(struct side *side)
{
	struct link_setup setup = { .rows = rows, .lost = on_lost, .context = side };
	int ends[2];

	*side = (struct side){ .base = event_base_new() };
	assert_non_null(side->base);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	setup.fd = ends[0];
	side->peer = ends[1];
	assert_int_equal(link_new(side->base, &setup, &side->link), 0);
	link_set_stage(side->link, LINK_RUNNING);
	side->stop = evsignal_new(side->base, SIGTERM, on_stop, side);
	assert_non_null(side->stop);
	assert_int_equal(event_add(side->stop, NULL), 0);
	/* A stream looks once whether it has to write. */
	assert_int_equal(event_base_loop(side->base, EVLOOP_NONBLOCK), 0);
}

static void send_reload(const struct side *side)
{
	struct link_closed message = { 0 };

	assert_int_equal(link_send_first(side->peer, LINK_RELOAD, &message, sizeof(message)), 0);
}

static void leave(struct side *side)
{
	event_free(side->stop);
	link_free(side->link);
	event_base_free(side->base);
}

static void assert_peer_sees_the_end(const struct side *side)
{
	struct pollfd peer = { .fd = side->peer, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&peer, 1, 0), 1);
	assert_int_equal(read(side->peer, &byte, 1), 0);
	assert_int_equal(close(side->peer), 0);
}

/* In one turn of the loop there is the signal first, and then a message. */
static void stopped_with_a_message_on_its_way(void **state)
{
	struct side side;

	(void)state;
	start(&side);
	assert_int_equal(raise(SIGTERM), 0);
	send_reload(&side);
	assert_int_equal(event_base_dispatch(side.base), 0);
	leave(&side);
	assert_peer_sees_the_end(&side);
}

/* The other way round the message is taken. */
static void stopped_after_a_message(void **state)
{
	struct side side;

	(void)state;
	start(&side);
	send_reload(&side);
	assert_int_equal(raise(SIGTERM), 0);
	assert_int_equal(event_base_dispatch(side.base), 0);
	assert_int_equal(side.taken, 1);
	leave(&side);
	assert_peer_sees_the_end(&side);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopped_with_a_message_on_its_way),
		cmocka_unit_test(stopped_after_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
