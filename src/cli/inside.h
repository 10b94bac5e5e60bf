/* Whether this process runs inside of what a terminal shows: resumed there, it would show itself without end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "text/procstat.h"

struct inside {
	int32_t pid;
	char name[PROCSTAT_NAME_BYTES]; /* foreign text */
};

/*
 * An ancestor that has the terminal open, which is "pts/N", without being one of its own programs: a multiplexer
 * (tmux, screen) with a client there.  If somebody looks at the terminal (`attached`) also one of its own: a program
 * that makes another terminal within (script).  Ancestors that may not be looked into are left out.  1: found; 0: there is
 * none; -errno: not known.
 */
int inside_find(const char *tty, bool attached, struct inside *ret_inside);
