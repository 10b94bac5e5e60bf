#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "keeper/paint.h"
#include "keeper/same.h"

static char answered[256];

static void take_answer(const char *bytes, size_t n, void *user)
{
	const size_t used = strlen(answered);

	(void)user;
	assert_true(used + n < sizeof(answered));
	memcpy(answered + used, bytes, n);
	answered[used + n] = '\0';
}

static void make(struct screen *screen, int rows, int columns, const char *text)
{
	assert_int_equal(screen_init(screen, rows, columns, 100000), 0);
	screen->answer = take_answer;
	answered[0] = '\0';
	screen_feed(screen, text, strlen(text));
}

/* One row as text; what is not ASCII is a question mark. */
static const char *row_of(const struct grid *grid, int row)
{
	static char text[512];
	const int used = grid_used(grid, row);
	int n = 0;

	for (int column = 0; column < used; column++) {
		const struct cell *cell = &grid->rows[row][column];

		if (cell->width > 0)
			text[n++] = cell->chars[0] == 0	   ? ' '
				    : cell->chars[0] < 127 ? (char)cell->chars[0]
							   : '?';
	}
	text[n] = '\0';
	return text;
}

/* Painted onto another one it is the same; the same holds for a client that has missed something. */
static void check_painted(const struct screen *screen)
{
	static const char stale[] = "\033[?1049h\033[2;4r\033[7m\033[?6h\033)0\016junk";

	for (int again = 0; again < 2; again++) {
		struct paint_text text;
		struct screen other;
		const char *difference;

		make(&other, screen->main.n_rows, screen->main.n_columns, "");
		if (again)
			screen_feed(&other, stale, sizeof(stale) - 1);
		assert_int_equal(
			paint_whole(screen, again ? PAINT_AGAIN : PAINT_FRESH, SIZE_MAX, &text), 0);
		screen_feed(&other, text.bytes, text.n);
		difference = same_screens(screen, &other);
		if (difference)
			fail_msg("%s", difference);
		paint_text_deinit(&text);
		screen_deinit(&other);
	}
}

static void test_painted_is_the_same(void **state)
{
	static const char *const texts[] = {
		"",
		"hello\r\nworld",
		"\033[1;31mred\033[0m \033[38;5;200;48;2;1;2;3mx\033[2;4:3;9;53my\033[21;8;3;5mz",
		"\033[2;8;53mall\033[mnone",
		"\033[44m\033[2J\033[5;5Hblue\033[K\033[m plain",
		"a\033[?1049h\033[3;3Halt\033[?1h\033=\033[?1002;1006h\033[?2004h\033[?25l",
		"\033[2;5r\033[?6h\033[2;3Hin a region",
		"\xe6\xbc\xa2\xe5\xad\x97 e\xcc\x81 \xf0\x9f\x91\x8d\033[1;2Hx",
		"\033)0\016lqqk\017 x\016",
		"12345678901234567890",
		"123456789012345678\xe6\xbc\xa2",
		"\033[4h\033[20h\033[3 q\033[>4;2mabc",
		"1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\n11\r\n12",
		"\033[?7l1234567890123456789012345",
		"\033[?5h\033[42m\033[3;4H\033[1J",
		"\033]2;a title\adone",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct screen screen;

		make(&screen, 10, 20, texts[i]);
		check_painted(&screen);
		screen_deinit(&screen);
	}
}

/* What is longer than a run that is put into the cells at once. */
static void test_shifted_lines(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 10, 20, "\033)0\016lqqqqqqqqqqk\017\r\n\016plain and lines\017 and more");
	assert_string_equal(row_of(&screen.main, 0), "????????????");
	assert_int_equal(screen.main.rows[0][1].chars[0], 0x2500);
	screen_feed(&screen, "\r\n\016lqqqqqqqqqqk\017 long enough", 26);
	assert_int_equal(screen.main.rows[3][10].chars[0], 0x2500);
	assert_int_equal(screen.main.rows[3][13].chars[0], 'l');
	screen_deinit(&screen);
}

