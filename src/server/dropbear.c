/*
 * Dropbear.  One process for each connection, root throughout (since 2025.89 it may become the user
 * after login).  As a daemon it keeps the writing end of a pipe into the listener until somebody
 * has logged in (svr-auth.c).  Started for each connection ("-i") nothing tells, until a channel
 * opens or the time for a login (AUTH_TIMEOUT, 300 s) is over.
 *
 * The user shows only in a child: its real uid.
 */
#include "server/server.h"

#include <string.h>

#define AUTH_TIMEOUT_NS (301 * NS_PER_S)

static const char *const executables[] = { "dropbear", "dropbearmulti", NULL };

static bool dropbear_is_authenticated(const struct server_shape *shape)
{
	/* A second holder is a coming shell until its exec: it would be taken for the ledger
	 * process. */
	if (shape->n_holders != 1 || !shape->holders[0].known || shape->pipe_to_listener)
		return false;
	if (!shape->per_connection)
		return true;
	return server_has_channel(shape) || shape->holders[0].age_ns >= AUTH_TIMEOUT_NS;
}

/* /tmp/dropbear-XXXXXXXX/auth-XXXXXXXX-N */
static bool dropbear_is_agent(const char *path)
{
	const char *directory = strstr(path, "/dropbear-");

	return directory && strstr(directory, "/auth-");
}

const struct server server_dropbear = {
	.name = "dropbear",
	.executables = executables,
	.may_be_client = true,
	.is_agent = dropbear_is_agent,
	.is_authenticated = dropbear_is_authenticated,
	.user = server_user_of_child,
};
