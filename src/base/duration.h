/* Spans of time as people write and read them: sshd_config(5) TIME FORMATS. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL

#define DURATION_TEXT_BYTES 32

/*
 * Parses "90", "15m", "1h30m", "1w2d" (units s m h d w, any case, a bare number is seconds) into
 * nanoseconds.  0 is allowed.  -EINVAL for anything else, also for the empty text; -ERANGE when it
 * does not fit (more than about 292 years).
 */
int duration_parse(const char *text, int64_t *ret_ns);

/*
 * Writes a span for people: "0s", "45s", "1m30s", "15m", "1h30m", "2d3h"; at most the two largest
 * units, rounded down to seconds below that.  Negative spans read as 0s, INT64_MAX as "none".
 * Below 10 s a tenth is shown when there is one ("0.4s", "2.5s").
 */
void duration_format(int64_t ns, char ret_text[static DURATION_TEXT_BYTES]);

/*
 * The same span so that duration_parse() gives it back exactly (to the second): "1h30m", "none"
 * for INT64_MAX.
 */
void duration_format_exact(int64_t ns, char ret_text[static DURATION_TEXT_BYTES]);
