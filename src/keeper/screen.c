#include "keeper/screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "keeper/attributes.h"
#include "keeper/paint.h"
#include "keeper/utf8.h"

/* The size nearest to this one that a screen may have. */
static void limit_size(int *rows, int *columns)
{
	/* libvterm puts a wide character into a single column beyond its end. */
	*rows = *rows < 2 ? 2 : *rows > SCREEN_ROWS_MOST ? SCREEN_ROWS_MOST : *rows;
	*columns = *columns < 4			    ? 4
		   : *columns > SCREEN_COLUMNS_MOST ? SCREEN_COLUMNS_MOST
						    : *columns;
	if (*rows * *columns > SCREEN_CELLS_MOST)
		*rows = SCREEN_CELLS_MOST / *columns;
}

static struct grid *grid_of(struct screen *screen)
{
	return screen->in_alternate ? &screen->alternate : &screen->main;
}

VTermPos screen_cursor(const struct screen *screen)
{
	VTermPos at;

	vterm_state_get_cursorpos(screen->state, &at);
	return at;
}

static int on_glyph(VTermGlyphInfo *glyph, VTermPos at, void *user)
{
	struct screen *screen = user;
	struct grid *grid = grid_of(screen);

	grid_put(grid, at, glyph, &screen->pen);
	screen->at_edge = at.col + glyph->width >= grid->n_columns;
	screen->edge = at;
	if (screen->in_text)
		screen->repeats = glyph->width > 0;
	return 1;
}

static int on_cursor(VTermPos at, VTermPos before, int visible, void *user)
{
	struct screen *screen = user;

	(void)before;
	(void)visible;
	if (vterm_pos_cmp(at, screen->edge) != 0)
		screen->at_edge = false;
	return 1;
}

static int on_scroll(VTermRect rect, int downward, int rightward, void *user)
{
	struct screen *screen = user;
	struct grid *grid = grid_of(screen);
	const int rows = rect.end_row - rect.start_row;

	if (!screen->in_alternate && downward > 0 && rect.start_row == 0 && rect.start_col == 0 &&
	    rect.end_col == grid->n_columns)
		for (int row = 0; row < downward && row < rows && row < grid->n_rows; row++)
			history_push(&screen->history, grid->rows[row], grid->n_columns);
	grid_scroll(grid, rect, downward, rightward, &screen->pen);
	return 1;
}

static int on_erase(VTermRect rect, int selective, void *user)
{
	struct screen *screen = user;

	(void)selective;
	grid_erase(grid_of(screen), rect, &screen->pen);
	return 1;
}

static VTermColor colour(const VTermColor *from, unsigned char at_first)
{
	VTermColor to;

	memset(&to, 0, sizeof(to));
	if (from->type & at_first) {
		to.type = at_first;
	} else if (VTERM_COLOR_IS_INDEXED(from)) {
		to.indexed.type = VTERM_COLOR_INDEXED;
		to.indexed.idx = from->indexed.idx;
	} else {
		vterm_color_rgb(&to, from->rgb.red, from->rgb.green, from->rgb.blue);
	}
	return to;
}

static int on_attribute(VTermAttr attribute, VTermValue *value, void *user)
{
	static const enum pen_bit bits[VTERM_N_ATTRS] = {
		[VTERM_ATTR_BOLD] = PEN_BOLD,	  [VTERM_ATTR_ITALIC] = PEN_ITALIC,
		[VTERM_ATTR_BLINK] = PEN_BLINK,	  [VTERM_ATTR_REVERSE] = PEN_REVERSE,
		[VTERM_ATTR_STRIKE] = PEN_STRIKE,
	};
	struct screen *screen = user;
	struct pen *pen = &screen->pen;

	if (attribute == VTERM_ATTR_FOREGROUND) {
		pen->foreground = colour(&value->color, VTERM_COLOR_DEFAULT_FG);
		pen_set(pen, PEN_FOREGROUND_256, false);
	} else if (attribute == VTERM_ATTR_BACKGROUND) {
		pen->background = colour(&value->color, VTERM_COLOR_DEFAULT_BG);
		pen_set(pen, PEN_BACKGROUND_256, false);
	} else if (attribute == VTERM_ATTR_UNDERLINE) {
		pen->bits = (uint16_t)((pen->bits & ~PEN_UNDERLINE) |
				       (value->number & 3) << PEN_UNDERLINE_SHIFT);
	} else if ((int)attribute > 0 && attribute < VTERM_N_ATTRS && bits[attribute] != 0) {
		pen_set(pen, bits[attribute], value->boolean);
	}
	return 1;
}

