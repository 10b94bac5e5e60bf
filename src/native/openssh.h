/* What OpenSSH's sshd is set to, as it says itself. */
#pragma once

#include "core/settings.h"
#include "native/host.h"
#include "native/program.h"
#include "text/server-arguments.h"

/* Words of a command line for sshd, with the arguments of the running listener that decide on its
 * settings (-f, -o, -c, -h). */
struct openssh_command {
	struct server_arguments arguments;
	const char *argv[PROGRAM_WORDS_MAX];
	size_t n;
};

/* `server` must outlive the command, which is not to be moved. */
void openssh_command_init(struct openssh_command *command, const struct settings_server *server);
void openssh_command_add(struct openssh_command *command, const char *word);

/* Runs `sshd -T` and fills server->openssh. NULL `query`: no user and no client, and without a
 * port in it the first that it listens on. What is wrong goes into
 * server->trouble. */
void openssh_read(struct settings_server *server, const struct native_query *query);

/* Asks the server itself whether its files are right (`sshd -t`), or `file` in place of its main file (NULL:
 * that). -EINVAL and what it said. */
int openssh_check(const struct settings_server *server, const char *file, char *ret_complaint,
		  size_t size);
