/*
 * The servers: one row and one file for each, with everything that is known of that one and of no
 * other.  To add one: docs/ADDING-A-SERVER.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"
#include "core/ledger.h"

#define SERVER_EXECUTABLE_BYTES 32

/* What a holder of a connection looks like: the input of the question "authenticated or not?".
 * Filled by the observer from /proc; the meaning of each is in the server's file. */
struct server_holder {
	int64_t age_ns;	    /* since the process started */
	uint32_t uid;	    /* real uid */
	uint32_t seccomp;   /* Seccomp: of /proc/PID/status */
	uint32_t n_filters; /* Seccomp_filters: there; 0: not told */
	uint64_t caught;    /* SigCgt: there; see server_catches() */
	bool no_new_privs;
	bool known;				  /* all of the above could be read */
	char executable[SERVER_EXECUTABLE_BYTES]; /* file name */
};

struct server_shape {
	const struct server_holder *holders; /* all processes with the connection's socket; [0] is
						the ledger process, [1] its parent if that is one */
	size_t n_holders;
	uint32_t privsep_uid;  /* of the user "sshd", UINT32_MAX: there is none */
	bool parent_is_holder; /* the ledger process's parent is one of them */
	bool socket_blocking;  /* O_NONBLOCK is not set on the socket in the ledger process */
	bool per_connection;   /* no listener above: started by inetd, tcpserver or socket
				    activation, or the listener has ended */
	bool pipe_to_listener; /* a holder has the writing end of a pipe that the listener reads */
	bool other_child; /* the ledger process has a child whose executable is not the server's */
	bool has_forward; /* the ledger process listens, or has a second connection */
};

struct server {
	const char *name;
	const char *const *executables; /* file names, NULL at the end */
	struct ledger_traits traits;
	/* A child with the server's own executable and without the connection is an sftp channel.
	 */
	bool internal_sftp;
	/* It reads what processes that a command has left write to its output, after the command has ended. */
	bool waits_for_output;
	/* Some of its executables are clients too (a multi-call binary). */
	bool may_be_client;
	/* Whether a unix socket listens there for a forwarded agent. */
	bool (*is_agent)(const char *path);
	/* True only when it is certain that somebody has logged in. */
	bool (*is_authenticated)(const struct server_shape *shape);
	/* The user's uid, from the ledger process's own (`ledger_uid`) and from a child of it that
	 * is not the server's executable (`child_uid`, UINT32_MAX: none). UINT32_MAX: not known. */
	uint32_t (*user)(uint32_t ledger_uid, uint32_t child_uid);
};

/* One row of the table in server.c each. */
extern const struct server server_openssh;
extern const struct server server_dropbear;
extern const struct server server_tinyssh;

const struct server *server_get(enum server_id id);
const char *server_name(enum server_id id);

/* Which server an executable's file name belongs to; -ENOENT. A trailing " (deleted)" (after an
 * upgrade) is ignored. */
int server_by_executable(const char *name, enum server_id *ret_id);
int server_by_name(const char *name, enum server_id *ret_id);

/* Whether the name of an executable is `want`; " (deleted)" is ignored here too. */
bool server_is_executable(const char *name, const char *want);

/* Whether an executable is one that serves sftp. */
bool server_is_sftp(const char *name);

/* For dropbear and tinyssh: a child or the ledger process if it is not root shows the user. */
uint32_t server_user_of_child(uint32_t ledger_uid, uint32_t child_uid);

/* Whether a process has a handler for a signal. */
bool server_catches(const struct server_holder *holder, int signal);

/* Something that only a logged-in user can have opened. */
bool server_has_channel(const struct server_shape *shape);
