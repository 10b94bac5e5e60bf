/*
 * What the kernel says of a TCP socket over NETLINK_SOCK_DIAG (sock_diag(7)).  Buffer in, structure
 * out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct inetdiag {
	uint64_t cookie;
	uint32_t last_data_recv_ms; /* ages */
	uint32_t last_ack_recv_ms;
	uint32_t packets_in;
	uint8_t probes;
	uint8_t retransmits;
};

/* The message at the start of a buffer that is aligned for it. -EBADMSG: it is none, -ENOENT: it has
 * no tcp_info. */
int inetdiag_parse(const void *bytes, size_t size, struct inetdiag *ret_socket);
