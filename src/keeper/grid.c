#include "keeper/grid.h"

#include <errno.h>
#include <stdlib.h>

static struct cell erased(const struct pen *pen)
{
	struct cell cell;

	memset(&cell, 0, sizeof(cell));
	cell.pen = pen_plain();
	cell.pen.background = pen->background;
	cell.width = 1;
	return cell;
}

int grid_init(struct grid *grid, int n_rows, int n_columns)
{
	const struct pen plain = pen_plain();
	struct grid made = { .n_rows = n_rows, .n_columns = n_columns };

	made.cells = calloc((size_t)n_rows * (size_t)n_columns, sizeof(*made.cells));
	made.rows = calloc((size_t)n_rows, sizeof(*made.rows));
	if (!made.cells || !made.rows) {
		grid_deinit(&made);
		return -ENOMEM;
	}
	for (int row = 0; row < n_rows; row++)
		made.rows[row] = made.cells + (size_t)row * (size_t)n_columns;
	*grid = made;
	grid_erase(
		grid,
		(VTermRect){
			.start_row = 0, .end_row = n_rows, .start_col = 0, .end_col = n_columns },
		&plain);
	return 0;
}

void grid_deinit(struct grid *grid)
{
	free(grid->rows);
	free(grid->cells);
	*grid = (struct grid){ .rows = NULL };
}

/* A wide character of which one half is about to be overwritten, or moved away. */
static void split(struct cell *row, int column, int n_columns)
{
	if (column > 0 && column < n_columns && row[column].width == 0) {
		row[column - 1] = erased(&row[column - 1].pen);
		row[column] = erased(&row[column].pen);
	}
}

void grid_put(struct grid *grid, VTermPos at, const VTermGlyphInfo *glyph, const struct pen *pen)
{
	struct cell *row, *cell;
	int n = 0;

	if (at.row < 0 || at.row >= grid->n_rows || at.col < 0 || glyph->width < 1 ||
	    at.col + glyph->width > grid->n_columns)
		return;
	row = grid->rows[at.row];
	cell = row + at.col;
	split(row, at.col, grid->n_columns);
	split(row, at.col + glyph->width, grid->n_columns);
	cell->pen = *pen;
	cell->width = (uint32_t)glyph->width;
	/* What most characters are. */
	if (glyph->chars[0] < 0x3000 && glyph->chars[1] == 0) {
		cell->chars[0] = glyph->chars[0];
		cell->chars[1] = 0;
		if (glyph->width == 1)
			return;
	}
	for (; n < VTERM_MAX_CHARS_PER_CELL && glyph->chars[n] != 0; n++)
		cell->chars[n] = glyph->chars[n];
	if (n < VTERM_MAX_CHARS_PER_CELL)
		cell->chars[n] = 0;
	for (int right = 1; right < glyph->width; right++) {
		cell[right] = erased(pen);
		cell[right].width = 0;
	}
}

void grid_join(struct grid *grid, VTermPos at, uint32_t mark)
{
	struct cell *cell;
	int n = 1;

	if (at.row < 0 || at.row >= grid->n_rows || at.col < 0 || at.col >= grid->n_columns)
		return;
	cell = grid->rows[at.row] + at.col;
	if (cell->width == 0 && at.col > 0)
		cell--;
	while (n < VTERM_MAX_CHARS_PER_CELL && cell->chars[n] != 0)
		n++;
	if (cell->chars[0] == 0 || n == VTERM_MAX_CHARS_PER_CELL)
		return;
	cell->chars[n] = mark;
	if (n + 1 < VTERM_MAX_CHARS_PER_CELL)
		cell->chars[n + 1] = 0;
}

void grid_put_ascii(struct grid *grid, VTermPos at, const char *text, int n, const struct pen *pen)
{
	struct cell *row = grid->rows[at.row];

	split(row, at.col, grid->n_columns);
	split(row, at.col + n, grid->n_columns);
	for (int i = 0; i < n; i++) {
		struct cell *cell = &row[at.col + i];

		cell->chars[0] = (uint32_t)text[i];
		cell->chars[1] = 0;
		cell->pen = *pen;
		cell->width = 1;
	}
}

