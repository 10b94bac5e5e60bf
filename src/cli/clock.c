#include "cli/clock.h"

#include "base/clock.h"
#include "base/duration.h"

int64_t clock_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_now_ms(void)
{
	return clock_now_ns() / NS_PER_MS;
}

int64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}