/* libvterm saves the cursor after this, and erases. */
static int to_alternate(struct screen *screen)
{
	if (screen->in_alternate)
		return 1;
	if (grid_init(&screen->alternate, screen->main.n_rows, screen->main.n_columns) < 0) {
		screen->failed = true;
		return 0;
	}
	screen->main_cursor = screen_cursor(screen);
	screen->main_pen = screen->pen;
	screen->in_alternate = true;
	return 1;
}

static void copy_title(struct screen *screen, const VTermValue *value)
{
#if VTERM_VERSION_MINOR >= 2
	/* In pieces there; the gate gives whole strings, so the first is all of it. */
	(void)snprintf(screen->title, sizeof(screen->title), "%.*s", (int)value->string.len,
		       value->string.str);
#else
	(void)snprintf(screen->title, sizeof(screen->title), "%s", value->string);
#endif
}

static int on_property(VTermProp property, VTermValue *value, void *user)
{
	struct screen *screen = user;

	if (property == VTERM_PROP_TITLE)
		copy_title(screen, value);
	if (property != VTERM_PROP_ALTSCREEN)
		return 1;
	if (value->boolean)
		return to_alternate(screen);
	screen->in_alternate = false;
	grid_deinit(&screen->alternate);
	return 1;
}

static int on_bell(void *user)
{
	struct screen *screen = user;

	screen->n_bells++;
	return 1;
}

static const VTermStateCallbacks callbacks = {
	.putglyph = on_glyph,
	.movecursor = on_cursor,
	.scrollrect = on_scroll,
	.erase = on_erase,
	.setpenattr = on_attribute,
	.settermprop = on_property,
	.bell = on_bell,
};

static void on_output(const char *bytes, size_t n, void *user)
{
	struct screen *screen = user;

	if (screen->answers && screen->answer)
		screen->answer(bytes, n, screen->user);
}

enum { RUN_LEAST = 8 };

/* Where text does nothing but fill cells and move the cursor. */
static bool fills_cells(const struct screen *screen)
{
	const struct modes *modes = &screen->modes;

	return !modes->insert && !modes->shifted && modes->sets[0] == 'B' && !screen->at_edge &&
	       !modes_is_on(modes, 69);
}

static bool is_ascii(char c)
{
	return c >= ' ' && c < 0x7f;
}

static size_t ascii_run(const char *bytes, size_t n)
{
	size_t run = 0;

	while (run < n && is_ascii(bytes[run]))
		run++;
	return run;
}

/* What comes before the next run that is worth it. */
static size_t before_run(const char *bytes, size_t n)
{
	size_t run = 0;

	for (size_t i = 0; i < n; i++) {
		run = is_ascii(bytes[i]) ? run + 1 : 0;
		if (run > RUN_LEAST)
			return i + 1 - run;
	}
	return n;
}

/* A run of ASCII goes straight into the cells, which is five times as fast; libvterm gets to know
 * where the cursor is then, and the last character, which others may join. Returns what was
 * taken. */
static size_t put_run(struct screen *screen, const char *bytes, size_t n)
{
	const VTermPos at = screen_cursor(screen);
	struct grid *grid = grid_of(screen);
	const int room = grid->n_columns - 1 - at.col;
	const int cells =
		(int)(n < (size_t)(room > 0 ? room : 0) ? n : (size_t)(room > 0 ? room : 0)) - 1;
	char move[32];

	if (cells < RUN_LEAST || !fills_cells(screen))
		return 0;
	grid_put_ascii(grid, at, bytes, cells, &screen->pen);
	(void)snprintf(move, sizeof(move), "\033[%dC", cells);
	(void)vterm_input_write(screen->vterm, move, strlen(move));
	(void)vterm_input_write(screen->vterm, bytes + cells, 1);
	return (size_t)cells + 1;
}

