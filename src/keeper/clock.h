/* The clocks of the keeper. */
#pragma once

#include <stdint.h>
#include <sys/time.h>

int64_t clock_now_ns(void);  /* CLOCK_MONOTONIC */
int64_t clock_wall_ns(void); /* CLOCK_REALTIME */

/* From now until that time, for a libevent timer; not negative. */
struct timeval clock_until(int64_t at_ns);
