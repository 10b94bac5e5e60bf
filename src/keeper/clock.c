#include "keeper/clock.h"

#include "base/clock.h"

int64_t clock_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

struct timeval clock_until(int64_t at_ns)
{
	return clock_span(at_ns - clock_now_ns());
}