/* Marks that libvterm never sees, see utf8.h; with nothing to join they are dropped. Returns what was taken. */
static size_t join_marks(struct screen *screen, const char *bytes, size_t n)
{
	VTermPos at = screen_cursor(screen);
	size_t taken = 0;
	uint32_t mark;

	/* At the edge the cursor stays on the last character. */
	at.col -= screen->at_edge ? 0 : 1;
	while (n - taken >= UTF8_WIDE_MARK_BYTES && (unsigned char)bytes[taken] >= 0x80) {
		const size_t length = utf8_get((const uint8_t *)bytes + taken, &mark);

		if (!utf8_is_wide_mark(mark))
			break;
		grid_join(grid_of(screen), at, mark);
		taken += length;
	}
	return taken;
}

/* The gate gives a wide mark at the beginning of a text only. */
static void on_text(const char *bytes, size_t n, void *user)
{
	struct screen *screen = user;
	const size_t marks = join_marks(screen, bytes, n);

	bytes += marks;
	n -= marks;
	screen->in_text = true;
	while (n > 0) {
		/* No more of it than a row holds is looked at: it may be long. */
		const size_t row = (size_t)screen->main.n_columns;
		const size_t run = ascii_run(bytes, n < row ? n : row);
		size_t taken = run > RUN_LEAST ? put_run(screen, bytes, run) : 0;

		if (taken == 0) {
			/* Past the right edge; what may join the last character goes with it. */
			taken = run > RUN_LEAST ? RUN_LEAST : run;
			if (taken == run)
				taken += before_run(bytes + run, n - run);
			(void)vterm_input_write(screen->vterm, bytes, taken);
			modes_text(&screen->modes, bytes, taken);
		}
		bytes += taken;
		n -= taken;
	}
	screen->in_text = false;
}

static void set_alternate(struct screen *screen, bool on)
{
	VTermValue value = { .boolean = on };

	(void)vterm_state_set_termprop(screen->state, VTERM_PROP_ALTSCREEN, &value);
}

/* ESC ( B, which ncurses sends all the time: from then on libvterm takes ASCII and the rest apart, and
 * a mark that joins a character in the last column begins a new line. */
static bool changes_nothing(const struct screen *screen, const char *bytes, size_t n)
{
	static const char designators[] = "()*+";
	const char *set = n == 3 ? memchr(designators, bytes[1], sizeof(designators) - 1) : NULL;

	return set && screen->modes.sets[set - designators] == bytes[2];
}

/* REP (CSI b): libvterm 0.1.4 repeats for ever what has no width: before the first character, and for a mark
 * that joins none. */
static bool repeats_nothing(struct screen *screen, const char *bytes, size_t n)
{
	if ((n == 2 && bytes[1] == 'c') || (bytes[1] == '[' && bytes[n - 1] == 'p'))
		screen->repeats = false;
	return bytes[1] == '[' && bytes[n - 1] == 'b' && !screen->repeats;
}

/*
 * DECRQSS (DCS $ q ... ST), all that libvterm 0.1.4 knows of DCS: for a setting that it does not know it
 * gives printf the length for the string, so it gets only those that it knows.
 */
static bool asks_unknown(struct screen *screen, const char *bytes, size_t n)
{
	static const char *const known[] = { "m", "r", "s", " q", "\"q" };
	static const char invalid[] = "\033P0$r\033\\";
	size_t end = bytes[n - 1] == '\a' ? n - 1 : n - 2;

	if (bytes[1] != 'P')
		return false;
	if (end < 4 || memcmp(bytes + 2, "$q", 2) != 0)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (end - 4 == strlen(known[i]) && memcmp(bytes + 4, known[i], end - 4) == 0)
			return false;
	on_output(invalid, sizeof(invalid) - 1, screen);
	return true;
}

/* DECRC (ESC 8): libvterm leaves origin mode as it is, where xterm restores it with the cursor, and leaves the
 * cursor outside of the region in that mode, where only a CSI that does nothing brings it back. */
static void restore_cursor(struct screen *screen)
{
	static const char on[] = "\033[?6h", off[] = "\033[?6l", nothing[] = "\033[?0h";
	const char *mode = screen->modes.saved_origin ? on : off;

	(void)vterm_input_write(screen->vterm, mode, sizeof(on) - 1);
	modes_sequence(&screen->modes, mode, sizeof(on) - 1);
	(void)vterm_input_write(screen->vterm, "\0338", 2);
	(void)vterm_input_write(screen->vterm, nothing, sizeof(nothing) - 1);
}

