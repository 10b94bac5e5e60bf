/* Puts one line on terminals of a session, from the outside, without ever waiting for one. */
#pragma once

#include <stdint.h>

#include "observe/watch.h"

struct notice_result {
	uint32_t reached, missed; /* terminals */
	uint32_t bytes;		  /* of output that the server will read from them for it */
};

/*
 * Writes `text` (printable, one line, no line end) to the terminal N of /dev/pts/N, or to all of
 * the session's terminals when `tty` is -1.  A terminal that is stopped or full is missed: nothing
 * stays queued for it.  The slave is opened through the server's own master, so it is the session's
 * and no other's.
 */
struct notice_result notice_show(const struct watch *watch, int32_t tty, const char *text);

/* Nothing of what was written waits in the session's terminals or in its socket any more; also true
 * when that cannot be seen. */
bool notice_is_out(const struct watch *watch);
