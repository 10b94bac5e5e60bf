#include "daemon/clock.h"

#include <event2/event.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/facts.h"

int64_t clock_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

struct timeval clock_until(int64_t at_ns)
{
	int64_t after_ns = at_ns - clock_now_ns();

	if (after_ns < 0)
		after_ns = 0;
	/* Rounded up: a look shortly before its time would find nothing to do and look again. */
	after_ns += 999;
	return (struct timeval){ .tv_sec = (time_t)(after_ns / NS_PER_S),
				 .tv_usec = (suseconds_t)(after_ns % NS_PER_S / 1000) };
}

void clock_ring(struct event *timer, int64_t at_ns)
{
	struct timeval after = clock_until(at_ns);

	if (event_add(timer, &after) == 0)
		return;
	log_error("out of memory");
	(void)event_base_loopbreak(event_get_base(timer));
}

int64_t clock_realtime_offset_ns(void)
{
	return clock_ns(CLOCK_REALTIME) - clock_now_ns();
}

static time_t wall(int64_t at_ns)
{
	return (time_t)((at_ns + clock_realtime_offset_ns()) / NS_PER_S);
}

void clock_format_utc(int64_t at_ns, char ret_text[static CLOCK_TEXT_BYTES])
{
	time_t at = wall(at_ns);
	struct tm parts;

	(void)gmtime_r(&at, &parts);
	(void)strftime(ret_text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

void clock_format_local(int64_t at_ns, char ret_text[static CLOCK_TEXT_BYTES])
{
	time_t at = wall(at_ns);
	struct tm parts;

	(void)localtime_r(&at, &parts);
	(void)strftime(ret_text, CLOCK_TEXT_BYTES, "%H:%M:%S", &parts);
}