/* Voiced sounds as some file systems write them: in the last column too, alone, and cut in two. */
static void test_wide_marks(void **state)
{
	static const char text[] = "\xe3\x81\x8b\xe3\x82\x99x\xe3\x82\x99\033[1;19H"
				   "\xe3\x81\x8b\xe3\x82\x99y\r\n\n  \xe3\x82\x99z";
	struct screen screen, other;

	(void)state;
	make(&screen, 10, 20, text);
	make(&other, 10, 20, "");
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		screen_feed(&other, text + i, 1);
	for (int column = 0; column < 20; column += 18) {
		assert_int_equal(screen.main.rows[0][column].chars[0], 0x304b);
		assert_int_equal(screen.main.rows[0][column].chars[1], 0x3099);
		assert_int_equal(screen.main.rows[0][column].width, 2);
	}
	assert_int_equal(screen.main.rows[0][2].chars[1], 0x3099);
	assert_string_equal(row_of(&screen.main, 1), "y");
	assert_string_equal(row_of(&screen.main, 3), "  z");
	assert_null(same_screens(&screen, &other));
	check_painted(&screen);
	screen_deinit(&screen);
	screen_deinit(&other);
}

/* Cut by what is printed, by its end of the row, by what is erased: nothing of it but the background. */
static void test_wide_cut(void **state)
{
	static const char *const texts[] = {
		"\033[7;32;44m\033[1;19H\xe6\xbc\xa2\033[m\033[1;5H\033[@",
		"\033[32;44m\033[1;19H\xe6\xbc\xa2\033[m\033[1;20Hx",
		"\033[4;32m\033[1;19H\xe6\xbc\xa2\033[m\033[1;19Hx",
		"\033[32m\033[1;19H\xe6\xbc\xa2\033[m\033[1;20H\033[K",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct pen plain = pen_plain();
		struct screen screen;

		make(&screen, 10, 20, texts[i]);
		for (int column = 18; column < 20; column++) {
			struct cell *cell = &screen.main.rows[0][column];

			if (cell->chars[0] == 'x')
				continue;
			assert_int_equal(cell->chars[0], 0);
			assert_int_equal(cell->width, 1);
			assert_int_equal(cell->pen.bits, 0);
			assert_int_equal(cell->pen.foreground.type, plain.foreground.type);
		}
		check_painted(&screen);
		screen_deinit(&screen);
	}
}

