/*
 * The escape character of `sshidle resume`, as ssh(1) has it: typed at the beginning of a line and
 * followed by a dot it lets go of the terminal.
 *
 * Only where it is typed: what comes in one piece of more than 16 bytes is a paste, or a machine, and
 * goes through as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { ESCAPE_NAME_BYTES = 3 };

enum escape_wish { ESCAPE_NOTHING, ESCAPE_LEAVE, ESCAPE_HELP };

struct escape {
	int character;	   /* -1: none */
	bool line_started; /* something has been typed in this line */
	bool held;	   /* the character has come and is not passed on yet */
};

/* Takes one piece of input. Writes what is to be passed on, at most n + 1 bytes. */
enum escape_wish escape_take(struct escape *escape, const char *bytes, size_t n, char *ret_bytes,
			     size_t *ret_n);

/* As it is written: "~", "^B". */
void escape_name(int character, char ret_name[static ESCAPE_NAME_BYTES]);

/* "~", "^B" or "none". -EINVAL. */
int escape_parse(const char *text, int *ret_character);
