/*
 * Hangs up one terminal of a connection whose other channels are in use.
 *
 * TIOCVHANGUP would do it in one call but needs CAP_SYS_ADMIN (measured), which the monitor shall
 * not hold.  What the kernel does on a hang-up is done by signals instead: SIGHUP and SIGCONT to
 * the session leader (the shell passes it on to its jobs), and where that is ignored SIGKILL to the
 * leader 1 s later: when a session leader ends, the kernel hangs up its terminal.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/processes.h"
#include "core/order.h"

struct hangup;

/* -EBUSY: it was used; -ENOENT: no such terminal; -errno. */
int hangup_new(struct watch *watch, const struct order_hangup *request, int64_t now_ns,
	       struct hangup **ret_hangup);
void hangup_free(struct hangup *hangup);

/* One step; when to call again, or TIME_NEVER when done. */
int64_t hangup_step(struct hangup *hangup, int64_t now_ns);
/* Of output that the last line on the terminal makes. */
uint32_t hangup_notice_bytes(const struct hangup *hangup);

void hangup_result(const struct hangup *hangup, struct order_hangup_done *ret_done);
