/* The one clock of the daemon: CLOCK_MONOTONIC, and its conversions to what people read. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include "base/clock.h"

struct event;

int64_t clock_now_ns(void);

/* CPU time of this process, which has one thread. */
int64_t clock_cpu_ns(void);

/* From now until that time, for a libevent timer; not negative. */
struct timeval clock_until(int64_t at_ns);

/* Sets such a timer. Without memory for that its loop ends: what is to be done then would be waited for for ever. */
void clock_ring(struct event *timer, int64_t at_ns);

/* CLOCK_REALTIME - CLOCK_MONOTONIC, now. */
int64_t clock_realtime_offset_ns(void);

/* A point in time as "2026-11-22T10:11:12Z". */
void clock_format_utc(int64_t at_ns, char ret_text[static CLOCK_TEXT_BYTES]);

/* A point in time of the host's day, "15:04:05", in its own time zone, for people at a terminal. */
void clock_format_local(int64_t at_ns, char ret_text[static CLOCK_TEXT_BYTES]);
