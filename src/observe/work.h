/*
 * Trees of processes and the CPU time they spend: the evidence of work.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "observe/process.h"

/* Called for each process of a tree, parents before their children. A negative value ends the walk.
 */
typedef int work_visit_fn(void *context, const struct procstat *stat);

/*
 * Visits `root` and all its descendants, zombies left out. A process that was left by its parent is
 * no longer among them. At most WORK_PROCESSES_MAX: -E2BIG. -ESRCH: the root has ended.
 */
#define WORK_PROCESSES_MAX 65536
int work_walk(int32_t root, work_visit_fn *visit, void *context);

/* CPU time of all of them and of all children that they reaped. */
int work_read(int32_t root, uint64_t *ret_ns);
