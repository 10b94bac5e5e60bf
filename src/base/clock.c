#include "base/clock.h"

#include "base/duration.h"

int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

struct timeval clock_span(int64_t ns)
{
	/* A look shortly before its time would find nothing to do and look again. */
	const int64_t us = ns > 0 ? (ns + 999) / 1000 : 0;

	return (struct timeval){ .tv_sec = (time_t)(us / 1000000),
				 .tv_usec = (suseconds_t)(us % 1000000) };
}

void clock_format_wall(int64_t wall_ns, char ret_text[static CLOCK_TEXT_BYTES])
{
	const time_t at = (time_t)(wall_ns / NS_PER_S);
	struct tm parts;

	(void)gmtime_r(&at, &parts);
	(void)strftime(ret_text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
