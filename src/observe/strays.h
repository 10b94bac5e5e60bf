/*
 * Processes that left their session: daemons of the user (tmux, nohup jobs whose shell is gone),
 * which no parentage leads to any more.
 *
 * They are known by the SSH_CONNECTION that every server gives to what it starts.  The environment
 * belongs to the user, so this is good for a record of what lives on and for nothing else.
 */
#pragma once

#include <stddef.h>

#include "core/facts.h"
#include "observe/watch.h"

/* One pass over /proc, reading the environments of the user's processes. Returns how many were
 * found, at most `size`; or -errno. */
int strays_find(const struct session_facts *facts, struct watch_process *ret_processes,
		size_t size);
