/* /proc/PID/net/tcp and tcp6: the TCP sockets of a network namespace (proc(5)). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROCTCP_LISTEN = 10 };

struct proctcp_row {
	uint64_t inode;
	uint32_t address; /* the local one, in network byte order; 0 in tcp6 */
	uint16_t port;	  /* the local one */
	uint8_t state;
};

/* Takes the next row off the text (`*at` moves); lines that are none (the head) are skipped. False at
 * `end`. */
bool proctcp_next(const char **at, const char *end, struct proctcp_row *ret_row);
