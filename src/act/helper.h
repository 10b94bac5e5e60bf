/*
 * What the monitor asks the starter for: the small process beside it that may become other users
 * (daemon/starter.h).  One message of fixed size for each request, with a fixed number of
 * descriptors (SCM_RIGHTS); the first of them is for the answer.
 *
 *   HELPER_START  start a keeper for a terminal (keeper/keeper.h); the answer is a struct
 *                 keeper_held, of the keeper or of what came before it
 *   HELPER_MEND   give a terminal back to its user, which its server has left to everybody (dropbear); the
 *                 answer is an int32_t, 0 or -errno
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HELPER_FDS_MAX 4

enum helper_type { HELPER_START = 1, HELPER_MEND, HELPER_N };

enum helper_start_fd { START_FD_LINK, START_FD_MASTER, START_FD_SERVER, START_FD_LEADER, START_N };
enum helper_mend_fd { MEND_FD_ANSWER, MEND_FD_SLAVE, MEND_N };

struct helper_request {
	uint32_t type; /* enum helper_type */
	uint32_t uid;  /* whom the terminal belongs to */
	uint32_t pty;  /* N of /dev/pts/N */
	/* HELPER_START */
	uint32_t id;   /* of what is parked */
	uint32_t most; /* of this user, this one included: else -EDQUOT */
	int32_t leader_pid;
	uint64_t leader_ticks; /* when it started, since boot */
	/* HELPER_MEND */
	uint32_t gid, mode;
};

/* `starter`: a SOCK_SEQPACKET socket. -EPIPE: it has ended; -EAGAIN: it does not read; -errno. */
int helper_ask(int starter, const struct helper_request *request, const int *fds, size_t n);