/* libvterm keeps within the screen; what it is told by programs is not ours to trust. */
static VTermRect clip(const struct grid *grid, VTermRect rect)
{
	rect.start_row = rect.start_row > 0 ? rect.start_row : 0;
	rect.start_col = rect.start_col > 0 ? rect.start_col : 0;
	rect.end_row = rect.end_row < grid->n_rows ? rect.end_row : grid->n_rows;
	rect.end_col = rect.end_col < grid->n_columns ? rect.end_col : grid->n_columns;
	return rect;
}

void grid_erase(struct grid *grid, VTermRect rect, const struct pen *pen)
{
	const struct cell blank = erased(pen);

	rect = clip(grid, rect);
	for (int row = rect.start_row; row < rect.end_row; row++) {
		split(grid->rows[row], rect.start_col, grid->n_columns);
		split(grid->rows[row], rect.end_col, grid->n_columns);
		for (int column = rect.start_col; column < rect.end_col; column++)
			grid->rows[row][column] = blank;
	}
}

/* Whole rows go round: the first becomes the last. */
static void rotate(struct grid *grid, VTermRect rect, int downward)
{
	const int n = rect.end_row - rect.start_row;
	struct cell **rows = grid->rows + rect.start_row;

	for (int i = 0; i < downward; i++) {
		struct cell *first = rows[0];

		memmove(rows, rows + 1, (size_t)(n - 1) * sizeof(*rows));
		rows[n - 1] = first;
	}
	for (int i = 0; i > downward; i--) {
		struct cell *last = rows[n - 1];

		memmove(rows + 1, rows, (size_t)(n - 1) * sizeof(*rows));
		rows[0] = last;
	}
}

static void move_cells(struct grid *grid, VTermRect to, int downward, int rightward)
{
	const int n = to.end_row - to.start_row;

	for (int i = 0; i < n; i++) {
		const int row = downward >= 0 ? to.start_row + i : to.end_row - 1 - i;

		split(grid->rows[row + downward], to.start_col + rightward, grid->n_columns);
		split(grid->rows[row + downward], to.end_col + rightward, grid->n_columns);
		split(grid->rows[row], to.start_col, grid->n_columns);
		split(grid->rows[row], to.end_col, grid->n_columns);
		memmove(grid->rows[row] + to.start_col,
			grid->rows[row + downward] + to.start_col + rightward,
			(size_t)(to.end_col - to.start_col) * sizeof(struct cell));
	}
}

void grid_scroll(struct grid *grid, VTermRect within, int downward, int rightward,
		 const struct pen *pen)
{
	const VTermRect rect = clip(grid, within);
	const int n_rows = rect.end_row - rect.start_row, n_columns = rect.end_col - rect.start_col;
	const int rows = abs(downward) < n_rows ? abs(downward) : n_rows;
	const int columns = abs(rightward) < n_columns ? abs(rightward) : n_columns;
	VTermRect to = rect, left = rect;

	if (n_rows <= 0 || n_columns <= 0)
		return;
	if (downward > 0)
		to.end_row -= rows;
	else
		to.start_row += rows;
	if (rightward > 0)
		to.end_col -= columns;
	else
		to.start_col += columns;
	if (rows == n_rows || columns == n_columns)
		grid_erase(grid, rect, pen);
	else if (n_columns == grid->n_columns && columns == 0)
		rotate(grid, rect, downward > 0 ? rows : -rows);
	else
		move_cells(grid, to, downward > 0 ? rows : -rows,
			   rightward > 0 ? columns : -columns);
	left.start_row = downward > 0 ? rect.end_row - rows : rect.start_row;
	left.end_row = left.start_row + rows;
	if (rows > 0)
		grid_erase(grid, left, pen);
	left = rect;
	left.start_col = rightward > 0 ? rect.end_col - columns : rect.start_col;
	left.end_col = left.start_col + columns;
	if (columns > 0)
		grid_erase(grid, left, pen);
}

int grid_used(const struct grid *grid, int row)
{
	int used = grid->n_columns;

	while (used > 0 && cell_is_blank(&grid->rows[row][used - 1]))
		used--;
	return used;
}

int grid_printed(const struct grid *grid, int row, bool *ret_fills)
{
	const struct cell *cells = grid->rows[row], *last = &cells[grid->n_columns - 1];
	int printed = grid->n_columns;

	while (printed > 0 && cells[printed - 1].chars[0] == 0 && cells[printed - 1].width == 1 &&
	       pen_equal(&cells[printed - 1].pen, &last->pen) && last->pen.bits == 0)
		printed--;
	*ret_fills = printed < grid->n_columns && !cell_is_blank(last);
	return printed;
}
