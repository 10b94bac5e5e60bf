/* A table on a terminal: columns as wide as what stands in them, narrowed where the terminal
 * ends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/output.h"

#define TABLE_COLUMNS_MAX 12

struct table_column {
	const char *title;
	bool right;	   /* numbers end at the right */
	unsigned least;	   /* may be shortened down to this; 0: never shortened */
	unsigned given_up; /* columns with the lowest number here are left out first; 0: never */
};

struct table {
	const struct table_column *columns;
	char **rows;		   /* owned: its cells, each with its NUL */
	enum output_style *styles; /* of the last cell of each row */
	size_t n_columns, n_rows, room;
	unsigned widest[TABLE_COLUMNS_MAX]; /* of the cells */
	unsigned widths[TABLE_COLUMNS_MAX]; /* as they are printed, after table_start() ... */
	bool hidden[TABLE_COLUMNS_MAX];	    /* ... and what is not */
};

/* `columns` stay the caller's and must live as long. At most TABLE_COLUMNS_MAX. */
void table_init(struct table *table, const struct table_column *columns, size_t n_columns);
void table_deinit(struct table *table);

/* Copies the cells, foreign text made harmless. -ENOMEM. */
int table_add(struct table *table, const char *const *cells, enum output_style style);

/* Prints it with its head. */
void table_print(struct table *table);

/* The same in another order: the head, then row by row. No cells are added in between. */
void table_start(struct table *table);
void table_print_row(const struct table *table, size_t row);
