/*
 * What was printed and is not on the screen yet, while a client shows it anyway.
 *
 * Putting it on the screen is the dearest part of passing output through, and nobody looks there
 * until the client leaves.  So it is done when nothing has come for a moment; and of lines that are
 * printed faster than that, those are left out that would have scrolled out of the scrollback
 * before anybody could see them.  Only where that is certain: text, line ends and attributes on
 * the main screen, and more of them behind than the scrollback holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "keeper/screen.h"

struct backlog {
	char *bytes; /* owned */
	size_t at, used, room;
	size_t n_left_out; /* bytes, ever */
};

void backlog_deinit(struct backlog *backlog);

/* Takes bytes; where they become too many, some go to the screen or are left out. Without memory they
 * go to the screen. */
void backlog_add(struct backlog *backlog, struct screen *screen, const char *bytes, size_t n);

/* Puts up to that many bytes on the screen. Returns whether there are more. */
bool backlog_settle(struct backlog *backlog, struct screen *screen, size_t most);
