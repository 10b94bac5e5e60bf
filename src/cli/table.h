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
	char **cells;		   /* owned, n_columns for each row */
	enum output_style *styles; /* of the last cell of each row */
	size_t n_columns, n_rows, room;
};

/* `columns` stay the caller's and must live as long. At most TABLE_COLUMNS_MAX. */
void table_init(struct table *table, const struct table_column *columns, size_t n_columns);
void table_deinit(struct table *table);

/* Copies the cells, foreign text made harmless. -ENOMEM. */
int table_add(struct table *table, const char *const *cells, enum output_style style);

/* Prints it with its head. */
void table_print(const struct table *table);
