#include "keeper/clock.h"

#include <time.h>

#include "base/clock.h"

enum { NS_PER_US = 1000 };

static const int64_t ns_per_s = 1000000000;

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
	const int64_t after_ns = at_ns - clock_now_ns();

	if (after_ns <= 0)
		return (struct timeval){ .tv_sec = 0 };
	return (struct timeval){ .tv_sec = (time_t)(after_ns / ns_per_s),
				 .tv_usec = (suseconds_t)(after_ns % ns_per_s / NS_PER_US) };
}

void clock_format_utc(int64_t wall_ns, char ret_text[static CLOCK_TEXT_BYTES])
{
	const time_t at = (time_t)(wall_ns / ns_per_s);
	struct tm parts;

	(void)gmtime_r(&at, &parts);
	(void)strftime(ret_text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
