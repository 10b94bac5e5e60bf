#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/facts.h"
#include "daemon/clock.h"
#include "daemon/timers.h"

#define N 500

struct row {
	struct timer timer;
	bool dropped;
	unsigned rung;
};

static struct row rows[N];
static int64_t last_ns;
static unsigned n_rung;
static bool no_memory;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int __real_event_add(struct event *event, const struct timeval *after);
int __wrap_event_add(struct event *event, const struct timeval *after);

int __wrap_event_add(struct event *event, const struct timeval *after)
{
	return no_memory ? -1 : __real_event_add(event, after);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static void ring(void *context)
{
	struct row *row = context;

	assert_true(row->timer.at_ns >= last_ns);
	assert_true(clock_now_ns() >= row->timer.at_ns);
	last_ns = row->timer.at_ns;
	row->rung++;
	n_rung++;
}

/* In the order of their times whatever was set anew or dropped, each once, none too early. */
static void they_ring_in_order(void **state)
{
	struct event_base *base = event_base_new();
	int64_t start_ns = clock_now_ns();
	struct timers *timers;
	unsigned n_dropped = 0;

	(void)state;
	assert_int_equal(timers_new(base, ring, &timers), 0);
	assert_int_equal(timers_reserve(timers, N), 0);
	srandom(1);
	for (size_t i = 0; i < N; i++) {
		rows[i].timer.context = &rows[i];
		timers_set(timers, &rows[i].timer, start_ns + random() % (20 * NS_PER_MS));
	}
	for (size_t i = 0; i < N; i++) {
		if (i % 3 == 0)
			timers_set(timers, &rows[i].timer, start_ns + random() % (20 * NS_PER_MS));
		rows[i].dropped = i % 7 == 0;
		n_dropped += rows[i].dropped;
		if (rows[i].dropped)
			timers_drop(timers, &rows[i].timer);
	}
	while (n_rung < N - n_dropped)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(rows[i].rung, rows[i].dropped ? 0 : 1);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
	timers_free(timers);
	event_base_free(base);
}

/* Who watches without a timer never looks again: better not to go on. */
static void without_memory_the_loop_ends(void **state)
{
	struct event_base *base = event_base_new();
	struct timer timer = { .context = &rows[0] };
	struct timers *timers;

	(void)state;
	assert_int_equal(timers_new(base, ring, &timers), 0);
	assert_int_equal(timers_reserve(timers, 1), 0);
	no_memory = true;
	timers_set(timers, &timer, clock_now_ns());
	no_memory = false;
	assert_true(event_base_got_break(base));
	timers_free(timers);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_ring_in_order),
		cmocka_unit_test(without_memory_the_loop_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
