/*
 * Sockets that cannot be borrowed, as INET_DIAG and UNIX_DIAG tell of them (sock_diag(7)): the same facts
 * and the same counters, but to be looked at only.  Of the socket's network namespace
 * (observe/sockdiag.h); no capability.
 *
 * Where pidfd_getfd(2) is refused (Yama's scope 3) nothing else is left.  Found by their inode, which
 * the links in /proc/PID/fd name; found again by addresses and cookie.
 */
#pragma once

#include <linux/inet_diag.h>
#include <stdint.h>

#include "observe/socket.h"

/* How to find a TCP socket again. */
struct diag_id {
	struct inet_diag_sockid id;
	uint8_t family; /* 0: none */
};

struct diag_socket {
	uint64_t inode;
	struct diag_id id;
	struct socket_facts facts; /* reuse: somebody listens on its local port */
};

/* One TCP socket that is connected or listens. */
typedef void diag_fn(void *context, const struct diag_socket *socket);

/* Calls the function for all there are: 4.2 ms of CPU time with 4,000 sockets (Linux 6.18, two cores that
 * had much else to do; diag_count() 8 us). */
int diag_all(diag_fn *function, void *context);

/* A unix stream socket. -ENOENT: there is none. */
int diag_unix(uint64_t inode, struct socket_facts *ret_facts);

uint64_t diag_cookie(const struct diag_id *id);

/* As socket_count(). -ESTALE: the socket has gone. */
int diag_count(const struct diag_id *id, struct socket_counters *ret_counters);
