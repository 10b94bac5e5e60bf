/*
 * OpenSSH.  Up to 9.7 one executable, sshd; since 9.8 the listener is sshd, the processes of a
 * connection are sshd-session, and before authentication sshd-auth.
 *
 *   before authentication   [priv] root -> [net] user sshd, sandboxed; a PAM dialogue adds [pam], root
 *   authenticated           monitor, root -> ledger process, the user
 *   authenticated as root   up to 9.7 the [priv] process alone; since 9.8 monitor -> ledger process
 *
 * In a fork the new process looks like its parent for a moment: a [net] that has not dropped its
 * privileges yet looks like the ledger process of root, a coming shell like that of anybody.  So a process
 * without a child of its own is believed only when it is older than such a moment can be.
 */
#include "server/server.h"

#include <string.h>

#define SECCOMP_FILTER 2

/* From fork to sandbox or exec; measured in milliseconds, with room for a host that swaps. */
#define FORK_SETTLED_NS (2 * NS_PER_S)

/* LoginGraceTime is 120 s by default; after it nobody is there who has not logged in. */
#define LOGIN_GRACE_NS (150 * NS_PER_S)

static const char *const executables[] = { "sshd", "sshd-session", "sshd-auth", NULL };

static bool is_before_login(const struct server_shape *shape, const struct server_holder *holder)
{
	if (!holder->known)
		return true;
	if (holder->uid == shape->privsep_uid)
		return true;
	if (holder->seccomp == SECCOMP_FILTER && holder->no_new_privs)
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
	if (shape->per_connection)
		return server_has_channel(shape) || ledger->age_ns >= LOGIN_GRACE_NS;
	return true;
}

static bool openssh_is_authenticated(const struct server_shape *shape)
{
	if (shape->n_holders == 0 || shape->pipe_to_listener)
		return false;
	for (size_t i = 0; i < shape->n_holders; i++)
		if (is_before_login(shape, &shape->holders[i]))
			return false;
	if (shape->n_holders == 1)
		return is_lone_authenticated(shape);
	return shape->parent_is_holder &&
	       (shape->other_child || shape->holders[0].age_ns >= FORK_SETTLED_NS);
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
	.is_agent = openssh_is_agent,
	.is_authenticated = openssh_is_authenticated,
	.user = openssh_user,
};