static void test_attributes_end(void **state)
{
	static const struct {
		const char *text;
		uint16_t bits;
	} rows[] = {
		{ "\033[1;2;3;5;7;8;9;53;4m", 0x1ff },
		{ "\033[1;2;3;5;7;8;9;53;4m\033[m", 0 },
		{ "\033[1;2;3;5;7;8;9;53;4m\033[0;9m", PEN_STRIKE },
		{ "\033[1;2;3;5;7;8;9;53;4m\033[22;23;24;25;27;28;29;55m", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct screen screen;

		make(&screen, 4, 10, rows[i].text);
		assert_int_equal(screen.pen.bits, rows[i].bits);
		screen_deinit(&screen);
	}
}

/* A character that ended at the right edge: the next one goes to the next line, on both. */
static void test_edge(void **state)
{
	struct paint_text text;
	struct screen screen, other;

	(void)state;
	make(&screen, 4, 10, "abc\r\n1234567890");
	make(&other, 4, 10, "");
	assert_int_equal(paint_whole(&screen, PAINT_FRESH, 0, &text), 0);
	screen_feed(&other, text.bytes, text.n);
	screen_feed(&screen, "x", 1);
	screen_feed(&other, "x", 1);
	assert_null(same_screens(&screen, &other));
	assert_string_equal(row_of(&other.main, 2), "x");
	paint_text_deinit(&text);
	screen_deinit(&screen);
	screen_deinit(&other);
}

/* The cursor comes back with the origin mode that it was saved in, and within the region in that mode;
 * a soft reset and several modes at once count for libvterm too. */
static void test_origin(void **state)
{
	static const struct {
		const char *text;
		int row;
		bool origin;
	} rows[] = {
		{ "\033[6;3H\0337\033[2;4r\033[?6h\0338", 5, false },
		{ "\033[6;3H\033[?1049h\033[2;4r\033[?6h\0338", 5, false },
		{ "\033[?6h\033[6;3H\0337\033[2;4r\0338", 3, true },
		{ "\033[?6h\033[1;3H\0337\033[2;4r\033[?6l\0338", 1, true },
		{ "\033[?6h\0337\033[!p\0338", 0, true },
		{ "\033[2;4r\033[?6h\033[2;3H\033[!p\033[3;4r\033[6;3H", 5, false },
		{ "\033[2;4r\033[?6h\033[?1;6l\033[6;3H", 5, false },
		{ "\033[?7l\033[6;3H\033[4h\033[!p", 5, false },
		{ "\033[4;20h\033[?7;6h\033[2;4r\033[6;3H", 3, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct screen screen;

		make(&screen, 10, 20, rows[i].text);
		assert_int_equal(screen_cursor(&screen).row, rows[i].row);
		assert_int_equal(modes_is_on(&screen.modes, 6), rows[i].origin);
		screen_feed(&screen, "long enough for a run", 12);
		assert_int_equal(screen_cursor(&screen).row, rows[i].row);
		check_painted(&screen);
		screen_deinit(&screen);
	}
}

static void test_soft_reset(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 10, 20,
	     "abc\033[1;2;31;44m\033[?7;25l\033[4h\033)0\016\033[3;19H\033[!pqqq\033[1;1Hx");
	assert_string_equal(row_of(&screen.main, 0), "xbc");
	assert_int_equal(screen.main.rows[2][19].chars[0], 'q');
	assert_int_equal(screen.main.rows[3][0].chars[0], 'q');
	assert_int_equal(screen.main.rows[2][18].pen.bits, 0);
	assert_true(VTERM_COLOR_IS_DEFAULT_BG(&screen.main.rows[2][18].pen.background));
	assert_int_equal(screen.modes.private_modes, 0);
	check_painted(&screen);
	screen_deinit(&screen);
}

/* What has begun when a client joins is completed there. */
static void test_cut_sequence(void **state)
{
	static const char whole[] = "a\033[1;32mb\xe6\xbc\xa2\033]2;t\a\033[3;3Hc";

	(void)state;
	for (size_t cut = 0; cut < sizeof(whole) - 1; cut++) {
		const size_t rest = sizeof(whole) - 1 - cut;
		struct paint_text text;
		struct screen screen, other;

		make(&screen, 5, 20, "");
		make(&other, 5, 20, "");
		screen_feed(&screen, whole, cut);
		assert_int_equal(paint_whole(&screen, PAINT_FRESH, 0, &text), 0);
		screen_feed(&other, text.bytes, text.n);
		screen_feed(&screen, whole + cut, rest);
		screen_feed(&other, whole + cut, rest);
		assert_null(same_screens(&screen, &other));
		paint_text_deinit(&text);
		screen_deinit(&screen);
		screen_deinit(&other);
	}
}

static void test_scrollback(void **state)
{
	struct history_reader reader;
	struct screen screen;
	struct cell cell;

	(void)state;
	make(&screen, 4, 10, "1\r\n2\r\n3\r\n4\r\n5\r\n6");
	assert_int_equal(screen.history.n_lines, 2);
	history_read(&screen.history, 9, &reader);
	assert_true(history_next_line(&reader));
	assert_true(history_next_cell(&reader, &cell));
	assert_int_equal(cell.chars[0], '1');
	/* The alternate screen has none, nor has a region that does not begin at the top. */
	screen_feed(&screen, "\033[?1049h\n\n\n\n\n\n\033[?1049l", 22);
	assert_int_equal(screen.history.n_lines, 2);
	screen_feed(&screen, "\033[2;4r\033[4;1H\n\n\n", 15);
	assert_int_equal(screen.history.n_lines, 2);
	screen_feed(&screen, "\033[3J", 4);
	assert_int_equal(screen.history.n_lines, 0);
	screen_deinit(&screen);
}

static void test_narrower_wraps(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 4, 20, "one\r\n12345678901234567\r\n$ ");
	assert_int_equal(screen_resize(&screen, 4, 10), 0);
	assert_string_equal(row_of(&screen.main, 0), "one");
	assert_string_equal(row_of(&screen.main, 1), "1234567890");
	assert_string_equal(row_of(&screen.main, 2), "1234567");
	assert_string_equal(row_of(&screen.main, 3), "$ ");
	assert_int_equal(screen_cursor(&screen).row, 3);
	assert_int_equal(screen_cursor(&screen).col, 2);
	check_painted(&screen);
	screen_deinit(&screen);
}

