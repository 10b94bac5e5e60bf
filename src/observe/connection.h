/*
 * What a server's process is: a listener, a part of a connection, or the ledger process of one; and
 * whether somebody has logged in there.
 *
 * Holders are the processes of one server's executables that have the connection's socket open. The
 * ledger process is the one of them none of whose children is a holder.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/facts.h"
#include "observe/diag.h"
#include "server/server.h"

enum connection_state {
	CONNECTION_NONE,      /* holds no connection (yet): a listener, a helper */
	CONNECTION_HELPER,    /* a child of it holds the connection too */
	CONNECTION_PENDING,   /* the ledger process, but nobody has certainly logged in (yet) */
	CONNECTION_AMBIGUOUS, /* several sockets might be the connection's own */
	CONNECTION_OPEN,      /* a session */
};

struct connection {
	struct session_facts facts;
	uint64_t inode; /* of the connection's socket */
	int fd;		/* its number in the ledger process */
	int pidfd;	/* owned */
	int32_t parent; /* of the ledger process, if it holds the connection too; 0: it does not */
	struct diag_id diag; /* of the connection's socket, where ... */
	bool refused;	     /* ... borrowing is refused */
};

struct connection_query {
	int32_t pid;
	enum server_id server;
	uint32_t privsep_uid; /* see struct server_shape */
};

/*
 * Looks at one process. The facts' cookie and start are set from CONNECTION_HELPER on (cookie 0
 * when a helper's is not known), all the rest when it is CONNECTION_OPEN; then the caller owns the
 * pidfd. -ESRCH: it has ended.
 */
int connection_examine(const struct connection_query *query, enum connection_state *ret_state,
		       struct connection *ret_connection);
