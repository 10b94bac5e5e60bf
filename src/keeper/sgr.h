/*
 * Attributes as programs set them (SGR, CSI ... m), one after the other.
 *
 * The two ways to write colours (38;2;r;g;b and 38:2::r:g:b) come out the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SGR_NUMBERS_MOST 6

struct sgr {
	unsigned numbers[SGR_NUMBERS_MOST]; /* 38, 2, r, g, b; what is missing is 0 */
	size_t n;			    /* at least 1 */
	bool sub;			    /* written with colons */
};

/* The next attribute between *at and `end` (behind "CSI", before "m"); false: there is none. Moves
 * *at; it begins as NULL-terminated by `end`: "" is one attribute, 0. */
bool sgr_next(const char **at, const char *end, struct sgr *ret_sgr);
