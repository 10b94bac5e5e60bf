#include "daemon/timers.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "daemon/clock.h"

struct timers {
	struct event *event;
	timers_due_fn *due;
	struct timer *
		*heap; /* from 1 on: a timer is due before those at twice its place, and one more */
	size_t n, size;
	int64_t event_at_ns; /* what the event is set to; 0: nothing */
};

static void put(struct timers *timers, size_t place, struct timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

static void rise(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	for (; place > 1 && timers->heap[place / 2]->at_ns > timer->at_ns; place /= 2)
		put(timers, place, timers->heap[place / 2]);
	put(timers, place, timer);
}

static void sink(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place, next;

	for (; place * 2 <= timers->n; place = next) {
		next = place * 2;
		if (next < timers->n && timers->heap[next + 1]->at_ns < timers->heap[next]->at_ns)
			next++;
		if (timers->heap[next]->at_ns >= timer->at_ns)
			break;
		put(timers, place, timers->heap[next]);
	}
	put(timers, place, timer);
}

static void set_event(struct timers *timers)
{
	if (timers->n == 0 || timers->heap[1]->at_ns == timers->event_at_ns)
		return;
	timers->event_at_ns = timers->heap[1]->at_ns;
	clock_ring(timers->event, timers->event_at_ns);
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
	struct timers *timers = context;
	int64_t now_ns = clock_now_ns();

	(void)fd;
	(void)what;
	while (timers->n > 0 && timers->heap[1]->at_ns <= now_ns) {
		struct timer *timer = timers->heap[1];

		timers_drop(timers, timer);
		timers->due(timer->context);
	}
	timers->event_at_ns = 0;
	set_event(timers);
}

int timers_new(struct event_base *base, timers_due_fn *due, struct timers **ret_timers)
{
	struct timers *timers = calloc(1, sizeof(*timers));

	if (!timers)
		return -ENOMEM;
	timers->due = due;
	timers->event = evtimer_new(base, on_event, timers);
	if (!timers->event) {
		free(timers);
		return -ENOMEM;
	}
	*ret_timers = timers;
	return 0;
}

void timers_free(struct timers *timers)
{
	if (!timers)
		return;
	event_free(timers->event);
	free(timers->heap);
	free(timers);
}

int timers_reserve(struct timers *timers, size_t n)
{
	size_t size = timers->size == 0 ? 64 : timers->size;
	struct timer **heap;

	while (size <= n)
		size *= 2;
	if (size == timers->size)
		return 0;
	heap = reallocarray(timers->heap, size, sizeof(struct timer *));
	if (!heap)
		return -ENOMEM;
	timers->heap = heap;
	timers->size = size;
	return 0;
}

void timers_set(struct timers *timers, struct timer *timer, int64_t at_ns)
{
	if (timer->place == 0)
		put(timers, ++timers->n, timer);
	timer->at_ns = at_ns;
	rise(timers, timer);
	sink(timers, timer);
	set_event(timers);
}

void timers_drop(struct timers *timers, struct timer *timer)
{
	struct timer *last;

	if (timer->place == 0)
		return;
	last = timers->heap[timers->n--];
	if (last != timer) {
		put(timers, timer->place, last);
		rise(timers, last);
		sink(timers, last);
	}
	timer->place = 0;
}
