/*
 * The children of a process.  Where the kernel has no list of them (/proc/PID/task/TID/children, CONFIG_PROC_CHILDREN)
 * they are found by a walk over /proc, at a price: see children.c.
 */
#pragma once

#include <stdint.h>

#include "observe/process.h"

/*
 * Appends the children of all threads, zombies included, in the order of their birth.  Who is a child all through the
 * call is in the list; who comes or goes meanwhile may be.  `n_threads`: as in struct procstat.  -ESRCH: the
 * process has gone.  -errno: the list may lack some.
 */
int children_read(int32_t pid, int n_threads, struct process_list *list);

/*
 * Between the two children_read() may answer from a walk that another call of it made, of processes that were there
 * then.  They may be nested; a process that was not there then is walked for anew.
 */
void children_hold(void);
void children_release(void);
