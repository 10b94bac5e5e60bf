/*
 * Ends one connection and keeps what runs in its terminals, step by step.
 *
 *   start    a keeper (keeper/keeper.h) for each terminal, one after the other, and one park of a user after
 *            the other: ParkMax counts the keepers that listen, and they do when they have started.  A keeper that holds
 *            a terminal releases its output when this process is killed: so nothing is stopped
 *            before all of them hold theirs
 *   notice   a line on the terminals
 *   stop     the terminals' output, one after the other (act/park-stop.h): writers wait, nothing is lost
 *   drain    all that was printed before goes to the client (act/park-drain.h)
 *   guard    has anybody come back?  Then output goes on and the keepers let go
 *   cut      as any other (act/cut.h).  The keepers read when the server's process has ended, so no
 *            byte is read twice; then output goes on
 *   mend     what the server did to the terminal's node at its end (act/park-mend.h)
 *
 * Whatever fails before the cut leaves the session as it was.  After it, nothing can: a keeper that
 * holds a terminal does all of its part alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/order.h"
#include "observe/watch.h"

struct park;

struct park_setup {
	int starter; /* of act/helper.h; borrowed */
	const char *runtime_dir;
	int64_t realtime_ns;	/* CLOCK_REALTIME, now */
	struct park **starting; /* the first of all parks in that stage; one for all of them */
};

/* `watch` and `setup` (but its time) are borrowed for as long as the park lives. -EBUSY: the session
 * was used; -errno. */
int park_new(struct watch *watch, const struct order_cut *request, const struct park_setup *setup,
	     struct park **ret_park);
/* Before the cut: undoes it all. */
void park_free(struct park *park);

/* One step, as cut_step(). */
int64_t park_step(struct park *park, bool server_ended, int64_t now_ns);

/* Why the output could not be stopped without the risk of losing a line end; 0: it could. */
int park_is_rough(const struct park *park);

/* Fills everything but the handle. */
void park_result(const struct park *park, struct order_cut_done *ret_done);
