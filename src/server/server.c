#include "server/server.h"

#include <errno.h>
#include <string.h>

#define DELETED " (deleted)"

static const struct server *const servers[SERVER_N] = {
	[SERVER_OPENSSH] = &server_openssh,
	[SERVER_DROPBEAR] = &server_dropbear,
	[SERVER_TINYSSH] = &server_tinyssh,
};

const struct server *server_get(enum server_id id)
{
	return servers[id];
}

const char *server_name(enum server_id id)
{
	return servers[id]->name;
}

bool server_is_executable(const char *name, const char *want)
{
	size_t length = strlen(want);

	return strncmp(name, want, length) == 0 &&
	       (name[length] == '\0' || strcmp(name + length, DELETED) == 0);
}

int server_by_executable(const char *name, enum server_id *ret_id)
{
	for (size_t id = 0; id < SERVER_N; id++) {
		for (const char *const *want = servers[id]->executables; *want; want++) {
			if (!server_is_executable(name, *want))
				continue;
			*ret_id = (enum server_id)id;
			return 0;
		}
	}
	return -ENOENT;
}

int server_by_name(const char *name, enum server_id *ret_id)
{
	for (size_t id = 0; id < SERVER_N; id++) {
		if (strcmp(servers[id]->name, name) != 0)
			continue;
		*ret_id = (enum server_id)id;
		return 0;
	}
	return -ENOENT;
}

bool server_is_sftp(const char *name)
{
	return server_is_executable(name, "sftp-server") ||
	       server_is_executable(name, "gesftpserver");
}

uint32_t server_user_of_child(uint32_t ledger_uid, uint32_t child_uid)
{
	if (child_uid != UINT32_MAX)
		return child_uid;
	return ledger_uid != 0 ? ledger_uid : UINT32_MAX;
}

bool server_catches(const struct server_holder *holder, int signal)
{
	return (holder->caught >> (signal - 1) & 1) != 0;
}

bool server_has_channel(const struct server_shape *shape)
{
	return shape->other_child || shape->has_forward;
}
