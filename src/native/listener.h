/*
 * The SSH servers that run here: processes with a known executable that listen on a TCP port, or
 * what starts one for each connection.
 */
#pragma once

#include "core/settings.h"
#include "text/server-arguments.h"

#define LISTENER_INODES_MAX 32

/* The listening sockets of one process. */
struct listener_sockets {
	uint64_t inodes[LISTENER_INODES_MAX];
	uint16_t ports[LISTENER_INODES_MAX];
	size_t n;
	bool has_accepted;   /* it also has a connection to one of these ports */
	bool has_connection; /* or any other one: with its client, if it serves one */
};

/* -ESRCH: it has gone; -EACCES: not ours to see. */
int listener_sockets(int32_t pid, struct listener_sockets *ret_sockets);

/* The command line of a process; not to be moved. */
int listener_arguments(int32_t pid, struct server_arguments *ret_arguments);

/* The server's part of it, also where a superserver has it behind its own. -ENOENT: not known. */
int listener_server_arguments(const struct settings_server *server,
			      struct server_arguments *ret_arguments);

/* Of a result: the process is there, and we lacked what it takes to read it. */
bool listener_is_unread(int r);

/* Why the process is not the host's own: another user's, in a container, or with an executable that others
 * may replace. Nothing that it names is run or written then. NULL: it is. */
const char *listener_foreign(int32_t pid, const char *executable);

/* Fills host->servers with the processes that listen: server, pid, start_ticks, ports, executable, and
 * what is wrong in `trouble`. One that listens on no TCP port (a socket of unix that it was given) has no ports.
 * 1: there may be one more in a moment, one is reading its files again or has just accepted a connection. -errno: not
 * all processes could be looked at. */
int listener_look(struct settings_host *host);

/* The same when all of them have settled; 1: for 3 s they have not. */
int listener_look_settled(struct settings_host *host);

/* The same with manager and unit of each, and those that are started for each connection. 0 or -errno. */
int listener_find(struct settings_host *host);

/* Takes one more. Where there is no room it takes that of one that is left alone anyway. */
void listener_add(struct settings_host *host, const struct settings_server *server);

/* Whether the process has a handler for SIGHUP. sshd has one from when it listens on all of its sockets; before
 * that the signal ends it, or is lost where it reads its files again. */
bool listener_takes_hangup(int32_t pid);
