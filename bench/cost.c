/*
 * cost ROUNDS: what the observers' work costs, with the daemon's own code.
 *
 * One full look over /proc in the daemon's slices, then ROUNDS samples of each session found, round robin,
 * and as many quiet looks, and ROUNDS times the children of our parent.  Prints one JSON object: how many
 * sessions, CPU time of each slice, and percentiles of what one sample, one quiet look and one list of children takes,
 * all in ns.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "observe/children.h"
#include "observe/finder.h"

#define SESSIONS_MAX 20000

static struct watch *watches[SESSIONS_MAX];
static size_t n_watches;

static void on_found(void *context, struct watch *watch)
{
	(void)context;
	if (n_watches == SESSIONS_MAX)
		abort();
	watches[n_watches++] = watch;
}

static int compare(const void *a, const void *b)
{
	const int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return (one > other) - (one < other);
}

static void print_percentiles(const char *name, int64_t *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	(void)printf("\"%s\":{\"n\":%zu", name, n);
	if (n > 0)
		(void)printf(",\"p10\":%" PRId64 ",\"median\":%" PRId64 ",\"p90\":%" PRId64
			     ",\"p99\":%" PRId64 ",\"max\":%" PRId64,
			     values[n / 10], values[n / 2], values[n * 9 / 10],
			     values[n * 99 / 100], values[n - 1]);
	(void)printf("}");
}

static void look(struct finder *finder)
{
	static int64_t slices[1 << 16];
	size_t n = 0;
	int r;

	do {
		int64_t from_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		r = finder_look(finder, clock_ns(CLOCK_MONOTONIC), FINDER_SLICE_NS);
		if (n < sizeof(slices) / sizeof(slices[0]))
			slices[n++] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from_ns;
	} while (r == 1);
	print_percentiles("slices", slices, n);
}

static void take_samples(size_t rounds)
{
	int64_t *costs = calloc(rounds * n_watches + 1, sizeof(*costs));
	size_t n = 0;

	if (!costs)
		abort();
	/* The first sample of each lists its channels. */
	for (size_t round = 0; round <= rounds; round++) {
		for (size_t i = 0; i < n_watches; i++) {
			struct sample sample;
			bool changed;
			int64_t from_ns = clock_ns(CLOCK_MONOTONIC);
			int r = watch_sample(watches[i], &sample, &changed);

			if (r == 0 && round > 0)
				costs[n++] = clock_ns(CLOCK_MONOTONIC) - from_ns;
		}
	}
	print_percentiles("sample", costs, n);
	free(costs);
}

/* Of sessions that are still. */
static void take_quiet_looks(size_t rounds)
{
	int64_t *costs = calloc(rounds * n_watches + 1, sizeof(*costs));
	size_t n = 0;

	if (!costs)
		abort();
	for (size_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < n_watches; i++) {
			int64_t from_ns = clock_ns(CLOCK_MONOTONIC);

			if (watch_is_still(watches[i]))
				costs[n++] = clock_ns(CLOCK_MONOTONIC) - from_ns;
		}
	}
	print_percentiles("quiet look", costs, n);
	free(costs);
}

static void read_children(size_t rounds)
{
	int64_t *costs = calloc(rounds + 1, sizeof(*costs));

	if (!costs)
		abort();
	for (size_t round = 0; round < rounds; round++) {
		struct process_list list = { 0 };
		int64_t from_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		if (children_read(getppid(), 1, &list) < 0)
			abort();
		costs[round] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from_ns;
		process_list_deinit(&list);
	}
	print_percentiles("children", costs, rounds);
	free(costs);
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
	struct rlimit limit;
	struct finder *finder;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (finder_new(UINT32_MAX, on_found, NULL, &finder) < 0)
		return 1;
	(void)printf("{");
	look(finder);
	(void)printf(",\"sessions\":%zu,", n_watches);
	take_samples(rounds);
	(void)printf(",");
	take_quiet_looks(rounds);
	(void)printf(",");
	read_children(rounds);
	(void)printf("}\n");
	for (size_t i = 0; i < n_watches; i++)
		watch_free(watches[i]);
	finder_free(finder);
	return 0;
}
