/*
 * The brake: when far more sessions are past their limit at once than an administrator would
 * believe, something is wrong with the limit or with us, and most of them are worth keeping until
 * somebody has looked.  At most `most` ends in any span; the rest waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BRAKE_MOST 10000

struct brake_cut {
	int64_t at_ns;
	uint32_t uid; /* whose session, or who asked */
};

struct brake {
	struct brake_cut *cuts; /* owned; ring of the last `most`, the oldest at `next` */
	int64_t span_ns;
	uint32_t most, next;
};

/* Keeps what it knows of past cuts as far as it fits. -ENOMEM leaves the old setting; -EINVAL for 0
 * or more than BRAKE_MOST. */
int brake_set(struct brake *brake, uint32_t most, int64_t span_ns);
void brake_deinit(struct brake *brake);

/* True when no further cut is allowed at this time. */
bool brake_on(const struct brake *brake, int64_t now_ns);
void brake_note_cut(struct brake *brake, uint32_t uid, int64_t now_ns);

/* The one noted then did not take place. */
void brake_take_back(struct brake *brake, uint32_t uid, int64_t noted_at_ns);

/* How many more are allowed at this time, and how many of the last were this user's. */
uint32_t brake_free(const struct brake *brake, int64_t now_ns);
uint32_t brake_taken(const struct brake *brake, uint32_t uid, int64_t now_ns);
