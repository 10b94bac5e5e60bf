/*
 * The runtime directory: control socket, lock, pid file, and directories for the engine's state and
 * the keepers' sockets.
 * Made and owned by root; one daemon at a time.
 */
#pragma once

#include "daemon/privilege.h"

#define RUNTIME_PATH_BYTES 512

struct runtime {
	char socket[RUNTIME_PATH_BYTES];
	char pid_file[RUNTIME_PATH_BYTES];
	char state_file[RUNTIME_PATH_BYTES]; /* in a directory that belongs to the engine's user */
	int lock_fd;			     /* owned: held as long as the daemon runs */
	int socket_fd;			     /* owned: bound and listening */
};

/* Logs what is wrong. -EBUSY: another daemon runs on it. */
int runtime_open(const char *directory, const struct privilege_user *user,
		 struct runtime *ret_runtime);

/* Writes the pid file. */
int runtime_write_pid(const struct runtime *runtime);

/* Removes socket and pid file; the state stays. */
void runtime_close(struct runtime *runtime);
