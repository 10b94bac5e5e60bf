#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { GAP = 2, CELL_BYTES = 1024 };

void table_init(struct table *table, const struct table_column *columns, size_t n_columns)
{
	*table = (struct table){ .columns = columns, .n_columns = n_columns };
}

void table_deinit(struct table *table)
{
	for (size_t i = 0; i < table->n_rows; i++)
		free(table->rows[i]);
	free(table->rows);
	free(table->styles);
	table_init(table, table->columns, table->n_columns);
}

static int reserve_row(struct table *table)
{
	const size_t room = table->room > 0 ? table->room * 2 : 16;
	enum output_style *styles;
	char **rows;

	if (table->n_rows < table->room)
		return 0;
	rows = reallocarray(table->rows, room, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	styles = reallocarray(table->styles, room, sizeof(*styles));
	if (!styles)
		return -ENOMEM;
	table->styles = styles;
	table->room = room;
	return 0;
}

int table_add(struct table *table, const char *const *cells, enum output_style style)
{
	char row[TABLE_COLUMNS_MAX * CELL_BYTES];
	size_t used = 0;

	if (reserve_row(table) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_columns; i++) {
		char *cell = row + used;
		unsigned width;

		output_escape(cells[i], cell, CELL_BYTES);
		width = (unsigned)output_width(cell);
		if (width > table->widest[i])
			table->widest[i] = width;
		used += strlen(cell) + 1;
	}
	table->rows[table->n_rows] = malloc(used + 1); /* there may be no column */
	if (!table->rows[table->n_rows])
		return -ENOMEM;
	memcpy(table->rows[table->n_rows], row, used);
	table->styles[table->n_rows++] = style;
	return 0;
}

static unsigned total_width(const struct table *table)
{
	unsigned total = 0;

	for (size_t i = 0; i < table->n_columns; i++)
		if (!table->hidden[i])
			total += table->widths[i] + (total > 0 ? GAP : 0);
	return total;
}

/* The widest column that may be shortened loses one place. */
static bool shorten_one(struct table *table)
{
	size_t widest = table->n_columns;

	for (size_t i = 0; i < table->n_columns; i++) {
		const unsigned least = table->columns[i].least;

		if (table->hidden[i] || least == 0 || table->widths[i] <= least)
			continue;
		if (widest == table->n_columns || table->widths[i] > table->widths[widest])
			widest = i;
	}
	if (widest == table->n_columns)
		return false;
	table->widths[widest]--;
	return true;
}

static bool hide_one(struct table *table)
{
	size_t first = table->n_columns;

	for (size_t i = 0; i < table->n_columns; i++) {
		const unsigned order = table->columns[i].given_up;

		if (table->hidden[i] || order == 0)
			continue;
		if (first == table->n_columns || order < table->columns[first].given_up)
			first = i;
	}
	if (first == table->n_columns)
		return false;
	table->hidden[first] = true;
	return true;
}

static void lay_out(struct table *table)
{
	const unsigned columns = output_columns();

	for (size_t i = 0; i < table->n_columns; i++) {
		table->widths[i] = (unsigned)output_width(table->columns[i].title);
		if (table->widest[i] > table->widths[i])
			table->widths[i] = table->widest[i];
		table->hidden[i] = false;
	}
	while (columns > 0 && total_width(table) > columns)
		if (!shorten_one(table) && !hide_one(table))
			break;
}

static void put_spaces(size_t n)
{
	while (n-- > 0)
		(void)putchar_unlocked(' ');
}

static void put_cell(const char *cell, unsigned width, bool right, bool last)
{
	size_t columns = output_width(cell);
	char text[CELL_BYTES];

	if (columns > width) {
		(void)text_copy(cell, text, sizeof(text));
		output_shorten(text, sizeof(text), width);
		cell = text;
		columns = output_width(text);
	}
	if (right && columns < width)
		put_spaces(width - columns);
	(void)fputs(cell, stdout);
	if (!right && !last && columns < width)
		put_spaces(width - columns);
}

/* `cells`: one after the other; NULL: the head. */
static void put_row(const struct table *table, const char *cells, enum output_style style)
{
	bool first = true;

	for (size_t i = 0; i < table->n_columns; i++) {
		const bool last = i + 1 == table->n_columns, styled = last || !cells;
		const char *cell = cells;

		if (cells)
			cells += strlen(cells) + 1;
		if (table->hidden[i])
			continue;
		put_spaces(first ? 0 : GAP);
		first = false;
		if (styled)
			(void)fputs(output_style(style), stdout);
		put_cell(cell ? cell : table->columns[i].title, table->widths[i],
			 table->columns[i].right, last);
		if (styled && style != STYLE_PLAIN)
			(void)fputs(output_style_end(), stdout);
	}
	(void)putchar('\n');
}

void table_start(struct table *table)
{
	lay_out(table);
	if (table->n_rows > 0)
		put_row(table, NULL, STYLE_HEAD);
}

void table_print_row(const struct table *table, size_t row)
{
	put_row(table, table->rows[row], table->styles[row]);
}

void table_print(struct table *table)
{
	table_start(table);
	for (size_t row = 0; row < table->n_rows; row++)
		table_print_row(table, row);
}