static void test_lower_keeps_what_is_written(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 10, 20, "1\r\n2\r\n3\r\n4\r\n5");
	assert_int_equal(screen_resize(&screen, 5, 20), 0);
	assert_int_equal(screen.history.n_lines, 0);
	assert_string_equal(row_of(&screen.main, 0), "1");
	assert_int_equal(screen_resize(&screen, 3, 20), 0);
	assert_int_equal(screen.history.n_lines, 2);
	assert_string_equal(row_of(&screen.main, 0), "3");
	assert_int_equal(screen_cursor(&screen).row, 2);
	/* Higher again: it comes back. */
	assert_int_equal(screen_resize(&screen, 4, 20), 0);
	assert_int_equal(screen.history.n_lines, 1);
	assert_string_equal(row_of(&screen.main, 0), "2");
	assert_int_equal(screen_cursor(&screen).row, 3);
	check_painted(&screen);
	screen_deinit(&screen);
}

static void test_both_screens_change_size(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 6, 20, "$ vi\033[?1049h\033[H\033[?1h\033[31mtext\033[6;1Hstatus");
	assert_int_equal(screen_resize(&screen, 4, 10), 0);
	assert_true(screen.in_alternate);
	assert_string_equal(row_of(&screen.alternate, 0), "text");
	assert_string_equal(row_of(&screen.main, 0), "$ vi");
	assert_true(modes_is_on(&screen.modes, 1));
	check_painted(&screen);
	screen_feed(&screen, "\033[?1049l", 8);
	assert_int_equal(screen_cursor(&screen).col, 4);
	check_painted(&screen);
	screen_deinit(&screen);
}

static void test_answers(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 5, 20, "ab\033[6n");
	assert_string_equal(answered, "");
	screen.answers = true;
	screen_feed(&screen, "\033[6n", 4);
	assert_string_equal(answered, "\033[1;3R");
	screen_deinit(&screen);
}

/* The cursor's shape is answered, what no screen has is refused, what is no question is not. */
static void test_settings_asked(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 5, 20, "\033[3 q");
	screen.answers = true;
	screen_feed(&screen, "\033P$q q\033\\", 8);
	assert_string_equal(answered, "\033P1$r3 q\033\\");
	answered[0] = '\0';
	screen_feed(&screen, "\033P$q#0\033\\", 8);
	assert_string_equal(answered, "\033P0$r\033\\");
	answered[0] = '\0';
	screen_feed(&screen, "\033P$q\a\033Pq#0\033\\\033P\a", 16);
	assert_string_equal(answered, "\033P0$r\033\\");
	screen_deinit(&screen);
}

static void test_title(void **state)
{
	struct screen screen;

	(void)state;
	make(&screen, 5, 20, "\033]0;one\a\033]2;two\033\\");
	assert_string_equal(screen.title, "two");
	screen_deinit(&screen);
}

