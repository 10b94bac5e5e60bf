/*
 * A borrowed socket: whose it is, where it leads, what has moved on it.
 */
#pragma once

#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/facts.h"

#define SOCKET_PATH_BYTES 108

enum socket_family { SOCKET_OTHER, SOCKET_TCP, SOCKET_UNIX };

struct socket_facts {
	enum socket_family family;
	bool listening;
	bool connected;
	bool reuse; /* SO_REUSEADDR: inherited from a listener, or set on purpose */
	uint16_t local_port, peer_port;
	struct address local, peer;	    /* TCP */
	char local_path[SOCKET_PATH_BYTES]; /* unix: "" without a name */
	char peer_path[SOCKET_PATH_BYTES];
};

struct socket_counters {
	uint64_t sent;	      /* bytes written by the process */
	uint64_t received;    /* bytes that arrived ... */
	uint64_t waiting;     /* ... and are not yet read by the process */
	uint64_t segments_in; /* with data */
	uint32_t packets_in;  /* with or without */
	uint32_t asked; /* probes, and repetitions of the oldest data, without an answer so far */
	int64_t last_data_recv_ns; /* ages */
	int64_t last_ack_recv_ns;
	uint64_t acked;	 /* bytes that the peer has acknowledged */
	uint64_t unsent; /* bytes that were written and not sent even once: the window is full */
	bool settled;	 /* no other bytes wait for an acknowledgement */
};

int socket_describe(int fd, struct socket_facts *ret_facts);

/* SO_COOKIE: never used twice within one boot (socket(7)). */
int socket_cookie(int fd, uint64_t *ret_cookie);

/* First SIOCINQ, then TCP_INFO: what arrives in between makes the bytes read too few, never too
 * many. */
int socket_count(int fd, struct socket_counters *ret_counters);

/* The same without SIOCINQ: `waiting` is 0. */
int socket_count_moves(int fd, struct socket_counters *ret_counters);

/* The same of a tcp_info of so many bytes, of what waited to be read just before, and of what waited to
 * be acknowledged. */
void socket_counters_of(const struct tcp_info *info, size_t size, uint64_t waiting, uint64_t queued,
			struct socket_counters *ret_counters);

/* Fills in family, addresses and ports. `peer` may be NULL. */
void socket_name_tcp(const struct sockaddr_storage *local, const struct sockaddr_storage *peer,
		     struct socket_facts *facts);
