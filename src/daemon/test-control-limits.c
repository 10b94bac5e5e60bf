/* What clients may take up, and that one of them never holds up another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/fake-world.h"

#define STATUS "{\"method\":\"io.sshidle.Status\"}"
#define LIST   "{\"method\":\"io.sshidle.List\"}"
#define PARTS  "{\"method\":\"io.sshidle.Overview\",\"more\":true}"
#define EVENTS "{\"method\":\"io.sshidle.Events\",\"more\":true}"

enum { ALICE = 1000, BOB = 1001, SESSIONS = 300, SHORT_MS = 20, LONG_MS = 60 * 1000 };

static int setup(void **state)
{
	static struct fake_world world;

	fake_world_init(&world, SESSIONS);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	fake_world_deinit(*state);
	return 0;
}

static void expect_parameter(json_t *reply, const char *name, const char *value)
{
	assert_non_null(reply);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(reply, "parameters"), name)),
		value);
	json_decref(reply);
}

static void expect_served(struct fake_world *world, int fd)
{
	json_t *reply = fake_world_call(world, fd, STATUS);

	assert_non_null(reply);
	assert_null(json_object_get(reply, "error"));
	json_decref(reply);
}

static const char *event_of(json_t *reply)
{
	return json_string_value(json_object_get(
		json_object_get(json_object_get(reply, "parameters"), "event"), "event"));
}

static void expect_event(struct fake_world *world, int fd, const char *name)
{
	json_t *reply = fake_world_hear(world, fd);

	assert_non_null(reply);
	assert_string_equal(event_of(reply), name);
	assert_true(json_is_true(json_object_get(reply, "continues")));
	json_decref(reply);
}

static void tell(struct fake_world *world, enum engine_event_kind kind, size_t session)
{
	const struct engine_event event = { .kind = kind,
					    .session = kind == EVENT_RELOADED
							       ? NULL
							       : &world->engine.sessions[session],
					    .rule = -1,
					    .tty = -1,
					    .reason = "because" };

	control_event(world->control, &event);
}

static void test_oversize(void **state)
{
	struct fake_world *world = *state;
	const size_t most = control_limits_default.message_bytes;
	const int fd = fake_world_connect(world), other = fake_world_connect(world);
	char *spaces = malloc(most + 1);

	assert_non_null(spaces);
	memset(spaces, ' ', most + 1);
	/* As long as it may be. */
	fake_world_send(world, fd, spaces, most - strlen(STATUS));
	expect_served(world, fd);
	/* One byte more, its end not even sent. */
	fake_world_send(world, fd, spaces, most + 1);
	expect_parameter(fake_world_hear(world, fd), "parameter", "message: too large");
	assert_true(fake_world_ended(world, fd));
	expect_served(world, other);
	free(spaces);
	(void)close(fd);
	(void)close(other);
}

static void test_pieces(void **state)
{
	struct fake_world *world = *state;
	const int fd = fake_world_connect(world);

	for (size_t i = 0; i < sizeof(STATUS); i++) {
		assert_true(fake_world_silent(world, fd));
		fake_world_send(world, fd, &STATUS[i], 1);
	}
	json_decref(fake_world_hear(world, fd));
	fake_world_send(world, fd, STATUS "\0" STATUS "\0" STATUS, 3 * sizeof(STATUS));
	for (int i = 0; i < 3; i++) {
		json_t *reply = fake_world_hear(world, fd);

		assert_non_null(reply);
		json_decref(reply);
	}
	assert_true(fake_world_silent(world, fd));
	(void)close(fd);
}

static void test_slow_message(void **state)
{
	struct fake_world *world = *state;
	int fd, other;

	world->control->limits.message_ms = SHORT_MS;
	world->control->limits.idle_ms = LONG_MS;
	fd = fake_world_connect(world);
	other = fake_world_connect(world);
	fake_world_send(world, fd, "{\"method\"", 9);
	expect_served(world, other);
	expect_parameter(fake_world_hear(world, fd), "parameter", "message: not completed in time");
	assert_true(fake_world_ended(world, fd));
	expect_served(world, other);
	(void)close(fd);
	(void)close(other);
}

static void test_idle(void **state)
{
	struct fake_world *world = *state;
	int fd, listener;

	world->control->limits.idle_ms = SHORT_MS;
	listener = fake_world_connect(world);
	fake_world_say(world, listener, EVENTS);
	fd = fake_world_connect(world);
	assert_true(fake_world_ended(world, fd));
	tell(world, EVENT_RELOADED, 0);
	expect_event(world, listener, "reloaded");
	(void)close(fd);
	(void)close(listener);
}

