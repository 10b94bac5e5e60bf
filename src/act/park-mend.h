/*
 * dropbear leaves the terminal of an ended connection to root and open to everybody (mode 0666): for
 * a moment any user of the host could open it.  It is given back to its user at once, and when
 * somebody else has it open by then it is hung up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/park-terminal.h"

/* Whether it is not what it was before. */
bool park_mend_is_due(const struct park_terminal *terminal);

/* Asks for it, or looks for the answer. 1: mended; 0: call again soon; -ETIMEDOUT, -errno. */
int park_mend_step(struct park_terminal *terminal, int starter, int64_t now_ns);

/* A process of somebody who is neither root nor the terminal's user and has it open: its pid, or 0. */
int32_t park_mend_find_other(const struct park_terminal *terminal, uint32_t *ret_uid);

/* As the end of its leader would. */
void park_mend_hang_up(const struct park_terminal *terminal);
