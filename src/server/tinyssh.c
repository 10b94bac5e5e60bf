/*
 * TinySSH.  One process for each connection, root throughout, started by tcpserver, inetd or a
 * socket unit. Nothing tells whether somebody has logged in, until the channel opens or the time
 * for a login (alarm(60), set anew at the key exchange) is over.  It has one channel and no
 * forwarding.
 *
 * Each packet it sends has padding read from /dev/urandom: 32 bytes of rchar.
 */
#include "server/server.h"

#define LOGIN_NS (121 * NS_PER_S)

static const char *const executables[] = { "tinysshd", NULL };

static bool tinyssh_is_authenticated(const struct server_shape *shape)
{
	/* A second holder is a helper of the login, or a coming shell until its exec. */
	if (shape->n_holders != 1 || !shape->holders[0].known)
		return false;
	return server_has_channel(shape) || shape->holders[0].age_ns >= LOGIN_NS;
}

static bool tinyssh_is_agent(const char *path)
{
	(void)path;
	return false;
}

const struct server server_tinyssh = {
	.name = "tinyssh",
	.executables = executables,
	.traits = { .padding_bytes = 32 },
	.waits_for_output = true,
	.is_agent = tinyssh_is_agent,
	.is_authenticated = tinyssh_is_authenticated,
	.user = server_user_of_child,
};
