/*
 * A walk over the processes of /proc.  What could not be read is not the end: half a list is none.  It stops where
 * it likes: unlike readdir(3) it asks the kernel for a hundred at a time, not for a thousand, which take it 2 ms and
 * more when they are new to its caches.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIDS_BYTES 4096

struct pids {
	int fd; /* -1: no walk is under way */
	size_t at, filled;
	union {
		uint64_t align;
		char bytes[PIDS_BYTES];
	} entries;
};

/* -errno. */
int pids_open(struct pids *pids);

/* 1 and the next pid; 0 behind the last; -errno. */
int pids_next(struct pids *pids, int32_t *ret_pid);

/* Also where none is under way. */
void pids_close(struct pids *pids);

/* All of them in one go. `look`: 0, go on; anything else ends the walk. Returns that, 0 behind the last, -errno. */
typedef int pids_look_fn(void *context, int32_t pid);
int pids_each(pids_look_fn *look, void *context);

/* What an errno of looking at one means: -ESRCH where it has ended, which is ENOENT for its directory. */
int pids_error(int error);

/* Of what came of looking at one: it has ended; or is not ours to see, as what has more capabilities than we have in a
 * container. */
bool pids_is_nobody(int r);
