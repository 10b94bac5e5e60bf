/*
 * What is kept, as bytes for a terminal.
 *
 * Lines are printed one after the other, the scrollback first, as a program would print them: so
 * a terminal's own scrollback gets what belongs there, and lines wider than it are wrapped, not
 * cut off.  The same bytes draw a screen onto one of another size.
 */
#pragma once

#include "keeper/screen.h"

struct paint_text {
	char *bytes; /* owned */
	size_t n;
	size_t cursor_at; /* of paint_main(): what comes before the cursor's cell */
};

enum paint_begin {
	PAINT_FRESH, /* a terminal at a shell's prompt: what is on it scrolls off */
	PAINT_AGAIN, /* one that has missed something: in whatever state */
};

void paint_text_deinit(struct paint_text *text);

/* All of these: -ENOMEM. */

/* Everything, for a terminal of the screen's size, with the newest `n_lines` of the scrollback. */
int paint_whole(const struct screen *screen, enum paint_begin begin, size_t n_lines,
		struct paint_text *ret_text);

/* The main screen with lines of the scrollback before it and without the last `leave_out` rows. */
int paint_main(const struct screen *screen, size_t n_lines, int leave_out,
	       struct paint_text *ret_text);

/* What comes after that: the cursor of the main screen, the alternate screen (as much as fits into
 * `size`), modes, cursor, pen. */
int paint_over(const struct screen *screen, VTermPos main_cursor, VTermPos size,
	       struct paint_text *ret_text);

/* Takes back what was switched on: for a terminal that a shell goes on to use. `missed`: the terminal
 * has not got all, so what is switched on there is not known. */
int paint_leave(const struct screen *screen, bool missed, struct paint_text *ret_text);
