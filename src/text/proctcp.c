#include "text/proctcp.h"

#include <string.h>

/* Columns: number, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode. */
enum { COLUMN_LOCAL = 1, COLUMN_STATE = 3, COLUMN_INODE = 9 };

/* Of IPv4. The kernel prints the number that the four bytes are in its memory. */
enum { ADDRESS_DIGITS = 8 };

static int digit(char c, unsigned base)
{
	int value = -1;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'A' && c <= 'F')
		value = c - 'A' + 10;
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	return value < (int)base ? value : -1;
}

/* A whole word as a number. */
static bool number(const char *at, const char *end, unsigned base, uint64_t *ret_number)
{
	uint64_t value = 0;

	if (at == end)
		return false;
	for (; at < end; at++) {
		const int next = digit(*at, base);

		if (next < 0 || value > (UINT64_MAX - (uint64_t)next) / base)
			return false;
		value = value * base + (uint64_t)next;
	}
	*ret_number = value;
	return true;
}

static bool take_column(int column, const char *word, const char *end, struct proctcp_row *row)
{
	const char *colon;
	uint64_t value;

	switch (column) {
	case COLUMN_LOCAL:
		colon = memchr(word, ':', (size_t)(end - word));
		if (!colon || !number(colon + 1, end, 16, &value) || value > UINT16_MAX)
			return false;
		row->port = (uint16_t)value;
		if (colon - word == ADDRESS_DIGITS && number(word, colon, 16, &value))
			row->address = (uint32_t)value;
		return true;
	case COLUMN_STATE:
		if (!number(word, end, 16, &value) || value > UINT8_MAX)
			return false;
		row->state = (uint8_t)value;
		return true;
	case COLUMN_INODE:
		return number(word, end, 10, &row->inode);
	}
	return true;
}

static bool take_row(const char *line, const char *end, struct proctcp_row *row)
{
	int column = 0;

	while (line < end) {
		const char *word;

		while (line < end && (*line == ' ' || *line == '\t'))
			line++;
		for (word = line; line < end && *line != ' ' && *line != '\t';)
			line++;
		if (word < line && !take_column(column++, word, line, row))
			return false;
	}
	return column > COLUMN_INODE;
}

bool proctcp_next(const char **at, const char *end, struct proctcp_row *ret_row)
{
	while (*at < end) {
		const char *line = *at;
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		struct proctcp_row row = { 0 };

		*at = newline ? newline + 1 : end;
		if (take_row(line, newline ? newline : end, &row)) {
			*ret_row = row;
			return true;
		}
	}
	return false;
}
