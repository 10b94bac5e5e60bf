/* Small helpers for text of bounded size.  None of them allocates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copies foreign text so that it can be printed on a terminal or in a log: control characters,
 * bytes that are not part of valid UTF-8, C1 controls and backslashes become \xNN; with
 * `quote_space` spaces too.  Always terminated; cut off at a whole character or escape when it
 * does not fit.
 */
void text_escape(const char *text, bool quote_space, char *ret_text, size_t size);

/* Whether it could stand in a line on any terminal as it is: valid UTF-8 without control characters. */
bool text_is_printable(const char *text);

/* Copies as much as fits, always terminated. Returns false when it was cut off. */
bool text_copy(const char *text, char *ret_text, size_t size);

/* Appends printf(3) output to a terminated buffer. Returns false when it was cut off. */
bool text_append(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Decimal digits only, nothing before or after. -EINVAL or -ERANGE (> most) otherwise. */
int text_to_u64(const char *text, uint64_t most, uint64_t *ret_number);

bool text_equal(const char *a, const char *b);
bool text_starts(const char *text, const char *prefix);

/* Edit distance (insert, delete, replace, swap of neighbours), letters compared without case; for
 * "did you mean". At most 64 characters are compared. */
unsigned text_distance(const char *a, const char *b);
