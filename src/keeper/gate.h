/*
 * The gate before libvterm: cuts what a program prints into text and whole control sequences.
 *
 * Whole, because a screen can be painted, and a client can join, only between two of them; the part
 * of one that has begun is held here until the rest comes.  And with limits, because libvterm 0.1.4
 * writes beyond its own arrays when a sequence has more than 16 arguments, or when text is not
 * UTF-8 (both found by the fuzzer): such a sequence is dropped, as are strings that no screen
 * needs, and such bytes become U+FFFD.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define GATE_HELD_BYTES 4096

enum gate_state {
	GATE_GROUND,
	GATE_CHARACTER, /* within UTF-8 */
	GATE_ESCAPE,
	GATE_CSI,
	GATE_STRING,
	GATE_STRING_ESCAPE,
};

struct gate {
	enum gate_state state;
	bool begun;	   /* something has come; before that, the end of a cut character may */
	size_t n;	   /* of what has begun, in all */
	size_t n_expected; /* of a character */
	char held[GATE_HELD_BYTES];
};

struct gate_sink {
	void (*text)(const char *bytes, size_t n, void *user);	   /* printable and C0 controls */
	void (*sequence)(const char *bytes, size_t n, void *user); /* ESC and what belongs to it */
	void *user;
};

void gate_feed(struct gate *gate, const char *bytes, size_t n, const struct gate_sink *sink);

/* What has begun and is not complete, within the gate. -E2BIG: it is longer than the gate holds. */
int gate_held(const struct gate *gate, const char **ret_bytes, size_t *ret_n);
