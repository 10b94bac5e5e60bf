/*
 * The last words of connections: the kernel tells of each TCP socket that it destroys, with its
 * last tcp_info (sock_diag(7), SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY; no
 * capability).
 *
 * Only of the socket's network namespace (observe/sockdiag.h): sessions elsewhere end without last words.  So do
 * those whose last packet still waits somewhere in this host when they are given up: a socket is
 * destroyed when that is gone (with the client's link down seconds later, when the neighbour is
 * given up).  What is lost when the buffer overflows is lost; nothing is decided by it, only named.
 *
 * The kernel tells of every socket, a web server's too, so it is asked only while a connection was
 * added, and what is of other ports is dropped by a filter.  One connection over loopback (two
 * sockets) costs 28 us; while it is asked for another port, 38 to 43 us, 0.1 us of it in the
 * daemon; for theirs, 43 to 47 us, 7 us of it in the daemon (`ninja tests/observe/destroyed-cost`
 * in the build directory and that program, three rounds of 20,000, Linux 6.18).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct destroyed;

struct destroyed_words {
	int64_t last_data_recv_ns; /* ages at the end */
	int64_t last_ack_recv_ns;
	uint32_t packets_in;  /* all that came, those without data and resets included */
	uint32_t probes;      /* keepalives and window probes without an answer */
	uint32_t retransmits; /* of the oldest data, without an answer */
};

typedef void destroyed_fn(void *context, uint64_t cookie, const struct destroyed_words *words);

/* There is one at a time, as it has the socket to itself. -errno: the kernel does not tell (CONFIG_INET_DIAG). */
int destroyed_new(struct destroyed **ret_destroyed);

/* The kernel is not asked any more. */
void destroyed_free(struct destroyed *destroyed);

/* Borrowed; readable when something was destroyed. */
int destroyed_fd(const struct destroyed *destroyed);

/* A connection (SO_COOKIE) whose last words are wanted, once. -ENOMEM. */
int destroyed_add(struct destroyed *destroyed, uint64_t cookie, uint16_t local_port);
void destroyed_forget(struct destroyed *destroyed, uint64_t cookie);

/* Whether it was added, and its end not been told yet. */
bool destroyed_wants(const struct destroyed *destroyed, uint64_t cookie);

/* Takes what is there, at most some hundred; calls the function for those that were added. */
void destroyed_read(struct destroyed *destroyed, destroyed_fn *function, void *context);
