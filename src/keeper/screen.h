/*
 * The screen of a parked terminal: libvterm's state layer over cells of our own.
 *
 * Cells of our own, because libvterm's screen layer moves all of them for every line that scrolls
 * (5 MB/s of short lines, against 18 MB/s so), and tells neither the other screen's content nor
 * a line's faint and concealed characters.
 *
 * Bytes go through the gate, so the screen stands between two whole characters or sequences at any
 * time.  What is not visible on it is in `modes`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "keeper/gate.h"
#include "keeper/grid.h"
#include "keeper/history.h"
#include "keeper/modes.h"

#define SCREEN_TITLE_BYTES 256

struct screen {
	VTerm *vterm;
	VTermState *state;
	struct grid main, alternate; /* the second has cells only while it is shown */
	bool in_alternate;
	struct history history;
	struct modes modes;
	struct gate gate;
	struct pen pen;
	struct pen main_pen;		/* when the alternate screen came */
	VTermPos main_cursor;		/* likewise */
	VTermPos edge;			/* a character ended at the right edge here ... */
	bool at_edge;			/* ... and the next one goes to the next line */
	bool in_text;			/* what is written now is text, and no sequence */
	bool repeats;			/* the last character may be repeated (REP) */
	bool answers;			/* to the program's questions: nobody else does */
	bool failed;			/* no memory for the alternate screen */
	unsigned long n_bells;		/* since it was made */
	char title[SCREEN_TITLE_BYTES]; /* foreign text */
	void (*answer)(const char *bytes, size_t n, void *user);
	void *user;
};

/* What a screen may be at most, whatever the size of the terminal. */
enum { SCREEN_ROWS_MOST = 500, SCREEN_COLUMNS_MOST = 1000, SCREEN_CELLS_MOST = 100000 };

/* `answer` (may be NULL) takes what libvterm says to the program while `answers` is set. -ENOMEM. */
int screen_init(struct screen *screen, int rows, int columns, size_t scrollback_bytes);
void screen_deinit(struct screen *screen);

/* What a program has printed. */
void screen_feed(struct screen *screen, const char *bytes, size_t n);

/* As terminals do: what no longer fits scrolls off, lines that are too long are wrapped anew. On
 * failure (-ENOMEM) it stays as it was. */
int screen_resize(struct screen *screen, int rows, int columns);

/* What is shown now. */
static inline const struct grid *screen_grid(const struct screen *screen)
{
	return screen->in_alternate ? &screen->alternate : &screen->main;
}

VTermPos screen_cursor(const struct screen *screen);