static void test_too_many(void **state)
{
	struct fake_world *world = *state;
	int fds[5];

	world->control->limits.clients = 4;
	world->control->limits.clients_for_root = 0;
	for (int i = 0; i < 4; i++)
		fds[i] = fake_world_connect(world);
	fds[4] = fake_world_connect(world);
	expect_parameter(fake_world_hear(world, fds[4]), "reason", "too many clients");
	assert_true(fake_world_ended(world, fds[4]));
	/* A place that is given back can be taken. */
	(void)close(fds[0]);
	fake_world_turn(world);
	(void)close(fds[4]);
	(void)close(fds[1]);
	fake_world_turn(world);
	fds[0] = fake_world_connect(world);
	expect_served(world, fds[0]);
	(void)close(fds[0]);
	(void)close(fds[2]);
	(void)close(fds[3]);
}

/* Users cannot lock out root, nor one user another. */
static void test_places(void **state)
{
	struct fake_world *world = *state;
	const uid_t we = geteuid();
	int fd, first;

	if (we != 0) {
		world->control->limits.clients_per_uid = 1;
		first = fake_world_connect(world);
		fd = fake_world_connect(world);
		expect_parameter(fake_world_hear(world, fd), "reason",
				 "too many clients of this user");
		expect_served(world, first);
		(void)close(first);
		(void)close(fd);
		return;
	}
	/* As root: become somebody else for the moment of connecting. */
	world->control->limits.clients = 4;
	world->control->limits.clients_for_root = 1;
	world->control->limits.clients_per_uid = 2;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(seteuid(i < 3 ? ALICE : BOB), 0);
		fd = fake_world_connect(world);
		assert_int_equal(seteuid(0), 0);
		if (i == 2)
			expect_parameter(fake_world_hear(world, fd), "reason",
					 "too many clients of this user");
		else if (i == 4)
			expect_parameter(fake_world_hear(world, fd), "reason", "too many clients");
		else
			expect_served(world, fd);
	}
	fd = fake_world_connect(world);
	expect_served(world, fd);
	(void)close(fd);
}

static void test_events(void **state)
{
	struct fake_world *world = *state;
	const int root = fake_world_connect_as(world, 0);
	const int alice = fake_world_connect_as(world, ALICE);
	const int bob = fake_world_connect_as(world, BOB);
	const int other = fake_world_connect_as(world, 0);

	fake_world_say(world, root, EVENTS);
	fake_world_say(world, alice, EVENTS);
	fake_world_say(world, bob, EVENTS);
	assert_true(fake_world_silent(world, root));
	tell(world, EVENT_WARNED, 0);
	expect_event(world, root, "warned");
	expect_event(world, alice, "warned");
	assert_true(fake_world_silent(world, bob));
	tell(world, EVENT_CLOSED, 3);
	expect_event(world, root, "closed");
	assert_true(fake_world_silent(world, alice));
	tell(world, EVENT_RELOADED, 0);
	expect_event(world, root, "reloaded");
	expect_event(world, alice, "reloaded");
	expect_event(world, bob, "reloaded");
	/* What others ask for is seen too. */
	json_decref(fake_world_call(world, other,
				    "{\"method\":\"io.sshidle.Cut\",\"parameters\":{\"id\":42}}"));
	expect_event(world, root, "cut");
	expect_event(world, bob, "cut");
	assert_true(fake_world_silent(world, alice));
	/* A caller that goes on talking could not be answered in order. */
	fake_world_say(world, alice, STATUS);
	assert_true(fake_world_ended(world, alice));
	(void)close(root);
	(void)close(alice);
	(void)close(bob);
	(void)close(other);
}

static void test_events_not_read(void **state)
{
	struct fake_world *world = *state;
	const int deaf = fake_world_connect_as(world, 0), fine = fake_world_connect_as(world, 0);
	int told = 0;

	world->control->limits.events_bytes = 64 * 1024;
	fake_world_say(world, deaf, EVENTS);
	fake_world_say(world, fine, EVENTS);
	while (world->control->n_clients == 2 && told < 100000) {
		tell(world, EVENT_OPENED, 0);
		expect_event(world, fine, "opened");
		told++;
	}
	assert_int_equal(world->control->n_clients, 1);
	tell(world, EVENT_OPENED, 0);
	expect_event(world, fine, "opened");
	(void)close(deaf);
	(void)close(fine);
}

