/* What most sessions never have, made when it is needed. */
#include "core/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct session_keepalive *session_need_keepalive(struct session *session)
{
	if (!session->keepalive)
		session->keepalive = calloc(1, sizeof(*session->keepalive));
	return session->keepalive;
}

struct session_notes *session_need_notes(struct session *session)
{
	if (!session->notes)
		session->notes = calloc(1, sizeof(*session->notes));
	return session->notes;
}

const struct session_notes *session_notes(const struct session *session)
{
	static const struct session_notes none;

	return session->notes ? session->notes : &none;
}

struct channel_notes *session_need_channel_notes(struct channel *channel)
{
	if (!channel->notes)
		channel->notes = calloc(1, sizeof(*channel->notes));
	return channel->notes;
}

const struct channel_notes *session_channel_notes(const struct channel *channel)
{
	static const struct channel_notes none;

	return channel->notes ? channel->notes : &none;
}

int session_set_command(struct channel *channel, const char *command)
{
	char *copy = NULL;

	if (channel->command && strcmp(channel->command, command) == 0)
		return 0;
	if (*command != '\0') {
		copy = strdup(command);
		if (!copy)
			return -ENOMEM;
	}
	free(channel->command);
	channel->command = copy;
	return 0;
}
