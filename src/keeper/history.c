#include "keeper/history.h"

#include <stdlib.h>

#include "keeper/utf8.h"

enum { BLOCK_BYTES = 32 * 1024 };

/* What stands before a character; no character of a screen is a control. */
enum mark { MARK_PEN = 1, MARK_WIDE = 2, MARK_COMBINED = 3 };

/* A line: its length, its bytes, and its length again for the way back. */
struct history_block {
	TAILQ_ENTRY(history_block) link;
	size_t used, room;
	uint8_t bytes[];
};

enum { LENGTH_BYTES = sizeof(uint32_t), CELL_MOST_BYTES = 64 };

void history_init(struct history *history, size_t most_bytes)
{
	*history = (struct history){ .most_bytes = most_bytes };
	TAILQ_INIT(&history->blocks);
}

void history_deinit(struct history *history)
{
	if (history->blocks.tqh_last)
		history_clear(history);
	free(history->line);
	history->line = NULL;
	history->line_room = 0;
}

static uint32_t length_at(const struct history_block *block, size_t at)
{
	uint32_t length;

	memcpy(&length, block->bytes + at, sizeof(length));
	return length;
}

static size_t count_lines(const struct history_block *block)
{
	size_t n = 0;

	for (size_t at = 0; at < block->used; at += 2 * LENGTH_BYTES + length_at(block, at))
		n++;
	return n;
}

static void remove_block(struct history *history, struct history_block *block)
{
	TAILQ_REMOVE(&history->blocks, block, link);
	history->n_bytes -= sizeof(*block) + block->room;
	history->n_lines -= count_lines(block);
	free(block);
}

void history_clear(struct history *history)
{
	while (!TAILQ_EMPTY(&history->blocks))
		remove_block(history, TAILQ_FIRST(&history->blocks));
}

static struct history_block *add_block(struct history *history, size_t room)
{
	struct history_block *block;

	while (!TAILQ_EMPTY(&history->blocks) &&
	       history->n_bytes + sizeof(*block) + room > history->most_bytes)
		remove_block(history, TAILQ_FIRST(&history->blocks));
	if (sizeof(*block) + room > history->most_bytes)
		return NULL;
	block = malloc(sizeof(*block) + room);
	if (!block)
		return NULL;
	block->used = 0;
	block->room = room;
	TAILQ_INSERT_TAIL(&history->blocks, block, link);
	history->n_bytes += sizeof(*block) + room;
	return block;
}

static size_t put_cell(const struct cell *cell, struct pen *pen, uint8_t *to)
{
	size_t n = 0;

	/* What most cells are. */
	if (cell->chars[0] >= ' ' && cell->chars[0] < 0x7f && cell->chars[1] == 0 &&
	    pen_equal(&cell->pen, pen)) {
		to[0] = (uint8_t)cell->chars[0];
		return 1;
	}
	if (!pen_equal(&cell->pen, pen)) {
		*pen = cell->pen;
		to[n++] = MARK_PEN;
		memcpy(to + n, pen, sizeof(*pen));
		n += sizeof(*pen);
	}
	if (cell->width == 2)
		to[n++] = MARK_WIDE;
	if (cell->chars[0] == 0)
		to[n++] = ' ';
	for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell->chars[i] != 0; i++) {
		if (i > 0)
			to[n++] = MARK_COMBINED;
		n += utf8_put(cell->chars[i], to + n);
	}
	return n;
}

/* Returns the bytes of the line in history->line; 0 also without memory. */
static size_t write_line(struct history *history, const struct cell *cells, int n_cells)
{
	struct pen pen = pen_plain();
	size_t n = 0, room = 0;

	while (n_cells > 0 && cell_is_blank(&cells[n_cells - 1]))
		n_cells--;
	room = (size_t)n_cells * CELL_MOST_BYTES;
	if (room > history->line_room) {
		uint8_t *line = realloc(history->line, room);

		if (!line)
			return 0;
		history->line = line;
		history->line_room = room;
	}
	for (int i = 0; i < n_cells; i++)
		if (cells[i].width > 0)
			n += put_cell(&cells[i], &pen, history->line + n);
	return n;
}