static void take_sequence(struct screen *screen, const char *bytes, size_t n)
{
	if (bytes[1] == '[' && bytes[n - 1] == 'm' && !strchr("<=>?", bytes[2])) {
		attributes_take(screen->vterm, &screen->pen, bytes, n);
		return;
	}
	if (changes_nothing(screen, bytes, n) || repeats_nothing(screen, bytes, n) ||
	    asks_unknown(screen, bytes, n))
		return;
	screen->at_edge = false;
	if (n == 2 && bytes[1] == '8') {
		restore_cursor(screen);
		return;
	}
	(void)vterm_input_write(screen->vterm, bytes, n);
	/* Strings, and what only moves the cursor or changes cells, say nothing of modes. */
	if (bytes[1] == ']' || bytes[1] == 'P' ||
	    (bytes[1] == '[' && strchr("ABCDEFGHKLMPSTXZ@`abdef", bytes[n - 1])))
		return;
	screen->modes.in_alternate = screen->in_alternate;
	modes_sequence(&screen->modes, bytes, n);
	if (screen->modes.clears_scrollback)
		history_clear(&screen->history);
	if (screen->modes.alternate != 0)
		set_alternate(screen, screen->modes.alternate > 0);
	if (n == 2 && bytes[1] == 'c')
		screen->pen = pen_plain();
}

/* DECSTR (CSI ! p), which does nothing to libvterm 0.1.4, in sequences that do. The cursor stays, as
 * does the one that is saved: libvterm has but one, and from the alternate screen it has to come back. */
static void soft_reset(struct screen *screen)
{
	static const char *const parts[] = {
		"\033[m",  "\033[?69l", "\033[r", "\033[?6l", "\033[?1l", "\033[?7h", "\033[?25h",
		"\033[4l", "\033>",	"\033(B", "\033)B",   "\033*B",	  "\033+B",
	};
	const VTermPos at = screen_cursor(screen);
	char move[32];

	screen->modes.soft_reset = false;
	on_text("\017", 1, screen);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		take_sequence(screen, parts[i], strlen(parts[i]));
	(void)snprintf(move, sizeof(move), "\033[%d;%dH", at.row + 1, at.col + 1);
	take_sequence(screen, move, strlen(move));
}

/* Several modes set or reset at once: where the first one begins, or NULL. */
static const char *several_modes(const char *bytes, size_t n)
{
	const char *first = bytes + (n > 2 && bytes[2] == '?' ? 3 : 2), *at = first;

	if (bytes[1] != '[' || (bytes[n - 1] != 'h' && bytes[n - 1] != 'l') ||
	    !memchr(bytes, ';', n))
		return NULL;
	while ((*at >= '0' && *at <= '9') || *at == ';')
		at++;
	return at == bytes + n - 1 ? first : NULL;
}

/* libvterm 0.1.4 takes the first one of several modes only, so it gets them one by one. */
static void on_sequence(const char *bytes, size_t n, void *user)
{
	struct screen *screen = user;
	const char *at = several_modes(bytes, n), *const end = bytes + n - 1;
	const char *const lead = at && at[-1] == '?' ? "?" : "";

	if (!at)
		take_sequence(screen, bytes, n);
	if (screen->modes.soft_reset)
		soft_reset(screen);
	while (at && at <= end) {
		const char *semicolon = memchr(at, ';', (size_t)(end - at));
		const char *const to = semicolon ? semicolon : end;
		char one[24];
		const int length =
			snprintf(one, sizeof(one), "\033[%s%.*s%c", lead, (int)(to - at), at, *end);

		if (length < (int)sizeof(one))
			take_sequence(screen, one, (size_t)length);
		at = to + 1;
	}
}

void screen_feed(struct screen *screen, const char *bytes, size_t n)
{
	const struct gate_sink sink = { on_text, on_sequence, screen };

	gate_feed(&screen->gate, bytes, n, &sink);
}

