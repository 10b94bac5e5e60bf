/*
 * Many timers on one event of the loop: a heap.  libevent's own timers are 128 bytes each, and there is one
 * for each session.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct timers;

/* Zeroed but for the context: not set. */
struct timer {
	int64_t at_ns;
	void *context;
	size_t place; /* in the heap, from 1 on; 0: not set */
};

/* Called once for each time that a timer was set, not before that time. It may set and drop timers. */
typedef void timers_due_fn(void *context);

int timers_new(struct event_base *base, timers_due_fn *due, struct timers **ret_timers);
void timers_free(struct timers *timers);

/* Room for so many, without which none may be set. -ENOMEM. */
int timers_reserve(struct timers *timers, size_t n);

/* Sets it, also anew. Without memory the loop is broken off. */
void timers_set(struct timers *timers, struct timer *timer, int64_t at_ns);

/* Set or not. */
void timers_drop(struct timers *timers, struct timer *timer);
