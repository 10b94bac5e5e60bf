/*
 * Ends one connection, step by step.
 *
 *   notice     a line on its terminals, a moment for it to reach the client
 *   shutdown   shutdown(SHUT_RDWR) on the borrowed socket: to the server it is a lost line, so it
 *              cleans up fully (login records, PAM, agent sockets), for every server, without a
 *              signal
 *   escalate   still there 5 s later: SIGTERM, another 5 s later SIGKILL, to the ledger process
 *              and never to OpenSSH's monitor (killing that ends nothing)
 *   hang up    commands without a terminal get no hang-up from any server: SIGHUP to them, unless
 *              they were started to outlive their session (own session id)
 *   survey     which of the session's processes live on
 *
 * Time is a parameter and nothing waits: call cut_step() when it asks for it, and when the ledger
 * process has ended.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/order.h"
#include "observe/watch.h"

struct cut;

/* `watch` is borrowed for as long as the cut lives. -EBUSY: the session was used; -errno. */
int cut_new(struct watch *watch, const struct order_cut *request, int64_t now_ns,
	    struct cut **ret_cut);
void cut_free(struct cut *cut);

/* One step. Returns when to call again, or TIME_NEVER when done: then `cut_result` tells. */
int64_t cut_step(struct cut *cut, bool server_ended, int64_t now_ns);

/* Fills everything but the handle. */
void cut_result(const struct cut *cut, struct order_cut_done *ret_done);