void history_push(struct history *history, const struct cell *cells, int n_cells)
{
	const uint32_t n = (uint32_t)write_line(history, cells, n_cells);
	const size_t need = n + 2 * (size_t)LENGTH_BYTES;
	const size_t usual =
		history->most_bytes / 8 < BLOCK_BYTES ? history->most_bytes / 8 : BLOCK_BYTES;
	struct history_block *block = TAILQ_LAST(&history->blocks, history_blocks);

	history->n_ever++;
	if (!block || block->room - block->used < need)
		block = add_block(history, need > usual ? need : usual);
	if (!block)
		return;
	memcpy(block->bytes + block->used, &n, LENGTH_BYTES);
	if (n > 0)
		memcpy(block->bytes + block->used + LENGTH_BYTES, history->line, n);
	memcpy(block->bytes + block->used + LENGTH_BYTES + n, &n, LENGTH_BYTES);
	block->used += need;
	history->n_lines++;
}

/* To the end of the line before. */
static bool step_back(struct history_reader *reader)
{
	while (reader->block && reader->at == 0) {
		reader->block = TAILQ_PREV(reader->block, history_blocks, link);
		if (reader->block)
			reader->at = reader->block->used;
	}
	if (!reader->block)
		return false;
	reader->at -= 2 * LENGTH_BYTES + length_at(reader->block, reader->at - LENGTH_BYTES);
	return true;
}

void history_drop(struct history *history, size_t n_lines)
{
	for (; n_lines > 0 && history->n_lines > 0; n_lines--) {
		struct history_block *block = TAILQ_LAST(&history->blocks, history_blocks);

		block->used -= 2 * LENGTH_BYTES + length_at(block, block->used - LENGTH_BYTES);
		history->n_lines--;
		history->n_ever--;
		if (block->used == 0)
			remove_block(history, block);
	}
}

void history_read(const struct history *history, size_t n_lines, struct history_reader *ret_reader)
{
	*ret_reader = (struct history_reader){
		.block = TAILQ_LAST(&history->blocks, history_blocks),
	};
	if (ret_reader->block)
		ret_reader->at = ret_reader->block->used;
	for (; n_lines > 0; n_lines--) {
		if (step_back(ret_reader))
			continue;
		ret_reader->block = TAILQ_FIRST(&history->blocks);
		return;
	}
}

bool history_next_line(struct history_reader *reader)
{
	uint32_t length;

	while (reader->block && reader->at == reader->block->used) {
		reader->block = TAILQ_NEXT(reader->block, link);
		reader->at = 0;
	}
	if (!reader->block)
		return false;
	length = length_at(reader->block, reader->at);
	reader->next = reader->block->bytes + reader->at + LENGTH_BYTES;
	reader->end = reader->next + length;
	reader->at += 2 * LENGTH_BYTES + length;
	reader->pen = pen_plain();
	return true;
}

bool history_next_cell(struct history_reader *reader, struct cell *ret_cell)
{
	int i = 0;

	if (reader->next == reader->end)
		return false;
	memset(ret_cell, 0, sizeof(*ret_cell));
	ret_cell->width = 1;
	if (*reader->next == MARK_PEN) {
		memcpy(&reader->pen, reader->next + 1, sizeof(reader->pen));
		reader->next += 1 + sizeof(reader->pen);
	}
	if (*reader->next == MARK_WIDE) {
		ret_cell->width = 2;
		reader->next++;
	}
	ret_cell->pen = reader->pen;
	reader->next += utf8_get(reader->next, &ret_cell->chars[i++]);
	while (reader->next < reader->end && *reader->next == MARK_COMBINED &&
	       i < VTERM_MAX_CHARS_PER_CELL)
		reader->next += 1 + utf8_get(reader->next + 1, &ret_cell->chars[i++]);
	return true;
}