/* libvterm and the cells; the rest stays. */
static int make(struct screen *screen, int rows, int columns)
{
	if (grid_init(&screen->main, rows, columns) < 0)
		return -ENOMEM;
	screen->pen = pen_plain();
	screen->repeats = false;
	screen->vterm = vterm_new(rows, columns);
	if (!screen->vterm) {
		grid_deinit(&screen->main);
		return -ENOMEM;
	}
	vterm_set_utf8(screen->vterm, 1);
	vterm_output_set_callback(screen->vterm, on_output, screen);
	screen->state = vterm_obtain_state(screen->vterm);
	vterm_state_set_callbacks(screen->state, &callbacks, screen);
	vterm_state_reset(screen->state, 1);
	return 0;
}

int screen_init(struct screen *screen, int rows, int columns, size_t scrollback_bytes)
{
	int r;

	memset(screen, 0, sizeof(*screen));
	limit_size(&rows, &columns);
	history_init(&screen->history, scrollback_bytes);
	r = modes_init(&screen->modes);
	if (r == 0)
		r = make(screen, rows, columns);
	if (r < 0)
		screen_deinit(screen);
	return r;
}

void screen_deinit(struct screen *screen)
{
	if (screen->vterm)
		vterm_free(screen->vterm);
	screen->vterm = NULL;
	modes_deinit(&screen->modes);
	grid_deinit(&screen->main);
	grid_deinit(&screen->alternate);
	history_deinit(&screen->history);
}

/* How many of the blank rows below the cursor have to go so that the rest fits. */
static int rows_to_leave_out(const struct screen *screen, int rows, int columns)
{
	const VTermPos cursor = screen->in_alternate ? screen->main_cursor : screen_cursor(screen);
	const struct grid *grid = &screen->main;
	int blank = 0, wrapped = 0;
	bool fills;

	for (int row = 0; row < grid->n_rows; row++) {
		const int used = grid_printed(grid, row, &fills);

		wrapped += used > columns ? (used + columns - 1) / columns : 1;
		blank = used == 0 && !fills && row > cursor.row ? blank + 1 : 0;
	}
	if (wrapped <= rows)
		return 0;
	return wrapped - rows < blank ? wrapped - rows : blank;
}

/* Draws the main screen. Where the cursor comes to lie is seen on the way, whatever is wrapped. */
static VTermPos draw_main(struct screen *screen, const struct paint_text *text)
{
	uint64_t ever;
	VTermPos at;

	screen_feed(screen, text->bytes, text->cursor_at);
	at = screen_cursor(screen);
	ever = screen->history.n_ever;
	screen_feed(screen, text->bytes + text->cursor_at, text->n - text->cursor_at);
	at.row -= (int)(screen->history.n_ever - ever);
	at.row = at.row < 0 ? 0 : at.row;
	return at;
}

/* Draws the old screen onto this one, which is new. */
static int redraw(struct screen *screen, const struct screen *old, const struct paint_text *main,
		  size_t n_lines)
{
	const struct gate gate = screen->gate;
	struct paint_text over = { .bytes = NULL };
	int r;

	memset(&screen->gate, 0, sizeof(screen->gate));
	screen->gate.begun = true;
	history_drop(&screen->history, n_lines);
	modes_resized(&screen->modes);
	r = paint_over(old, draw_main(screen, main),
		       (VTermPos){ screen->main.n_rows, screen->main.n_columns }, &over);
	if (r == 0)
		screen_feed(screen, over.bytes, over.n);
	paint_text_deinit(&over);
	screen->gate = gate;
	return r;
}

int screen_resize(struct screen *screen, int rows, int columns)
{
	struct screen old = *screen;
	struct paint_text main = { .bytes = NULL };
	size_t n_lines = (size_t)rows;
	int r;

	limit_size(&rows, &columns);
	if (rows == old.main.n_rows && columns == old.main.n_columns)
		return 0;
	n_lines = (size_t)rows < old.history.n_lines ? (size_t)rows : old.history.n_lines;
	r = paint_main(&old, n_lines, rows_to_leave_out(&old, rows, columns), &main);
	if (r < 0)
		return r;
	screen->in_alternate = screen->at_edge = false;
	memset(&screen->alternate, 0, sizeof(screen->alternate));
	r = make(screen, rows, columns);
	if (r < 0) {
		*screen = old;
	} else {
		r = redraw(screen, &old, &main, n_lines);
		vterm_free(old.vterm);
		grid_deinit(&old.main);
		grid_deinit(&old.alternate);
	}
	paint_text_deinit(&main);
	return r;
}
