/* The cells of a screen, as libvterm's state layer has them changed. */
#pragma once

#include "keeper/cell.h"

struct grid {
	struct cell **rows; /* owned; scrolling moves these pointers */
	struct cell *cells; /* owned, all of them; NULL: there is no grid */
	int n_rows, n_columns;
};

/* Erased with the default colours. -ENOMEM. */
int grid_init(struct grid *grid, int n_rows, int n_columns);
void grid_deinit(struct grid *grid);

/* `chars` ends with a 0; what does not fit into a cell is left out. What is left of a wide character
 * that is cut in two is erased, with the background that it had. */
void grid_put(struct grid *grid, VTermPos at, const VTermGlyphInfo *glyph, const struct pen *pen);

/* Adds a mark to the character there, if there is one and it has room. */
void grid_join(struct grid *grid, VTermPos at, uint32_t mark);

/* Printable ASCII, within the row. */
void grid_put_ascii(struct grid *grid, VTermPos at, const char *text, int n, const struct pen *pen);

/* Only the background of the pen is used, as terminals do. */
void grid_erase(struct grid *grid, VTermRect rect, const struct pen *pen);

/* Moves what is in the rectangle up (down if negative) and left (right if negative), and erases what
 * is left behind. */
void grid_scroll(struct grid *grid, VTermRect within, int downward, int rightward,
		 const struct pen *pen);

/* Columns up to the last one that is not blank. */
int grid_used(const struct grid *grid, int row);

/* Columns that have to be printed: what follows is erased. `fills`: with one colour that is not the
 * terminal's own. */
int grid_printed(const struct grid *grid, int row, bool *ret_fills);
