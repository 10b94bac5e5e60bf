/*
 * Texts that many sessions have, each there once: the names of their users.
 */
#pragma once

#include <stddef.h>

struct name;

/* Zeroed: none. */
struct names {
	struct name **rows; /* in order of their texts */
	size_t n, size;
};

/* The text as it is here, until it was dropped as often as it was taken. NULL without memory. */
const char *names_take(struct names *names, const char *text);

void names_drop(struct names *names, const char *text);

/* After all were dropped. */
void names_deinit(struct names *names);
