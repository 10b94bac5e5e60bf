/*
 * Files that are a user's: directories are made as that user, and a terminal becomes its user's again, by way of
 * process 1 if it must be.
 *
 * Only who has CAP_CHOWN can give a file away, and under systemd no process of the daemon has it: it is worth root.  systemd
 * itself is asked to do it once, in a transient service with that capability and no other, which gets the file as
 * a descriptor: so no path can lead to another one.
 *
 * The descriptor is opened with O_PATH.  An ordinary one of a terminal must not be given to a service: systemd resets the
 * terminal that is a service's input (TIOCNXCL, its modes, what was typed; src/core/execute.c, setup_input()).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/privilege.h"

/* Whether there is a systemd to ask, and what it is to run. */
bool owner_can_ask(void);

/*
 * Makes a terminal, by any descriptor of it, its user's alone. It has to be exclusive meanwhile (TIOCEXCL).
 *
 * 1: it is root's and closed to everybody (mode 0): without CAP_CHOWN only process 1 can give it away,
 * owner_ask_back() has it done; -errno.
 */
int owner_give_back(int fd, uid_t uid, gid_t gid, mode_t mode);

/* After a 1: process 1 gives it away, then the rest is done. In a process that ends soon (daemon/bus.h). 0; -EPERM: nobody
 * can be asked; -ETIMEDOUT: it was not done within 6 s; -errno. */
int owner_ask_back(int fd, uid_t uid, gid_t gid, mode_t mode);

/*
 * A directory of the user's in one of root's, with mode 0700 if it is new. One that is there stays as it is if it is the
 * user's; somebody else's is given to the user with CAP_CHOWN, and without it made anew as the user. -ENOTEMPTY: it is not
 * empty; -EPERM: neither CAP_CHOWN nor CAP_DAC_OVERRIDE is there; -errno.
 */
int owner_make_directory(int parent, const char *name, const struct privilege_user *user);
