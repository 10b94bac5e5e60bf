/*
 * The access time of a terminal as evidence.
 *
 * The kernel moves it in steps: it is the second of the first read in each window of 8 s (windows
 * at multiples of 8 of the epoch), and later reads in the same window change nothing (measured,
 * Linux 6.18; fs: tty_update_time).  The owner can set it to anything, so an old value proves
 * nothing by itself; only movement, and standing still under observation, are evidence.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/facts.h"

/* Keys that become signals (^C at a prompt) or stop the output leave no trace in their terminal. Nobody presses more
 * of them between two looks. */
#define TERMINAL_SIGNAL_KEYS_MOST 8

/* The end of the window in which further reads do not show. */
static inline int64_t terminal_window_end_s(int64_t atime_s)
{
	return (atime_s | 7) + 1;
}

/* Of the wall clock at two samples.  When it was set forward between them, a terminal that was read before that looks as
 * if it had not been: what came first is counted on the clock that was behind. */
static inline int64_t terminal_offset_ns(int64_t before_ns, int64_t now_ns)
{
	return before_ns < now_ns ? before_ns : now_ns;
}

/* True only when nothing was read from the terminal from `from_realtime_ns` to the second look. */
static inline bool terminal_not_read_since(int64_t atime_before_s, int64_t atime_now_s,
					   int64_t from_realtime_ns)
{
	return atime_before_s == atime_now_s &&
	       from_realtime_ns >= terminal_window_end_s(atime_before_s) * NS_PER_S;
}
