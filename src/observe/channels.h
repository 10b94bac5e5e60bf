/*
 * The channels of a session, read from its ledger process: terminals by their masters, commands and
 * sftp by the direct children, forwards by the sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"
#include "observe/process.h"
#include "observe/watch.h"
#include "server/server.h"

/* A child that is younger may be between fork and exec, or a shell about to run something else. */
#define CHANNELS_SETTLED_NS (2 * NS_PER_S)

struct channels_query {
	int32_t pid; /* of the ledger process */
	int pidfd;
	uint64_t inode; /* of the connection's own socket */
	bool refused;	/* borrowing was refused when the session was found */
	const struct server *server;
	enum server_id server_id;
	const struct process_list *children;
};

struct channels {
	struct watch_channel *rows; /* at least one */
	size_t n;
	int32_t *forwards; /* descriptors of the forwarded TCP sockets */
	size_t n_forwards;
	uint32_t child_uid; /* of a child that runs something else than the server; UINT32_MAX: none
			     */
	bool complete;	    /* nothing is missing and each kind is certain */
	bool more;	    /* there are more than FACTS_CHANNELS_MAX: the first ones are listed */
	bool young;	    /* a child is younger than CHANNELS_SETTLED_NS */
	bool agent;	    /* an agent is forwarded */
	bool unmeasured; /* a forwarded connection to a unix socket: the kernel counts nothing there
			  */
};

/* -ESRCH: the process has ended. -EPERM: borrowing is refused. */
int channels_read(const struct channels_query *query, struct channels *ret_channels);
void channels_deinit(struct channels *channels);

/* Rows that were taken from there. NULL is none. */
void channels_free(struct watch_channel *rows, size_t n);
