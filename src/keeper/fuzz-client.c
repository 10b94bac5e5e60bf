/* libFuzzer harness: what a client sends to a keeper's socket, calls first, frames after Attach.  The first byte is
 * the size of the pieces in which the rest arrives; whatever it was, no client is left behind. */
#include <event2/event.h>
#include <pty.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "keeper/holder.h"
#include "keeper/server-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of group.c, which reads all of /proc. */
int group_name(int group, char ret_name[static GROUP_NAME_BYTES])
{
	(void)group;
	(void)text_copy("cat", ret_name, GROUP_NAME_BYTES);
	return 0;
}

bool group_pager_stays(int pid)
{
	(void)pid;
	return false;
}

struct world {
	struct event_base *base;
	struct holder holder;
	struct server server;
	int slave;
};

static void ignore_output(const char *bytes, size_t n, void *user)
{
	(void)bytes;
	(void)n;
	(void)user;
}

static void ignore(void *user)
{
	(void)user;
}

static void make_holder(struct world *world)
{
	static const struct terminal_events events = { ignore_output, ignore, ignore, NULL };
	struct holder *holder = &world->holder;
	struct termios raw = { .c_iflag = 0 };
	int master;

	world->base = event_base_new();
	holder->base = world->base;
	holder->start = (struct keeper_start){ .id = 7, .uid = geteuid(), .user = "alice" };
	holder->guessed_fd = holder->link_fd = holder->gone_fd = holder->leader_fd = -1;
	holder->server = &world->server;
	holder->lifetime = event_new(world->base, -1, 0, NULL, NULL);
	holder->patience = event_new(world->base, -1, 0, NULL, NULL);
	holder->settle = event_new(world->base, -1, 0, NULL, NULL);
	if (!holder->lifetime || !holder->patience || !holder->settle ||
	    openpty(&master, &world->slave, NULL, &raw, NULL) < 0 ||
	    terminal_init(&holder->terminal, world->base, master, &events) < 0 ||
	    terminal_take(&holder->terminal) < 0 || screen_init(&holder->screen, 24, 80, 4096) < 0)
		abort();
	screen_feed(&holder->screen, "hello", 5);
	world->server.holder = holder;
	TAILQ_INIT(&world->server.clients);
}

static void destroy_holder(struct world *world)
{
	struct holder *holder = &world->holder;

	terminal_deinit(&holder->terminal);
	screen_deinit(&holder->screen);
	event_free(holder->lifetime);
	event_free(holder->patience);
	event_free(holder->settle);
	event_base_free(world->base);
	(void)close(world->slave);
}

/* The loop takes what there is; the client and the program read what comes. */
static void turn(const struct world *world, int fd)
{
	char bytes[65536];

	for (int i = 0; i < 3; i++) {
		(void)event_base_loop(world->base, EVLOOP_NONBLOCK);
		while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
		(void)tcflush(world->slave, TCIFLUSH);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .slave = -1 };
	size_t piece;
	int ends[2];

	if (size == 0)
		return 0;
	log_open("fuzz-client", true, LOG_LEVEL_ALERT);
	piece = data[0] > 0 ? data[0] : 1;
	make_holder(&world);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	if (!client_new(&world.server, ends[1]))
		abort();
	for (size_t at = 1; at < size; at += piece) {
		const size_t n = size - at < piece ? size - at : piece;

		if (send(ends[0], data + at, n, MSG_NOSIGNAL) < 0)
			break;
		turn(&world, ends[0]);
	}
	(void)close(ends[0]);
	for (int i = 0; i < 5; i++)
		(void)event_base_loop(world.base, EVLOOP_NONBLOCK);
	if (world.server.n_clients != 0 || world.server.attached)
		abort();
	destroy_holder(&world);
	return 0;
}
