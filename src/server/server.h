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

/* What a holder of a connection looks like: the input of the question "authenticated or not?".  Filled by
 * the observer from /proc; the meaning of each is in the server's file. */
struct server_holder {
	int64_t age_ns;		    /* since the process started */
	uint32_t uid;		    /* real uid */
	uint32_t seccomp;	    /* Seccomp: of /proc/PID/status */
	bool no_new_privs;
	bool known;		    /* all of the above could be read */
	char exe[32];		    /* file name of the executable */
};

struct server_shape {
	const struct server_holder *holders; /* all processes with the connection's socket; [0] is the ledger process */
	size_t n_holders;
	bool parent_is_holder;	    /* the ledger process's parent is one of them */
	bool socket_blocking;	    /* O_NONBLOCK is not set on the socket in the ledger process */
	bool pipe_to_listener;	    /* a holder shares a pipe with a server process that is no holder */
	bool write_pipe_to_listener; /* ... and only writes to it */
	bool per_connection;	    /* no listener: started by inetd, tcpserver or socket activation */
	bool other_child;	    /* the ledger process has a child whose executable is not the server's */
	bool has_terminal;
	bool has_forward;
};

struct server {
	const char *name;
	const char *const *executables; /* file names, NULL at the end */
	struct ledger_traits traits;
	/* True only when it is certain that somebody has logged in. */
	bool (*is_authenticated)(const struct server_shape *shape);
	/* The user's uid, from the ledger process's own (`ledger_uid`) and from a child of it that is not the server's executable
	 * (`child_uid`, UINT32_MAX: none). UINT32_MAX: not known. */
	uint32_t (*user)(const struct server_shape *shape, uint32_t ledger_uid, uint32_t child_uid);
};

const struct server *server_get(enum server_id id);
const char *server_name(enum server_id id);

/* Which server an executable's file name belongs to; -ENOENT. A trailing " (deleted)" (after an upgrade) is ignored. */
int server_by_executable(const char *name, enum server_id *ret_id);
int server_by_name(const char *name, enum server_id *ret_id);
