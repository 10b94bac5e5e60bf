#include "observe/destroyed.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/facts.h"
#include "observe/sockdiag.h"
#include "text/inetdiag.h"

/* With more ports of sessions than these the kernel does not choose. */
#define PORTS_MAX    16
#define READ_AT_ONCE 256

struct destroyed {
	uint64_t *cookies; /* ascending, as most of them come */
	size_t n, size;
	uint16_t ports[PORTS_MAX + 1];
	size_t n_ports;
	int fd; /* borrowed */
};

/* Where the local port stands in a message, in network order as a filter reads it. */
#define PORT_OFFSET (NLMSG_HDRLEN + offsetof(struct inet_diag_msg, id.idiag_sport))

/* Lets in what is of one of the ports. */
static int set_filter(const struct destroyed *destroyed)
{
	struct sock_filter program[PORTS_MAX + 3];
	struct sock_fprog filter = { .filter = program };
	size_t n = destroyed->n_ports;

	program[filter.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, PORT_OFFSET);
	for (size_t i = 0; i < n && n <= PORTS_MAX; i++)
		program[filter.len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, destroyed->ports[i], (uint8_t)(n - i), 0);
	program[filter.len++] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, n <= PORTS_MAX ? 0 : UINT32_MAX);
	program[filter.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	if (setsockopt(destroyed->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
		return -errno;
	return 0;
}

/* Begins to listen, or stops. */
static int set_membership(const struct destroyed *destroyed, int option)
{
	static const int groups[] = { SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY };

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(destroyed->fd, SOL_NETLINK, option, &groups[i], sizeof(groups[i])) <
		    0)
			return -errno;
	return 0;
}

static void stop_listening(struct destroyed *destroyed)
{
	destroyed->n_ports = 0;
	(void)set_membership(destroyed, NETLINK_DROP_MEMBERSHIP);
	(void)set_filter(destroyed);
}

int destroyed_new(struct destroyed **ret_destroyed)
{
	struct destroyed *destroyed = calloc(1, sizeof(*destroyed));
	int r;

	if (!destroyed)
		return -ENOMEM;
	destroyed->fd = sockdiag_get(SOCKDIAG_WORDS);
	r = destroyed->fd < 0 ? destroyed->fd : set_filter(destroyed);
	/* Whether it can be, and out of what one before this left when it was killed. */
	if (r == 0)
		r = set_membership(destroyed, NETLINK_ADD_MEMBERSHIP);
	if (r == 0)
		r = set_membership(destroyed, NETLINK_DROP_MEMBERSHIP);
	if (r < 0) {
		destroyed_free(destroyed);
		return r;
	}
	*ret_destroyed = destroyed;
	return 0;
}

void destroyed_free(struct destroyed *destroyed)
{
	if (!destroyed)
		return;
	if (destroyed->fd >= 0)
		stop_listening(destroyed);
	free(destroyed->cookies);
	free(destroyed);
}

int destroyed_fd(const struct destroyed *destroyed)
{
	return destroyed->fd;
}

/* Where a cookie is, or would be. */
static size_t position(const struct destroyed *destroyed, uint64_t cookie)
{
	size_t low = 0, high = destroyed->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (destroyed->cookies[middle] < cookie)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool destroyed_wants(const struct destroyed *destroyed, uint64_t cookie)
{
	size_t at = position(destroyed, cookie);

	return at < destroyed->n && destroyed->cookies[at] == cookie;
}

static int add_port(struct destroyed *destroyed, uint16_t port)
{
	for (size_t i = 0; i < destroyed->n_ports; i++)
		if (destroyed->ports[i] == port)
			return 0;
	if (destroyed->n_ports > PORTS_MAX)
		return 0;
	destroyed->ports[destroyed->n_ports++] = port;
	return set_filter(destroyed);
}

int destroyed_add(struct destroyed *destroyed, uint64_t cookie, uint16_t local_port)
{
	size_t at = position(destroyed, cookie);

	if (destroyed_wants(destroyed, cookie))
		return 0;
	if (destroyed->n == destroyed->size) {
		size_t size = destroyed->size ? destroyed->size * 2 : 64;
		uint64_t *cookies = reallocarray(destroyed->cookies, size, sizeof(*cookies));

		if (!cookies)
			return -ENOMEM;
		destroyed->cookies = cookies;
		destroyed->size = size;
	}
	memmove(&destroyed->cookies[at + 1], &destroyed->cookies[at],
		(destroyed->n - at) * sizeof(*destroyed->cookies));
	destroyed->cookies[at] = cookie;
	if (destroyed->n++ == 0)
		(void)set_membership(destroyed, NETLINK_ADD_MEMBERSHIP);
	return add_port(destroyed, local_port);
}

void destroyed_forget(struct destroyed *destroyed, uint64_t cookie)
{
	size_t at = position(destroyed, cookie);

	if (!destroyed_wants(destroyed, cookie))
		return;
	destroyed->n--;
	memmove(&destroyed->cookies[at], &destroyed->cookies[at + 1],
		(destroyed->n - at) * sizeof(*destroyed->cookies));
	if (destroyed->n > 0)
		return;
	stop_listening(destroyed);
}

static void take_message(struct destroyed *destroyed, const void *bytes, size_t size,
			 destroyed_fn *function, void *context)
{
	struct inetdiag socket;

	if (inetdiag_parse(bytes, size, &socket) < 0 || !destroyed_wants(destroyed, socket.cookie))
		return;
	destroyed_forget(destroyed, socket.cookie);
	function(context, socket.cookie,
		 &(struct destroyed_words){
			 .last_data_recv_ns = socket.last_data_recv_ms * NS_PER_MS,
			 .last_ack_recv_ns = socket.last_ack_recv_ms * NS_PER_MS,
			 .packets_in = socket.packets_in,
			 .probes = socket.probes,
			 .retransmits = socket.retransmits,
		 });
}

void destroyed_read(struct destroyed *destroyed, destroyed_fn *function, void *context)
{
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} buffer;

	for (int i = 0; i < READ_AT_ONCE; i++) {
		ssize_t size = sockdiag_receive(destroyed->fd, &buffer, sizeof(buffer));

		if (size < 0 && size != -ENOBUFS && size != -EINTR)
			return;
		if (size > 0)
			take_message(destroyed, &buffer, (size_t)size, function, context);
	}
}
