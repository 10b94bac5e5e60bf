/*
 * dropbear leaves the terminal of an ended connection open to everybody (mode 0666), until 2025.88 also root's.  It is
 * exclusive when that happens (act/park-terminal.h), so nobody can come in; and it is given back to its
 * user at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/park-terminal.h"

/* Whether it is not what it was before. */
bool park_mend_is_due(const struct park_terminal *terminal);

/* Asks for it, or looks for the answer. 1: mended; 0: call again soon; -ETIMEDOUT, -errno. */
int park_mend_step(struct park_terminal *terminal, int starter, int64_t now_ns);
