/*
 * The quiet looks: sessions at which a full look would most likely find nothing are asked each so often
 * whether anything has moved, all by one timer.
 *
 * A session is its slot (daemon/monitored.h).  Looks are rounded down to a sixteenth of their rhythm: the
 * process wakes up for many at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"

/* No more often, no more rarely. */
#define QUIET_LEAST_NS (10 * NS_PER_MS)
#define QUIET_MOST_NS  (60 * NS_PER_S)

struct event_base;
struct quiet;

/* Looks at one session. False: it is not to be looked at any more. */
typedef bool quiet_look_fn(void *context, uint32_t slot);

int quiet_new(struct event_base *base, quiet_look_fn *look, void *context,
	      struct quiet **ret_quiet);
void quiet_free(struct quiet *quiet);

/* From now on it is looked at each `every_ns`. -ENOMEM. */
int quiet_begin(struct quiet *quiet, uint32_t slot, int64_t every_ns);

/* Not any more; nothing happens where it was not. */
void quiet_end(struct quiet *quiet, uint32_t slot);
