#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "keeper/history.h"

enum { N_COLUMNS = 20 };

static void make_line(struct cell *cells, const char *text)
{
	for (int i = 0; i < N_COLUMNS; i++) {
		memset(&cells[i], 0, sizeof(cells[i]));
		cells[i].pen = pen_plain();
		cells[i].width = 1;
		if (*text != '\0')
			cells[i].chars[0] = (uint32_t)*text++;
	}
}

static void push(struct history *history, const char *text)
{
	struct cell cells[N_COLUMNS];

	make_line(cells, text);
	history_push(history, cells, N_COLUMNS);
}

static const char *next(struct history_reader *reader)
{
	static char text[N_COLUMNS + 1];
	struct cell cell;
	size_t n = 0;

	if (!history_next_line(reader))
		return NULL;
	while (history_next_cell(reader, &cell))
		text[n++] = (char)cell.chars[0];
	text[n] = '\0';
	return text;
}

static void test_newest_lines(void **state)
{
	struct history_reader reader;
	struct history history;

	(void)state;
	history_init(&history, 100000);
	history_read(&history, 5, &reader);
	assert_null(next(&reader));
	push(&history, "one");
	push(&history, "");
	push(&history, "three");
	history_read(&history, 2, &reader);
	assert_string_equal(next(&reader), "");
	assert_string_equal(next(&reader), "three");
	assert_null(next(&reader));
	history_read(&history, 9, &reader);
	assert_string_equal(next(&reader), "one");
	history_drop(&history, 2);
	assert_int_equal(history.n_lines, 1);
	push(&history, "four");
	history_read(&history, 9, &reader);
	assert_string_equal(next(&reader), "one");
	assert_string_equal(next(&reader), "four");
	history_drop(&history, 9);
	history_read(&history, 9, &reader);
	assert_null(next(&reader));
	history_deinit(&history);
}

static void test_cells_come_back(void **state)
{
	struct cell cells[N_COLUMNS], cell;
	struct history_reader reader;
	struct history history;

	(void)state;
	history_init(&history, 100000);
	make_line(cells, "ab");
	cells[0].pen.bits = PEN_BOLD;
	vterm_color_indexed(&cells[0].pen.foreground, 200);
	vterm_color_rgb(&cells[1].pen.background, 1, 2, 3);
	cells[1].chars[1] = 0x301;
	cells[2].chars[0] = 0x6f22;
	cells[2].width = 2;
	cells[3].width = 0;
	cells[5].pen.bits = PEN_REVERSE;
	history_push(&history, cells, N_COLUMNS);
	history_read(&history, 1, &reader);
	assert_true(history_next_line(&reader));
	for (int i = 0; i < 6; i++) {
		if (cells[i].width == 0)
			continue;
		assert_true(history_next_cell(&reader, &cell));
		assert_true(pen_equal(&cell.pen, &cells[i].pen));
		assert_int_equal(cell.width, cells[i].width);
		assert_int_equal(cell.chars[0], cells[i].chars[0] ? cells[i].chars[0] : ' ');
		assert_int_equal(cell.chars[1], cells[i].chars[1]);
	}
	assert_false(history_next_cell(&reader, &cell));
	history_deinit(&history);
}

static void test_oldest_are_forgotten(void **state)
{
	enum { MOST_BYTES = 8192, N = 5000 };
	struct history_reader reader;
	struct history history;
	char text[16];
	size_t n = 0;

	(void)state;
	history_init(&history, MOST_BYTES);
	for (int i = 0; i < N; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		push(&history, text);
		assert_true(history.n_bytes <= MOST_BYTES);
	}
	assert_int_equal(history.n_ever, N);
	history_read(&history, N, &reader);
	for (const char *line; (line = next(&reader)) != NULL; n++) {
		(void)snprintf(text, sizeof(text), "%zu", N - history.n_lines + n);
		assert_string_equal(line, text);
	}
	assert_int_equal(n, history.n_lines);
	assert_true(n > 100);
	history_deinit(&history);
	history_init(&history, 0);
	push(&history, "lost");
	assert_int_equal(history.n_lines, 0);
	history_deinit(&history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_lines),
		cmocka_unit_test(test_cells_come_back),
		cmocka_unit_test(test_oldest_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
