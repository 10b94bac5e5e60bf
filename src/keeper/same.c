#include "keeper/same.h"

#include <stdio.h>

static char said[256];

/* A blank that was printed and one that was erased look the same. */
static uint32_t first_of(const struct cell *cell)
{
	return cell->chars[0] == 0 ? ' ' : cell->chars[0];
}

static bool same_cells(const struct cell *a, const struct cell *b)
{
	if (a->width != b->width || (a->width > 0 && !pen_equal(&a->pen, &b->pen)))
		return false;
	if (a->width > 0 && first_of(a) != first_of(b))
		return false;
	for (int i = 1; i < VTERM_MAX_CHARS_PER_CELL && a->width > 0 && a->chars[0] != 0; i++) {
		if (a->chars[i] != b->chars[i])
			return false;
		if (a->chars[i] == 0)
			break;
	}
	return true;
}

static const char *same_grids(const struct grid *a, const struct grid *b, const char *name)
{
	if (a->n_rows != b->n_rows || a->n_columns != b->n_columns)
		return "the sizes";
	for (int row = 0; row < a->n_rows; row++) {
		for (int column = 0; column < a->n_columns; column++) {
			const struct cell *one = &a->rows[row][column];
			const struct cell *other = &b->rows[row][column];

			if (same_cells(one, other))
				continue;
			(void)snprintf(
				said, sizeof(said),
				"%s screen, row %d, column %d: U+%04x/%u %x and U+%04x/%u %x", name,
				row, column, one->chars[0], one->width, one->pen.bits,
				other->chars[0], other->width, other->pen.bits);
			return said;
		}
	}
	return NULL;
}

const char *same_screens(const struct screen *a, const struct screen *b)
{
	const VTermPos one = screen_cursor(a), other = screen_cursor(b);
	const char *grids = same_grids(&a->main, &b->main, "main");

	if (grids)
		return grids;
	if (a->in_alternate != b->in_alternate)
		return "which screen is shown";
	grids = same_grids(&a->alternate, &b->alternate, "alternate");
	if (grids)
		return grids;
	if (vterm_pos_cmp(one, other) != 0) {
		(void)snprintf(said, sizeof(said), "the cursor: %d,%d and %d,%d", one.row, one.col,
			       other.row, other.col);
		return said;
	}
	if (!pen_equal(&a->pen, &b->pen))
		return "the pen";
	if (a->modes.private_modes != b->modes.private_modes ||
	    a->modes.insert != b->modes.insert || a->modes.newline != b->modes.newline ||
	    a->modes.keypad != b->modes.keypad || a->modes.shifted != b->modes.shifted)
		return "the modes";
	for (int i = 0; i <= a->in_alternate; i++)
		if (memcmp(a->modes.keys[i].flags, b->modes.keys[i].flags,
			   a->modes.keys[i].n + 1U) != 0 ||
		    a->modes.keys[i].n != b->modes.keys[i].n)
			return "the keyboard";
	return NULL;
}
