#include "keeper/paint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "keeper/utf8.h"

struct painter {
	FILE *out;
	struct pen pen; /* of the terminal now */
};

/* What a program may have left: modes, margins, character sets, the alternate screen. */
static const char reset[] =
	"\033[!p\033[?1049l"
	"\033[?5;9;45;1000;1002;1003;1004;1005l"
	"\033[?69;1006;1007;1015;1016;2004;2031;2048l"
	"\033[?1;6l\033[?7;25h\033>\033[4;20l\033[>4m\033(B\033)B\017\033[r\033[m";

static int open_painter(struct painter *painter, struct paint_text *text)
{
	*text = (struct paint_text){ .bytes = NULL };
	*painter = (struct painter){ .out = open_memstream(&text->bytes, &text->n) };
	painter->pen = pen_plain();
	return painter->out ? 0 : -ENOMEM;
}

static int close_painter(struct painter *painter, struct paint_text *text)
{
	const int failed = ferror(painter->out);

	if (fclose(painter->out) == 0 && !failed)
		return 0;
	paint_text_deinit(text);
	return -ENOMEM;
}

void paint_text_deinit(struct paint_text *text)
{
	free(text->bytes);
	*text = (struct paint_text){ .bytes = NULL };
}

static void put_colour(FILE *out, const VTermColor *colour, unsigned base, bool of_256)
{
	if (colour->type & VTERM_COLOR_DEFAULT_MASK)
		return;
	if (!VTERM_COLOR_IS_INDEXED(colour))
		(void)fprintf(out, ";%u;2;%u;%u;%u", base + 8, (unsigned)colour->rgb.red,
			      (unsigned)colour->rgb.green, (unsigned)colour->rgb.blue);
	else if (of_256 || colour->indexed.idx >= 16)
		(void)fprintf(out, ";%u;5;%u", base + 8, (unsigned)colour->indexed.idx);
	else if (colour->indexed.idx < 8)
		(void)fprintf(out, ";%u", base + colour->indexed.idx);
	else
		(void)fprintf(out, ";%u", base + 60 + colour->indexed.idx - 8);
}

static void put_pen(struct painter *painter, const struct pen *pen)
{
	static const struct {
		enum pen_bit bit;
		const char *text;
	} bits[] = {
		{ PEN_BOLD, ";1" },   { PEN_FAINT, ";2" },     { PEN_ITALIC, ";3" },
		{ PEN_BLINK, ";5" },  { PEN_REVERSE, ";7" },   { PEN_CONCEAL, ";8" },
		{ PEN_STRIKE, ";9" }, { PEN_OVERLINE, ";53" },
	};
	static const char *const underlines[] = { "", ";4", ";21", ";4:3" };

	if (pen_equal(&painter->pen, pen))
		return;
	painter->pen = *pen;
	(void)fputs("\033[0", painter->out);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (pen->bits & bits[i].bit)
			(void)fputs(bits[i].text, painter->out);
	(void)fputs(underlines[(pen->bits & PEN_UNDERLINE) >> PEN_UNDERLINE_SHIFT], painter->out);
	put_colour(painter->out, &pen->foreground, 30, pen->bits & PEN_FOREGROUND_256);
	put_colour(painter->out, &pen->background, 40, pen->bits & PEN_BACKGROUND_256);
	(void)fputc('m', painter->out);
}

static void put_cell(struct painter *painter, const struct cell *cell)
{
	uint8_t bytes[UTF8_MOST_BYTES];

	if (cell->width == 0)
		return;
	put_pen(painter, &cell->pen);
	if (cell->chars[0] == 0)
		(void)fputc(' ', painter->out);
	for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell->chars[i] != 0; i++)
		(void)fwrite(bytes, 1, utf8_put(cell->chars[i], bytes), painter->out);
}

static void put_cells(struct painter *painter, const struct grid *grid, int row, int from, int to)
{
	for (int column = from; column < to; column++)
		put_cell(painter, &grid->rows[row][column]);
}

/* To its end, in the colour of its last cell. */
static void fill_line(struct painter *painter, const struct grid *grid, int row)
{
	put_pen(painter, &grid->rows[row][grid->n_columns - 1].pen);
	(void)fputs("\033[K", painter->out);
}

