/* The difference of two texts for people: what `diff -u` prints. */
#pragma once

#include <stdio.h>

/* Prints it with `name` on both sides, nothing when the texts are equal.  A NULL text is a file that is
 * not there. -ENOMEM. */
int diff_print(const char *name, const char *old_text, const char *new_text, FILE *file);
