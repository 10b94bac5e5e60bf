#include "cli/clock.h"

#include "base/clock.h"

int64_t clock_now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}
