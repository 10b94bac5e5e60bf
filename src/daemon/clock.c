#include "daemon/clock.h"

#include <event2/event.h>
#include <time.h>

#include "base/duration.h"
#include "base/log.h"

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
	return clock_span(at_ns - clock_now_ns());
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

void clock_format_utc(int64_t at_ns, char ret_text[static CLOCK_TEXT_BYTES])
{
	clock_format_wall(at_ns + clock_realtime_offset_ns(), ret_text);
}

void clock_format_local(int64_t at_ns, char ret_text[static CLOCK_TEXT_BYTES])
{
	const time_t at = (time_t)((at_ns + clock_realtime_offset_ns()) / NS_PER_S);
	struct tm parts;

	(void)localtime_r(&at, &parts);
	(void)strftime(ret_text, CLOCK_TEXT_BYTES, "%H:%M:%S", &parts);
}
