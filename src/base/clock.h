/* The kernel's clocks, as times in nanoseconds. */
#pragma once

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define CLOCK_TEXT_BYTES 32

int64_t clock_ns(clockid_t clock);

/* For a timer of libevent: rounded up, not negative. */
struct timeval clock_span(int64_t ns);

/* A point of CLOCK_REALTIME as "2026-11-22T10:11:12Z". */
void clock_format_wall(int64_t wall_ns, char ret_text[static CLOCK_TEXT_BYTES]);