/* With the plain pen: terminals fill a new line with the background. */
static void end_line(struct painter *painter)
{
	const struct pen plain = pen_plain();

	put_pen(painter, &plain);
	(void)fputs("\r\n", painter->out);
}

static void put_scrollback(struct painter *painter, const struct history *history, size_t n_lines)
{
	struct history_reader reader;
	struct cell cell;

	history_read(history, n_lines, &reader);
	while (n_lines > 0 && history_next_line(&reader)) {
		while (history_next_cell(&reader, &cell))
			put_cell(painter, &cell);
		end_line(painter);
	}
}

static VTermPos main_cursor(const struct screen *screen)
{
	return screen->in_alternate ? screen->main_cursor : screen_cursor(screen);
}

/* The main screen, line by line. Returns the bytes before the cursor's cell. */
static size_t put_main(struct painter *painter, const struct screen *screen, int n_rows)
{
	const struct grid *grid = &screen->main;
	const VTermPos cursor = main_cursor(screen);
	long at = 0;

	for (int row = 0; row < n_rows; row++) {
		bool fills;
		const int used = grid_printed(grid, row, &fills);
		int from = 0;

		if (row == cursor.row) {
			put_cells(painter, grid, row, 0, cursor.col);
			(void)fflush(painter->out);
			at = ftell(painter->out);
			from = cursor.col;
		}
		put_cells(painter, grid, row, from, used);
		if (fills)
			fill_line(painter, grid, row);
		if (row < n_rows - 1)
			end_line(painter);
	}
	return at > 0 ? (size_t)at : 0;
}

int paint_main(const struct screen *screen, size_t n_lines, int leave_out,
	       struct paint_text *ret_text)
{
	struct painter painter;
	size_t cursor_at;
	int r = open_painter(&painter, ret_text);

	if (r < 0)
		return r;
	put_scrollback(&painter, &screen->history, n_lines);
	cursor_at = put_main(&painter, screen, screen->main.n_rows - leave_out);
	r = close_painter(&painter, ret_text);
	ret_text->cursor_at = cursor_at;
	return r;
}

static void put_position(FILE *out, VTermPos at)
{
	(void)fprintf(out, "\033[%d;%dH", at.row + 1, at.col + 1);
}

static void put_alternate(struct painter *painter, const struct screen *screen, VTermPos size)
{
	const struct grid *grid = &screen->alternate;

	const struct pen plain = pen_plain();

	put_pen(painter, &screen->main_pen);
	(void)fputs("\033[?1049h", painter->out);
	modes_paint_keys(&screen->modes, true, painter->out);
	/* It comes in the colour that the main screen was left with. */
	if (!VTERM_COLOR_IS_DEFAULT_BG(&screen->main_pen.background)) {
		put_pen(painter, &plain);
		(void)fputs("\033[2J", painter->out);
	}
	for (int row = 0; row < grid->n_rows && row < size.row; row++) {
		bool fills;
		const int used = grid_printed(grid, row, &fills);

		if (used == 0 && !fills)
			continue;
		put_position(painter->out, (VTermPos){ row, 0 });
		put_cells(painter, grid, row, 0, used < size.col ? used : size.col);
		if (fills && used < size.col)
			fill_line(painter, grid, row);
	}
}

static VTermPos within(VTermPos at, VTermPos size)
{
	at.row = at.row < size.row ? at.row : size.row - 1;
	at.col = at.col < size.col ? at.col : size.col - 1;
	return at;
}

/* In origin mode rows count from the top of the scrolling region. */
static void put_cursor(struct painter *painter, const struct screen *screen, VTermPos at)
{
	const struct grid *grid = screen_grid(screen);
	const VTermPos edge = screen->edge;
	const struct cell *last = NULL;

	if (modes_is_on(&screen->modes, 6))
		at.row -= modes_region_top(&screen->modes, grid->n_rows);
	put_position(painter->out, at);
	/* The next character belongs to the next line: only printing brings a terminal there.  Not the
	 * blank that is in the place of a wide character which was scrolled away. */
	if (screen->at_edge && edge.row < grid->n_rows && edge.col < grid->n_columns &&
	    vterm_pos_cmp(edge, screen_cursor(screen)) == 0)
		last = &grid->rows[edge.row][edge.col];
	if (last && edge.col + (int)last->width >= grid->n_columns)
		put_cell(painter, last);
	put_pen(painter, &screen->pen);
	modes_paint_sets(&screen->modes, painter->out);
}

