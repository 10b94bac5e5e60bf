#include "daemon/fake-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fake_world_init(struct fake_world *world, size_t extra_sessions)
{
	/* No name: the kernel finds one, outside of the file system (unix(7), autobind). */
	const struct sockaddr_un address = { .sun_family = AF_UNIX };

	*world = (struct fake_world){ .base = event_base_new() };
	assert_non_null(world->base);
	fake_engine_init(&world->engine, extra_sessions);
	world->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(world->listen_fd, (const struct sockaddr *)&address,
			      sizeof(address.sun_family)),
			 0);
	assert_int_equal(listen(world->listen_fd, 256), 0);
	assert_int_equal(
		control_new(world->base, world->listen_fd, &world->engine, &world->control), 0);
	world->engine.control = world->control;
}

void fake_world_deinit(struct fake_world *world)
{
	control_free(world->control);
	fake_engine_deinit(&world->engine);
	event_base_free(world->base);
}

void fake_world_turn(struct fake_world *world)
{
	for (int i = 0; i < 4; i++)
		(void)event_base_loop(world->base, EVLOOP_NONBLOCK);
}

int fake_world_connect(struct fake_world *world)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t size = sizeof(address);

	assert_int_equal(getsockname(world->listen_fd, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, size), 0);
	fake_world_turn(world);
	return fd;
}

int fake_world_connect_as(struct fake_world *world, uid_t uid)
{
	const int fd = fake_world_connect(world);
	struct control_client *client = TAILQ_LAST(&world->control->clients, control_clients);

	client->uid = uid;
	client->sees_all = uid == 0;
	return fd;
}

void fake_world_send(struct fake_world *world, int fd, const void *bytes, size_t n)
{
	const char *from = bytes;

	while (n > 0) {
		const ssize_t sent = send(fd, from, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EPIPE)
			return;
		assert_true(sent > 0 || errno == EAGAIN);
		from += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
		fake_world_turn(world);
	}
}

void fake_world_say(struct fake_world *world, int fd, const char *text)
{
	fake_world_send(world, fd, text, strlen(text) + 1);
}

/* Byte by byte is enough here. -1: ended, 0: nothing there, 1: a byte. */
static int take_byte(int fd, char *ret_byte)
{
	const ssize_t n = recv(fd, ret_byte, 1, 0);

	if (n == 1)
		return 1;
	return n < 0 && errno == EAGAIN ? 0 : -1;
}

json_t *fake_world_hear(struct fake_world *world, int fd)
{
	size_t used = 0, size = 1 << 16;
	char *text = malloc(size);
	json_t *message = NULL;

	for (;;) {
		char byte;
		const int r = take_byte(fd, &byte);

		if (r < 0)
			break;
		if (r == 0) {
			/* Blocks until the control has something to do: at the latest a
			 * deadline. */
			(void)event_base_loop(world->base, EVLOOP_ONCE);
			continue;
		}
		if (used == size)
			text = realloc(text, size *= 2);
		assert_non_null(text);
		text[used++] = byte;
		if (byte == '\0') {
			assert_int_equal(varlink_parse(text, used - 1, &message), 0);
			break;
		}
	}
	free(text);
	return message;
}

json_t *fake_world_call(struct fake_world *world, int fd, const char *text)
{
	fake_world_say(world, fd, text);
	return fake_world_hear(world, fd);
}

bool fake_world_silent(struct fake_world *world, int fd)
{
	char byte;

	fake_world_turn(world);
	return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

bool fake_world_ended(struct fake_world *world, int fd)
{
	char byte;
	int r;

	while ((r = take_byte(fd, &byte)) == 0)
		(void)event_base_loop(world->base, EVLOOP_ONCE);
	return r < 0;
}
