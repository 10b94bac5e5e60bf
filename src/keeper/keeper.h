/*
 * How a keeper is started: what its parent gives it, and what it answers.
 *
 * It is executed with these descriptors and nothing else, as the user who owns the terminal, in a
 * session of its own, without a controlling terminal.  It reads one struct keeper_start from
 * KEEPER_FD_LINK, sets up the screen and the socket, and writes one struct keeper_held.  From then
 * on it waits for the server's session process to end (KEEPER_FD_SERVER); it neither reads nor
 * writes the terminal before.  When that has happened it reads, lets the terminal's output go on
 * (TCOON) and takes clients.
 *
 * The terminal may be exclusive by then (TIOCEXCL, dropbear: it leaves the node to root and open to
 * everybody), so the keeper opens the slave before it answers.  It ends that as soon as the node is its
 * user's again, which the parent or the next sshidled sees to.
 *
 * Words on the link after struct keeper_held: KEEPER_COMMIT, the connection has been cut;
 * KEEPER_CANCEL, the user is back.  If the link closes without either, or the server is still there
 * long after KEEPER_COMMIT, the keeper waits for a bounded time, then lets the output go on and
 * leaves the terminal to the server.
 */
#pragma once

#include <stdint.h>

#define KEEPER_VERSION 1

enum {
	KEEPER_FD_MASTER = 3, /* a copy of the terminal's master */
	KEEPER_FD_LINK = 4,   /* a stream socket to the parent */
	KEEPER_FD_SERVER = 5, /* pidfd of the server's session process */
	KEEPER_FD_LEADER = 6, /* pidfd of the terminal's session leader, if has_leader */
};

enum keeper_flag {
	KEEPER_FULL_SCREEN = 1 << 0, /* the program in front uses the whole screen */
	KEEPER_ROOT_MAY_ATTACH = 1 << 1,
};

enum keeper_word { KEEPER_COMMIT = 'c', KEEPER_CANCEL = 'x' };

struct keeper_start {
	uint32_t version; /* KEEPER_VERSION */
	uint32_t id;	  /* of what is parked, unique on the host */
	uint32_t uid;	  /* the keeper's own, and the terminal's owner */
	uint32_t pty;	  /* N of /dev/pts/N */
	int32_t leader_pid;
	uint32_t has_leader;   /* 0, 1 */
	uint64_t leader_ticks; /* when it started, since boot */
	int64_t created_ns;    /* CLOCK_REALTIME: when it was parked */
	int64_t lifetime_ns;   /* 0: none */
	uint64_t scrollback_bytes;
	uint32_t flags; /* enum keeper_flag */
	uint16_t rows, columns;
	/* Texts, terminated. */
	char from[48]; /* address of the client */
	char user[64];
	char server[16];  /* "openssh" */
	char program[16]; /* in the foreground */
	char runtime_dir[96];
};

struct keeper_held {
	int32_t result; /* 0: it holds the terminal; else negative errno, and it ends */
	int32_t pid;
};
