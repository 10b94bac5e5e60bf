/*
 * The processes of a terminal: those of its leader's session, and all that descends from the
 * leader.  What has left both (daemons) belongs to nobody any more.
 */
#pragma once

#include <stdint.h>

#include "observe/process.h"

/* Who it is, also when its pid has become that of another process. */
struct kin_leader {
	uint64_t start_ticks;
	int32_t pid;
};

/* Appends their pids, the leader's first. -ESRCH: the leader has ended. -errno: not all could be
 * looked at. The list is of no use then. */
int kin_find(const struct kin_leader *leader, struct process_list *list);
