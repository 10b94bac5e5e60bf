/*
 * Processes that left their session: daemons of the user (tmux, nohup jobs whose shell is gone),
 * which no parentage leads to any more.
 *
 * They are known by the SSH_CONNECTION that every server gives to what it starts.  The environment
 * belongs to the user, so this is good for a record of what lives on and for nothing else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"
#include "observe/watch.h"

/*
 * Sees to a list that is not older than `since_ns`, when this was first called for the session
 * (CLOCK_MONOTONIC, as `now_ns`).  That is one pass over /proc, which reads the environments of the users'
 * processes, for all sessions that end together: hundreds do when a network fails, and a pass for each would make
 * the last ones late.  -EAGAIN: the last pass was a moment ago; look again at `*ret_again_ns`.  Another -errno: not all
 * that are ours to see could be looked at, there may be more than in the list.
 */
int strays_look(const struct session_facts *facts, int64_t since_ns, int64_t now_ns,
		int64_t *ret_again_ns);

/* Those of the list that are the user's, left this session and still live, at most `size`. -errno: one could not be
 * looked at, and is left out. */
int strays_find(const struct session_facts *facts, struct watch_process *ret_processes, size_t size,
		size_t *ret_n);
