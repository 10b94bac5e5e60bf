/*
 * The kernel's tables of TCP sockets, each network namespace's read once: they list all of its sockets, whichever
 * process they are asked of. Of 1,000 processes each would read all of them again. They have no more rows than the
 * host has sockets, and hold 16 bytes of each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_row {
	uint64_t inode;
	uint32_t place; /* in the kernel's order: what listens comes before the connections */
	uint16_t port;
	bool listens;
};

struct tcp_table {
	uint64_t space; /* the inode of the namespace; 0: not known, it is read anew each time */
	struct tcp_row *rows; /* by inode */
	size_t n, size;
};

/* Zeroed is empty. */
struct tcp_tables {
	struct tcp_table *tables;
	size_t n;
};

void tcp_tables_deinit(struct tcp_tables *tables);

/* Reads tcp and tcp6 of the namespace of `pid`, if they have not been read or are to be read anew. The table is good
 * until the next call. 1: it is as of now; 0: of an earlier call. -errno: it could not be read to its end. */
int tcp_tables_get(struct tcp_tables *tables, int32_t pid, bool anew,
		   const struct tcp_table **ret_table);

/* NULL: it has none. */
const struct tcp_row *tcp_table_find(const struct tcp_table *table, uint64_t inode);
