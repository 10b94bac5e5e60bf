/*
 * Under systemd the parked terminal gets a scope of its own, with its keeper in it.
 *
 * The keeper must not be in the daemon's unit, whose stop ends all that is in it, and the terminal's
 * processes must not be in the login session's scope: with KillUserProcesses=yes in logind.conf(5)
 * they would be killed with the session.  The slice stays the user's, so limits on it hold, and
 * loginctl terminate-user ends what is parked too.  What is neither where the leader is nor in that slice has a place
 * of its own (a container) and stays there.
 */
#pragma once

#include <stdint.h>

#include "observe/kin.h"

/*
 * Moves this process and those of the terminal whose session leader is `leader`; returns when all
 * are there.  0 also where systemd is not process 1, or was not there when this was built: then
 * nothing has to be done.  -ESRCH: the leader has ended; -ETIMEDOUT, -errno.
 */
int scope_make(uint32_t id, uint32_t uid, const struct kin_leader *leader);
