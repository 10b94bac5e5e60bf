#include "base/clock.h"

static const int64_t ns_per_s = 1000000000;

int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * ns_per_s + now.tv_nsec;
}
