/*
 * Sessions, events and the state of the daemon as the control socket shows them
 * (io.sshidle.varlink).
 *
 * Foreign text goes out as it is where it is valid UTF-8 and else escaped; whoever prints it
 * escapes it for a terminal.  All functions return NULL when there is no memory; what they
 * return is the caller's.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "daemon/engine.h"

/* The moment that ages are counted from, and what turns monotonic time into time of day. */
struct view_clock {
	int64_t now_ns;
	int64_t realtime_offset_ns;
};

struct view_clock view_clock_now(void);

/* "2026-11-22T10:11:12Z" of a monotonic time. */
void view_time(const struct view_clock *clock, int64_t at_ns,
	       char ret_text[static CLOCK_TEXT_BYTES]);
json_t *view_time_new(const struct view_clock *clock, int64_t at_ns);

/* Seconds, to the millisecond; TIME_NEVER is null. */
json_t *view_span_new(int64_t span_ns);

/* Foreign text where there always is some; NULL is "". */
json_t *view_text_new(const char *text);

/* Foreign text that may be unknown; "" is null. */
json_t *view_foreign_new(const char *text);

/*
 * The channel that decides about the connection: the last one to reach its limit, and the last
 * one used among those without. ret_end_ns is when it does, TIME_NEVER without a limit. NULL:
 * nothing is known to be open yet.
 */
const struct channel *view_deciding(const struct session *session, int64_t *ret_end_ns);

/* The types Session, Event, Channel and the reply of Status. */
json_t *view_session_new(struct engine *engine, const struct session *session,
			 const struct view_clock *clock);

/* The type Line: as much of it as `sshidle list` shows. */
json_t *view_line_new(struct engine *engine, const struct session *session,
		      const struct view_clock *clock);
json_t *view_event_new(const struct engine_event *event, const struct view_clock *clock);
json_t *view_channel_new(const struct session *session, const struct channel *channel,
			 const struct view_clock *clock);
json_t *view_status_new(struct engine *engine, size_t visible, const struct view_clock *clock);
