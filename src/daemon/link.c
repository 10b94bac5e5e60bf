#include "daemon/link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

/* The largest message: a sample or a list with every channel. */
#define LINK_MESSAGE_MAX 16384

struct link_head {
	uint32_t type;
	uint32_t size;
};

struct link {
	struct bufferevent *stream;
	struct link_setup setup;
	enum link_stage stage;
	/* Aligned for every message. */
	union {
		uint64_t align;
		unsigned char bytes[LINK_MESSAGE_MAX];
	} message;
};

size_t link_channels_bytes(uint32_t n)
{
	return offsetof(struct link_channels, channels) + n * sizeof(struct link_channel);
}

size_t link_sampled_bytes(uint32_t n)
{
	return offsetof(struct link_sampled, sample.channels) + n * sizeof(struct channel_sample);
}

static const struct link_row *row_find(const struct link *link, uint32_t type)
{
	for (const struct link_row *row = link->setup.rows; row->type != 0; row++)
		if (row->type == type)
			return row;
	return NULL;
}

/* The size is right for the type and, with a list, for the number of its elements. */
static bool size_fits(const struct link_row *row, const unsigned char *bytes, size_t size)
{
	uint32_t n;

	if (row->element_bytes == 0)
		return size == row->size;
	if (size < row->size)
		return false;
	memcpy(&n, bytes + row->count_offset, sizeof(n));
	return n <= FACTS_CHANNELS_MAX && size == row->size + n * row->element_bytes;
}

/* 1: took a message, 0: there is none yet, -EPROTO. */
static int take_message(struct link *link, struct evbuffer *input)
{
	const struct link_row *row;
	struct link_head head;

	if (evbuffer_copyout(input, &head, sizeof(head)) < (ssize_t)sizeof(head))
		return 0;
	row = row_find(link, head.type);
	if (!row || !(row->stages & link->stage) || head.size > LINK_MESSAGE_MAX)
		return -EPROTO;
	if (evbuffer_get_length(input) < sizeof(head) + head.size)
		return 0;
	(void)evbuffer_drain(input, sizeof(head));
	(void)evbuffer_remove(input, link->message.bytes, head.size);
	if (!size_fits(row, link->message.bytes, head.size))
		return -EPROTO;
	return row->handler(link->setup.context, link->message.bytes) < 0 ? -EPROTO : 1;
}

/* Whatever else it sent is not taken: what is not allowed once may be anything. */
static void link_lose(struct link *link)
{
	bufferevent_setcb(link->stream, NULL, NULL, NULL, NULL);
	(void)bufferevent_disable(link->stream, EV_READ);
	link->setup.lost(link->setup.context);
}

static void link_readable(struct bufferevent *stream, void *context)
{
	struct link *link = context;
	int taken;

	do {
		taken = take_message(link, bufferevent_get_input(stream));
	} while (taken > 0);
	if (taken < 0) {
		log_error("the other process of sshidled sent a message that is not allowed");
		link_lose(link);
	}
}

static void link_event(struct bufferevent *stream, short what, void *context)
{
	struct link *link = context;

	(void)stream;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		link_lose(link);
}

int link_new(struct event_base *base, const struct link_setup *setup, struct link **ret_link)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return -ENOMEM;
	/* Callbacks at once: one that is deferred holds the stream, and a loop that is broken off
	 * before it leaves the descriptor open for good; the peer would wait for its end. */
	link->stream = bufferevent_socket_new(base, setup->fd, BEV_OPT_CLOSE_ON_FREE);
	if (!link->stream) {
		free(link);
		return -ENOMEM;
	}
	link->setup = *setup;
	link->stage = LINK_STARTING;
	bufferevent_setcb(link->stream, link_readable, NULL, link_event, link);
	(void)bufferevent_enable(link->stream, EV_READ | EV_WRITE);
	*ret_link = link;
	return 0;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	bufferevent_free(link->stream);
	free(link);
}

void link_set_stage(struct link *link, enum link_stage stage)
{
	link->stage = stage;
}

int link_send_first(int fd, enum link_type type, const void *message, size_t size)
{
	struct link_head head = { .type = type, .size = (uint32_t)size };
	struct iovec parts[] = { { .iov_base = &head, .iov_len = sizeof(head) },
				 { .iov_base = (void *)(uintptr_t)message, .iov_len = size } };
	ssize_t n = writev(fd, parts, 2);

	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(head) + size ? 0 : -EIO;
}

int link_send(struct link *link, enum link_type type, const void *message, size_t size)
{
	struct link_head head = { .type = type, .size = (uint32_t)size };
	struct evbuffer *output = bufferevent_get_output(link->stream);

	if (evbuffer_expand(output, sizeof(head) + size) < 0)
		return -ENOMEM;
	(void)evbuffer_add(output, &head, sizeof(head));
	(void)evbuffer_add(output, message, size);
	return 0;
}
