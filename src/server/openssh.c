/*
 * OpenSSH.  Up to 9.7 one executable, sshd; since 9.8 the listener is sshd, the processes of a
 * connection are sshd-session, and before authentication sshd-auth.
 *
 *   before authentication   [priv] root -> [net] user sshd, sandboxed; a PAM dialogue adds [pam], root
 *   authenticated           monitor, root -> ledger process, the user
 *   authenticated as root   up to 9.7 the [priv] process alone; since 9.8 monitor -> ledger process
 *
 * In a fork the new process looks like its parent for a moment, and between the login and the fork of the
 * ledger process (PAM may take seconds there) the monitor of anybody looks like root's lone process.
 * What tells is the main loop (server_loop2), which begins with a handler for SIGCHLD and, without a
 * monitor, for SIGTERM: the ledger process has them, and only a coming shell inherits them from its parent.
 */
#include "server/server.h"

#include <signal.h>
#include <string.h>

#define SECCOMP_FILTER 2

/* From fork to sandbox; measured in milliseconds, with room for a host that swaps. */
#define FORK_SETTLED_NS (10 * NS_PER_S)

static const char *const executables[] = { "sshd", "sshd-session", "sshd-auth", NULL };

/* Whether it has a filter that another one has not: in a container all may have those of the container. */
static bool is_filtered_more(const struct server_shape *shape, const struct server_holder *holder)
{
	for (size_t i = 0; i < shape->n_holders; i++)
		if (shape->holders[i].known && shape->holders[i].n_filters < holder->n_filters)
			return true;
	return holder->n_filters == 0;
}

static bool is_before_login(const struct server_shape *shape, const struct server_holder *holder)
{
	if (!holder->known)
		return true;
	if (holder->uid == shape->privsep_uid)
		return true;
	if (holder->seccomp == SECCOMP_FILTER && holder->no_new_privs &&
	    is_filtered_more(shape, holder))
		return true;
	return server_is_executable(holder->executable, "sshd-auth");
}

/* One process: root's up to 9.7, or that of a user who runs an own server. */
static bool is_lone_authenticated(const struct server_shape *shape)
{
	const struct server_holder *ledger = &shape->holders[0];

	/* Since 9.8 there are always two; one alone is on its way to a login or from it. */
	if (!server_is_executable(ledger->executable, "sshd"))
		return false;
	/* The socket blocks until the client has said who it is. */
	if (shape->socket_blocking)
		return false;
	return server_catches(ledger, SIGCHLD) && server_catches(ledger, SIGTERM);
}

static bool is_ledger_below_monitor(const struct server_shape *shape)
{
	const struct server_holder *ledger = &shape->holders[0];

	if (!shape->parent_is_holder || server_catches(&shape->holders[1], SIGCHLD))
		return false;
	if (server_catches(ledger, SIGCHLD))
		return true;
	/* Should a version have another loop. */
	return shape->other_child || ledger->age_ns >= FORK_SETTLED_NS;
}

static bool openssh_is_authenticated(const struct server_shape *shape)
{
	if (shape->n_holders == 0 || shape->pipe_to_listener)
		return false;
	for (size_t i = 0; i < shape->n_holders; i++)
		if (is_before_login(shape, &shape->holders[i]))
			return false;
	return shape->n_holders == 1 ? is_lone_authenticated(shape)
				     : is_ledger_below_monitor(shape);
}

static uint32_t openssh_user(uint32_t ledger_uid, uint32_t child_uid)
{
	(void)child_uid;
	return ledger_uid;
}

/* /tmp/ssh-XXXXXXXXXX/agent.PID; since 10.1 ~/.ssh/agent/s.XXXX.sshd.XXXX */
static bool openssh_is_agent(const char *path)
{
	const char *directory = strstr(path, "/ssh-");

	return (directory && strstr(directory, "/agent.")) || strstr(path, "/.ssh/agent/");
}

const struct server server_openssh = {
	.name = "openssh",
	.executables = executables,
	.internal_sftp = true,
	.waits_for_output = true,
	.is_agent = openssh_is_agent,
	.is_authenticated = openssh_is_authenticated,
	.user = openssh_user,
};
