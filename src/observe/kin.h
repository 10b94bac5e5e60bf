/*
 * The processes of a terminal: those of its leader's session, and all that descends from the
 * leader.  What has left both (daemons) belongs to nobody any more.
 */
#pragma once

#include <stdint.h>

#include "observe/process.h"

/* Appends their pids, the leader's first. -ESRCH: the leader has ended. */
int kin_find(int32_t leader, struct process_list *list);
