/*
 * The last use of something, as an interval.
 *
 * An observation never gives the moment of a use, only bounds of it: the counter moved between
 * two looks.  `latest_ns` is what safety rests on (never act before latest + limit),
 * `latest_ns - earliest_ns` is how late an action may come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bounds {
	int64_t earliest_ns;
	int64_t latest_ns;
};

/* There was a use somewhere in [from, to]; it becomes the last one unless a later one is known. */
void bounds_use(struct bounds *bounds, int64_t from_ns, int64_t to_ns);

/* There was certainly no use after `at_ns`. */
void bounds_none_after(struct bounds *bounds, int64_t at_ns);

/* The last use of either: both ends are the later ones. */
struct bounds bounds_later(struct bounds a, struct bounds b);
