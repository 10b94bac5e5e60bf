#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { GAP = 2, CELL_BYTES = 1024 };

/* What is printed of the columns. */
struct layout {
	unsigned widths[TABLE_COLUMNS_MAX];
	bool hidden[TABLE_COLUMNS_MAX];
};

void table_init(struct table *table, const struct table_column *columns, size_t n_columns)
{
	*table = (struct table){ .columns = columns, .n_columns = n_columns };
}

void table_deinit(struct table *table)
{
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->styles);
	table_init(table, table->columns, table->n_columns);
}

static int reserve_row(struct table *table)
{
	const size_t room = table->room > 0 ? table->room * 2 : 16;
	enum output_style *styles;
	char **cells;

	if (table->n_rows < table->room)
		return 0;
	cells = reallocarray(table->cells, room * table->n_columns, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	table->cells = cells;
	styles = reallocarray(table->styles, room, sizeof(*styles));
	if (!styles)
		return -ENOMEM;
	table->styles = styles;
	table->room = room;
	return 0;
}

int table_add(struct table *table, const char *const *cells, enum output_style style)
{
	char escaped[CELL_BYTES];
	char **row;

	if (reserve_row(table) < 0)
		return -ENOMEM;
	row = &table->cells[table->n_rows * table->n_columns];
	for (size_t i = 0; i < table->n_columns; i++) {
		output_escape(cells[i], escaped, sizeof(escaped));
		row[i] = strdup(escaped);
		if (!row[i]) {
			while (i-- > 0)
				free(row[i]);
			return -ENOMEM;
		}
	}
	table->styles[table->n_rows++] = style;
	return 0;
}

static unsigned total_width(const struct table *table, const struct layout *layout)
{
	unsigned total = 0;

	for (size_t i = 0; i < table->n_columns; i++)
		if (!layout->hidden[i])
			total += layout->widths[i] + (total > 0 ? GAP : 0);
	return total;
}

/* The widest column that may be shortened loses one place. */
static bool shorten_one(const struct table *table, struct layout *layout)
{
	size_t widest = table->n_columns;

	for (size_t i = 0; i < table->n_columns; i++) {
		const unsigned least = table->columns[i].least;

		if (layout->hidden[i] || least == 0 || layout->widths[i] <= least)
			continue;
		if (widest == table->n_columns || layout->widths[i] > layout->widths[widest])
			widest = i;
	}
	if (widest == table->n_columns)
		return false;
	layout->widths[widest]--;
	return true;
}

static bool hide_one(const struct table *table, struct layout *layout)
{
	size_t first = table->n_columns;

	for (size_t i = 0; i < table->n_columns; i++) {
		const unsigned order = table->columns[i].given_up;

		if (layout->hidden[i] || order == 0)
			continue;
		if (first == table->n_columns || order < table->columns[first].given_up)
			first = i;
	}
	if (first == table->n_columns)
		return false;
	layout->hidden[first] = true;
	return true;
}

static void lay_out(const struct table *table, struct layout *layout)
{
	const unsigned columns = output_columns();

	*layout = (struct layout){ 0 };
	for (size_t i = 0; i < table->n_columns; i++) {
		layout->widths[i] = (unsigned)output_width(table->columns[i].title);
		for (size_t row = 0; row < table->n_rows; row++) {
			const size_t width = output_width(table->cells[row * table->n_columns + i]);

			if (width > layout->widths[i])
				layout->widths[i] = (unsigned)width;
		}
	}
	while (columns > 0 && total_width(table, layout) > columns)
		if (!shorten_one(table, layout) && !hide_one(table, layout))
			break;
}

static void put_spaces(size_t n)
{
	(void)printf("%*s", (int)n, "");
}

static void put_cell(const char *cell, unsigned width, bool right, bool last)
{
	char text[CELL_BYTES];
	size_t columns;

	(void)text_copy(cell, text, sizeof(text));
	output_shorten(text, sizeof(text), width);
	columns = output_width(text);
	if (right && columns < width)
		put_spaces(width - columns);
	(void)fputs(text, stdout);
	if (!right && !last && columns < width)
		put_spaces(width - columns);
}

static void put_row(const struct table *table, const struct layout *layout, char *const *cells,
		    enum output_style style)
{
	bool first = true;

	for (size_t i = 0; i < table->n_columns; i++) {
		const bool last = i + 1 == table->n_columns;
		const bool styled = last || !cells;

		if (layout->hidden[i])
			continue;
		put_spaces(first ? 0 : GAP);
		first = false;
		if (styled)
			(void)fputs(output_style(style), stdout);
		put_cell(cells ? cells[i] : table->columns[i].title, layout->widths[i],
			 table->columns[i].right, last);
		if (styled && style != STYLE_PLAIN)
			(void)fputs(output_style_end(), stdout);
	}
	(void)putchar('\n');
}

void table_print(const struct table *table)
{
	struct layout layout;

	lay_out(table, &layout);
	put_row(table, &layout, NULL, STYLE_HEAD);
	for (size_t row = 0; row < table->n_rows; row++)
		put_row(table, &layout, &table->cells[row * table->n_columns], table->styles[row]);
}
