/*
 * A file of root's becomes a user's by way of process 1.
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

/* Whether there is a systemd to ask, and what it is to run. */
bool owner_can_ask(void);

/*
 * Returns when the file is the user's; its mode and group stay.  For a process that ends soon (daemon/bus.h). -EPERM: nobody
 * can be asked; -ETIMEDOUT: it was not done within 6 s; -errno.
 */
int owner_ask(int fd, uid_t uid);