/* A client that asks and asks and does not read. */
static void test_replies_not_read(void **state)
{
	enum { CALLS = 50 };
	struct fake_world *world = *state;
	const int greedy = fake_world_connect_as(world, 0), other = fake_world_connect_as(world, 0);
	struct control_client *client = TAILQ_FIRST(&world->control->clients);
	json_t *reply;

	for (int i = 0; i < CALLS; i++)
		fake_world_say(world, greedy, LIST);
	/* At most what waits already and one reply. */
	assert_true(evbuffer_get_length(control_client_queue(client)) <
		    world->control->limits.waiting_bytes + (SESSIONS + 10) * 400);
	assert_true(evbuffer_get_length(control_client_queue(client)) > 0);
	expect_served(world, other);
	for (int i = 0; i < CALLS; i++) {
		reply = fake_world_hear(world, greedy);
		assert_non_null(reply);
		json_decref(reply);
	}
	expect_served(world, greedy);
	(void)close(greedy);
	(void)close(other);
}

static void test_stalled(void **state)
{
	struct fake_world *world = *state;
	int fd;

	world->control->limits.stall_ms = SHORT_MS;
	world->control->limits.idle_ms = LONG_MS;
	fd = fake_world_connect_as(world, 0);
	for (int i = 0; i < 50; i++)
		fake_world_say(world, fd, LIST);
	while (world->control->n_clients > 0)
		assert_int_equal(event_base_loop(world->base, EVLOOP_ONCE), 0);
	(void)close(fd);
}

/* printf ... | nc: all has been said, the answer is still wanted. */
static void test_half_closed(void **state)
{
	struct fake_world *world = *state;
	const int fd = fake_world_connect_as(world, 0);
	json_t *reply;

	(void)send(fd, LIST "\0" LIST, 2 * sizeof(LIST), MSG_NOSIGNAL);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 2; i++) {
		reply = fake_world_hear(world, fd);
		assert_int_equal(json_array_size(json_object_get(
					 json_object_get(reply, "parameters"), "sessions")),
				 SESSIONS + 8);
		json_decref(reply);
	}
	assert_true(fake_world_ended(world, fd));
	assert_int_equal(world->control->n_clients, 0);
	(void)close(fd);
}

static void test_gone(void **state)
{
	struct fake_world *world = *state;
	int fd = fake_world_connect_as(world, 0);

	(void)send(fd, LIST, sizeof(LIST), MSG_NOSIGNAL);
	(void)close(fd);
	fd = fake_world_connect_as(world, 0);
	fake_world_say(world, fd, EVENTS);
	(void)close(fd);
	tell(world, EVENT_OPENED, 0);
	fake_world_turn(world);
	tell(world, EVENT_OPENED, 0);
	fake_world_turn(world);
	assert_int_equal(world->control->n_clients, 0);
}

/* Every session once and in order; what was asked behind it comes behind it. */
static void test_list_in_parts(void **state)
{
	struct fake_world *world = *state;
	const int fd = fake_world_connect_as(world, 0);
	json_int_t before = 0;
	size_t n = 0, parts = 0;
	bool more = true;

	fake_world_send(world, fd, PARTS "\0" STATUS, sizeof(PARTS) + sizeof(STATUS));
	for (; more; parts++) {
		json_t *reply = fake_world_hear(world, fd), *session;
		json_t *sessions =
			json_object_get(json_object_get(reply, "parameters"), "sessions");
		size_t i;

		assert_true(json_is_array(sessions));
		json_array_foreach (sessions, i, session) {
			assert_true(json_integer_value(json_object_get(session, "id")) > before);
			before = json_integer_value(json_object_get(session, "id"));
		}
		n += json_array_size(sessions);
		more = json_is_true(json_object_get(reply, "continues"));
		json_decref(reply);
	}
	assert_int_equal(n, world->engine.n);
	assert_true(parts > 2);
	json_decref(fake_world_hear(world, fd));
	assert_true(fake_world_silent(world, fd));
	(void)close(fd);
	/* Who goes away in the middle is no trouble. */
	fake_world_say(world, fake_world_connect_as(world, 0), PARTS);
	expect_served(world, fake_world_connect_as(world, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_oversize),	  TEST(test_pieces),	      TEST(test_slow_message),
		TEST(test_idle),	  TEST(test_too_many),	      TEST(test_places),
		TEST(test_events),	  TEST(test_events_not_read), TEST(test_replies_not_read),
		TEST(test_stalled),	  TEST(test_half_closed),     TEST(test_gone),
		TEST(test_list_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
