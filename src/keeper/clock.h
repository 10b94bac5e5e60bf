/* The clocks of the keeper. */
#pragma once

#include <stdint.h>
#include <sys/time.h>

#define CLOCK_TEXT_BYTES 32

int64_t clock_now_ns(void);  /* CLOCK_MONOTONIC */
int64_t clock_wall_ns(void); /* CLOCK_REALTIME */

/* From now until that time, for a libevent timer; not negative. */
struct timeval clock_until(int64_t at_ns);

/* A point of CLOCK_REALTIME as "2026-11-22T10:11:12Z". */
void clock_format_utc(int64_t wall_ns, char ret_text[static CLOCK_TEXT_BYTES]);
