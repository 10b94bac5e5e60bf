/* The files of a pattern.  glob(3) of glibc takes a directory whose list fails half-way for one that ends there, and one
 * that cannot be opened for one that is not there. */
#pragma once

#include <stddef.h>

struct files {
	char **paths; /* owned */
	size_t n;
};

/* What a glob(7) pattern gives, in the order of their names; nothing is 0 too, and so is a slash behind a backslash.
 * -errno when a directory could not be listed to its end, or a name is too long; only a directory that is itself found by
 * the pattern may refuse, or be a link to itself. */
int files_find(const char *pattern, struct files *ret_files);
void files_deinit(struct files *files);
