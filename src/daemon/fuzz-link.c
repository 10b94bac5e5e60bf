/* The link between the processes, any bytes in pieces of any size: what is handed on is of the size
 * that its row says, and of this stage.  The first byte is the stage, the second the size of a piece. */
#include <assert.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct receiver {
	unsigned sum;
	bool lost;
};

static void read_all(void *context, const void *message, size_t size)
{
	struct receiver *receiver = context;
	const unsigned char *bytes = message;

	assert(!receiver->lost);
	for (size_t i = 0; i < size; i++)
		receiver->sum += bytes[i];
}

static int take_settings(void *context, const void *message)
{
	read_all(context, message, sizeof(struct link_settings));
	return 0;
}

static int take_quiet(void *context, const void *message)
{
	read_all(context, message, sizeof(struct link_quiet));
	return 0;
}

static int take_cut(void *context, const void *message)
{
	read_all(context, message, sizeof(struct order_cut));
	return 0;
}

static int take_channels(void *context, const void *message)
{
	const struct link_channels *channels = message;

	assert(channels->n_channels <= FACTS_CHANNELS_MAX);
	read_all(context, message, link_channels_bytes(channels->n_channels));
	return 0;
}

static int take_sampled(void *context, const void *message)
{
	const struct link_sampled *sampled = message;

	assert(sampled->sample.n_channels <= FACTS_CHANNELS_MAX);
	read_all(context, message, link_sampled_bytes(sampled->sample.n_channels));
	return 0;
}

static int take_never(void *context, const void *message)
{
	(void)context;
	(void)message;
	abort();
}

static const struct link_row rows[] = {
	{ LINK_SETTINGS, LINK_STARTING | LINK_RUNNING, sizeof(struct link_settings), 0, 0,
	  take_settings },
	{ LINK_CUT, LINK_RUNNING, sizeof(struct order_cut), 0, 0, take_cut },
	{ LINK_QUIET, LINK_RUNNING, sizeof(struct link_quiet), 0, 0, take_quiet },
	{ LINK_CHANNELS, LINK_RUNNING, offsetof(struct link_channels, channels),
	  sizeof(struct link_channel), offsetof(struct link_channels, n_channels), take_channels },
	{ LINK_SAMPLED, LINK_RUNNING, offsetof(struct link_sampled, sample.channels),
	  sizeof(struct channel_sample), offsetof(struct link_sampled, sample.n_channels),
	  take_sampled },
	{ LINK_CLOSED, 0, sizeof(struct link_closed), 0, 0, take_never },
	{ 0 },
};

static void on_lost(void *context)
{
	struct receiver *receiver = context;

	receiver->lost = true;
}

static void turn(struct event_base *base)
{
	for (int i = 0; i < 3; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void play(struct event_base *base, const uint8_t *data, size_t size)
{
	struct receiver receiver = { 0 };
	struct link_setup setup = { .rows = rows, .lost = on_lost, .context = &receiver };
	/* Each piece is a turn of the loop: not too many of them. */
	const size_t piece = 1 + (size_t)data[1] * 64 + size / 128;
	struct link *link;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	setup.fd = ends[0];
	assert(link_new(base, &setup, &link) == 0);
	if (data[0] & 1)
		link_set_stage(link, LINK_RUNNING);
	for (size_t at = 2; at < size && !receiver.lost; at += piece) {
		const size_t n = size - at < piece ? size - at : piece;

		if (send(ends[1], data + at, n, MSG_NOSIGNAL) < 0)
			break;
		turn(base);
	}
	(void)close(ends[1]);
	if (!receiver.lost)
		turn(base);
	link_free(link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;

	if (size < 2)
		return 0;
	if (!base) {
		log_open("fuzz", true, LOG_LEVEL_ALERT);
		base = event_base_new();
		assert(base);
	}
	play(base, data, size);
	turn(base);
	return 0;
}
