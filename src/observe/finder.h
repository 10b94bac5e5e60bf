/*
 * Finds the SSH connections of the host: one full look at the start, in slices, then only the pids
 * handed out since the last look (the kernel tells the last one), and a full look once a
 * minute as a net.  Processes of a known server that are not (yet) an authenticated session are
 * looked at again each time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "observe/watch.h"

struct finder;

/* For a big host, so that nothing else has to wait long: at most 5 ms, as what was begun takes some time more. */
#define FINDER_SLICE_NS (3 * NS_PER_MS)

/* Called for each authenticated connection, once. The callee owns the watch. */
typedef void finder_found_fn(void *context, struct watch *watch);

/* `privsep_uid`: of the user "sshd", UINT32_MAX: there is none.  It is not looked up here, as databases of users make
 * calls that are in nobody's list (daemon/confine.h). */
int finder_new(uint32_t privsep_uid, finder_found_fn *found, void *context,
	       struct finder **ret_finder);
void finder_free(struct finder *finder);

/*
 * One look. Does at most about `slice_ns` of work (CPU time); returns 1 when there is more to do
 * (call again soon), 0 when the look is complete, or -errno when /proc cannot be read at all.
 */
int finder_look(struct finder *finder, int64_t now_ns, int64_t slice_ns);

/* As watch_trouble(), of what cannot be seen on this host at all. */
const char *finder_trouble(struct finder *finder);

/* The watch of this connection was freed: forget it, so that what remains of its server may be
 * found again. */
void finder_forget(struct finder *finder, const struct session_identity *identity);
