/* The stream sockets that a process has open, each once, however many descriptors it has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/diag.h"
#include "observe/process.h"
#include "observe/socket.h"

struct sockets_row {
	uint64_t inode;
	int32_t fd;
	struct socket_facts facts;
	struct diag_id diag; /* where borrowing is refused, of a TCP socket */
};

struct sockets {
	struct sockets_row *rows;
	size_t n;
	bool refused; /* borrowing is refused, they were read through INET_DIAG (observe/diag.h) */
};

/* How to come to know them. */
enum sockets_way {
	SOCKETS_BORROW,	 /* -EPERM where that is refused */
	SOCKETS_LOOK_UP, /* through INET_DIAG */
	SOCKETS_EITHER,	 /* through INET_DIAG where borrowing is refused */
};

/* Borrowed, each is held for a moment. One that was closed meanwhile is left out. */
int sockets_read(int pidfd, const struct process_descriptors *descriptors, enum sockets_way way,
		 struct sockets *ret_sockets);
void sockets_deinit(struct sockets *sockets);

/* Whether the process itself listens on a TCP port. */
bool sockets_listen_on(const struct sockets *sockets, uint16_t port);