static void put_over(struct painter *painter, const struct screen *screen, VTermPos main_cursor_at,
		     VTermPos size)
{
	VTermPos cursor = main_cursor_at;

	put_position(painter->out, within(main_cursor_at, size));
	modes_paint_keys(&screen->modes, false, painter->out);
	if (screen->in_alternate) {
		put_alternate(painter, screen, size);
		cursor = screen_cursor(screen);
	}
	modes_paint(&screen->modes, painter->out);
	put_cursor(painter, screen, within(cursor, size));
}

int paint_over(const struct screen *screen, VTermPos main_cursor_at, VTermPos size,
	       struct paint_text *ret_text)
{
	struct painter painter;
	int r = open_painter(&painter, ret_text);

	if (r < 0)
		return r;
	/* The pen that the main screen was left with is not known here. */
	painter.pen.unused = 1;
	put_over(&painter, screen, main_cursor_at, size);
	return close_painter(&painter, ret_text);
}

/* Each screen has keys of its own, and which one is shown there is not known. */
static void put_reset(struct painter *painter, const struct screen *screen)
{
	modes_unpaint_keys(&screen->modes, painter->out);
	(void)fputs(reset, painter->out);
	modes_unpaint_keys(&screen->modes, painter->out);
}

static void put_begin(struct painter *painter, enum paint_begin begin, const struct screen *screen)
{
	const int n_rows = screen->main.n_rows;

	if (begin == PAINT_AGAIN) {
		put_reset(painter, screen);
		(void)fputs("\033[H\033[2J", painter->out);
		return;
	}
	(void)fprintf(painter->out, "\033[!p\033[m\033[%d;1H", n_rows);
	for (int i = 0; i < n_rows; i++)
		(void)fputc('\n', painter->out);
	(void)fputs("\033[H", painter->out);
}

int paint_whole(const struct screen *screen, enum paint_begin begin, size_t n_lines,
		struct paint_text *ret_text)
{
	const VTermPos size = { screen->main.n_rows, screen->main.n_columns };
	struct painter painter;
	const char *held;
	size_t n_held;
	char title[SCREEN_TITLE_BYTES];
	int r = open_painter(&painter, ret_text);

	if (r < 0)
		return r;
	put_begin(&painter, begin, screen);
	put_scrollback(&painter, &screen->history, n_lines);
	(void)put_main(&painter, screen, size.row);
	if (screen->title[0] != '\0') {
		text_escape(screen->title, false, title, sizeof(title));
		(void)fprintf(painter.out, "\033]2;%s\a", title);
	}
	put_over(&painter, screen, main_cursor(screen), size);
	if (gate_held(&screen->gate, &held, &n_held) == 0)
		(void)fwrite(held, 1, n_held, painter.out);
	return close_painter(&painter, ret_text);
}

int paint_leave(const struct screen *screen, bool missed, struct paint_text *ret_text)
{
	int row = screen->main.n_rows - 1;
	struct painter painter;
	int r = open_painter(&painter, ret_text);

	if (r < 0)
		return r;
	if (missed) {
		put_reset(&painter, screen);
	} else {
		modes_unpaint(&screen->modes, painter.out);
		modes_unpaint_keys(&screen->modes, painter.out);
	}
	(void)fputs("\033[m", painter.out);
	if (screen->in_alternate && !missed) {
		(void)fputs("\033[?1049l\033[m", painter.out);
		modes_unpaint_keys(&screen->modes, painter.out);
	}
	while (row > main_cursor(screen).row && grid_used(&screen->main, row) == 0)
		row--;
	(void)fprintf(painter.out, "\033[%d;1H\r\n", row + 1);
	return close_painter(&painter, ret_text);
}
