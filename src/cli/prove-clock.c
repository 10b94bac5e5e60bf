/* The clocks of sshidle prove: spans by one that nobody sets, times of day for the evidence. */
#include <time.h>

#include "base/clock.h"
#include "cli/prove.h"

int64_t prove_clock_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void prove_clock_utc(char ret_text[static PROVE_TIME_BYTES])
{
	struct timespec now;
	struct tm parts;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	ret_text[0] = '\0';
	if (gmtime_r(&now.tv_sec, &parts))
		(void)strftime(ret_text, PROVE_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