/* What is switched on is switched off, and the cursor stands below what is written. */
static void test_leave(void **state)
{
	struct screen screen, other;
	struct paint_text text;

	(void)state;
	make(&screen, 5, 20,
	     "$ vi\033[?1049h\033[?1;1004;1006;2004h\033=\033[?25l\033[4 q\033[2;3rtext\033)0\016");
	make(&other, 5, 20, "");
	assert_int_equal(paint_whole(&screen, PAINT_FRESH, 0, &text), 0);
	screen_feed(&other, text.bytes, text.n);
	paint_text_deinit(&text);
	assert_int_equal(paint_leave(&screen, false, &text), 0);
	screen_feed(&other, text.bytes, text.n);
	paint_text_deinit(&text);
	assert_false(other.in_alternate);
	assert_int_equal(other.modes.private_modes, 0);
	assert_false(other.modes.keypad || other.modes.shifted);
	assert_int_equal(other.modes.region_top, 0);
	assert_int_equal(screen_cursor(&other).row, 1);
	assert_int_equal(screen_cursor(&other).col, 0);
	screen_deinit(&screen);
	screen_deinit(&other);
}

static void check_keys(const struct screen *screen, int which, unsigned n, unsigned flags)
{
	const struct modes_keys *keys = &screen->modes.keys[which];

	assert_int_equal(keys->n, n);
	assert_int_equal(keys->flags[n], flags);
}

/* The keyboard protocol of kitty: who resumes gets it, and is rid of it afterwards, on both screens. */
static void test_keys(void **state)
{
	struct screen screen, other;
	struct paint_text text;

	(void)state;
	make(&screen, 5, 20, "\033[=5u\033[?1049h\033[>1u\033[>3u\033[=8;2u\033[=1;3utext");
	check_keys(&screen, 0, 0, 5);
	check_keys(&screen, 1, 2, 10);
	check_painted(&screen);
	assert_int_equal(screen_resize(&screen, 7, 30), 0);
	check_keys(&screen, 1, 2, 10);
	make(&other, 7, 30, "");
	assert_int_equal(paint_whole(&screen, PAINT_AGAIN, 0, &text), 0);
	screen_feed(&other, text.bytes, text.n);
	paint_text_deinit(&text);
	assert_null(same_screens(&screen, &other));
	assert_int_equal(paint_leave(&screen, false, &text), 0);
	screen_feed(&other, text.bytes, text.n);
	paint_text_deinit(&text);
	check_keys(&other, 0, 0, 0);
	check_keys(&other, 1, 0, 0);
	screen_feed(&screen, "\033[<u", 4);
	check_keys(&screen, 1, 1, 1);
	screen_feed(&screen, "\033[<9u", 5);
	check_keys(&screen, 1, 0, 0);
	screen_deinit(&screen);
	screen_deinit(&other);
}

/* libvterm 0.1.4 never ends with these. */
static void test_repeats_what_has_a_width(void **state)
{
	static const char *const first[] = { "",       "\033#8",   "\xcc\x81",
					     "x\033c", "x\033[!p", "x\033[5;5H\xcc\x81" };
	struct screen screen;

	(void)state;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		make(&screen, 24, 80, first[i]);
		screen_feed(&screen, "\033[5b\033[99999b", 12);
		screen_deinit(&screen);
	}
	make(&screen, 24, 80, "x\033[4by");
	assert_int_equal(screen.main.rows[0][4].chars[0], 'x');
	assert_int_equal(screen.main.rows[0][5].chars[0], 'y');
	screen_deinit(&screen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_painted_is_the_same),
		cmocka_unit_test(test_shifted_lines),
		cmocka_unit_test(test_wide_marks),
		cmocka_unit_test(test_wide_cut),
		cmocka_unit_test(test_attributes_end),
		cmocka_unit_test(test_edge),
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_soft_reset),
		cmocka_unit_test(test_cut_sequence),
		cmocka_unit_test(test_scrollback),
		cmocka_unit_test(test_narrower_wraps),
		cmocka_unit_test(test_lower_keeps_what_is_written),
		cmocka_unit_test(test_both_screens_change_size),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_settings_asked),
		cmocka_unit_test(test_title),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_repeats_what_has_a_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
