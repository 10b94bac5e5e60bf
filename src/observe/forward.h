/*
 * Forwarded TCP connections: the sockets of a ledger process beside the connection's own.
 *
 * Each is counted from the moment it is first seen; what it moved before is in the counters of the
 * process already.  The sums never shrink: a socket that closes leaves what it moved behind.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct forward_row {
	uint64_t cookie;
	uint64_t written, read; /* the socket's counters when it was read last */
	int32_t fd;
};

struct forward {
	struct forward_row *rows;
	size_t n;
	uint64_t written, read; /* sums */
	uint32_t opened;	/* sockets first seen so far */
};

/* NULL is none. */
void forward_free(struct forward *forward);

/* Sets which descriptors of the process are forwarded sockets now. Known sockets keep their
 * counters. */
int forward_set(struct forward *forward, int pidfd, const int32_t *fds, size_t n);

/* Reads all of them. -ESTALE: one is gone or its number means another socket, so the list has to be
 * read anew; the others were read. */
int forward_read(struct forward *forward, int pidfd);
