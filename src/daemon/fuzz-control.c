/* The control socket with the stand-in engine behind it: any bytes from any user.  The first byte
 * says who it is, the second the size of the pieces. */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/fake-world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The replies are looked at by the harness of the wire. */
static void drain(int fd)
{
	static char bytes[65536];

	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
}

static void play(struct fake_world *world, const uint8_t *data, size_t size)
{
	static const uid_t users[] = { 0, 1000, 4711 };
	const int fd = fake_world_connect_as(world, users[data[0] % 3]);
	/* Each piece is a turn of the loop: not too many of them. */
	const size_t piece = 1 + (size_t)data[1] * 16 + size / 128;

	for (size_t at = 2; at < size; at += piece) {
		const size_t n = size - at < piece ? size - at : piece;

		if (send(fd, data + at, n, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			break;
		fake_world_turn(world);
		drain(fd);
	}
	(void)close(fd);
	fake_world_turn(world);
	assert(world->control->n_clients == 0 && TAILQ_EMPTY(&world->control->clients));
}

static struct fake_world world;

static void leave(void)
{
	fake_world_deinit(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (!world.base) {
		log_open("fuzz", true, LOG_LEVEL_ALERT);
		fake_world_init(&world, 0);
		(void)atexit(leave);
	}
	play(&world, data, size);
	return 0;
}
