/*
 * Lines that have scrolled off the top, the oldest forgotten when they take too many bytes.
 *
 * A line is kept as UTF-8, with a mark and the pen where the pen changes; blank cells at its end are
 * left out.  Lines lie in blocks; whole blocks are forgotten.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "keeper/cell.h"

TAILQ_HEAD(history_blocks, history_block);

struct history {
	struct history_blocks blocks; /* the oldest first */
	uint8_t *line;		      /* owned; the one being written */
	size_t line_room;
	size_t n_bytes; /* of all blocks, as allocated */
	size_t most_bytes;
	size_t n_lines;
	uint64_t n_ever; /* lines that were ever pushed and not taken back */
};

/* Goes through the lines from one to the newest, or through the cells of one line. */
struct history_reader {
	const struct history_block *block;
	size_t at; /* within the block */
	const uint8_t *next, *end;
	struct pen pen;
};

void history_init(struct history *history, size_t most_bytes);
void history_deinit(struct history *history);

/* Without memory the line is lost. */
void history_push(struct history *history, const struct cell *cells, int n_cells);
void history_clear(struct history *history);

/* Forgets the newest lines. */
void history_drop(struct history *history, size_t n_lines);

/* Begins before the newest `n_lines` lines, or before the oldest if there are fewer. Valid until the
 * next change. */
void history_read(const struct history *history, size_t n_lines, struct history_reader *ret_reader);

/* To the next line; false: there is none. */
bool history_next_line(struct history_reader *reader);

/* The next cell of the line; a wide character's right half is none. False: the line ends. */
bool history_next_cell(struct history_reader *reader, struct cell *ret_cell);
