/*
 * The monitor: the privileged process.  Finds sessions, reads their counters when asked, shows
 * notices and ends what it is told to end, after a last look of its own.  Decides nothing and reads
 * nothing that a user sends.
 */
#pragma once

#include <stdint.h>

struct confine_witnesses;

struct monitor_options {
	int link_fd;	/* to the engine; taken over */
	int starter_fd; /* to the starter of keepers (daemon/starter.h); stays the caller's */
	const char *runtime_dir; /* of the keepers' sockets */
	int engine_pid;
	uint32_t privsep_uid;		     /* see observe/finder.h */
	struct confine_witnesses *witnesses; /* NULL: not confined */
	void (*ready)(
		void *context); /* called once, when the engine runs and the first look is done */
	void *context;
};

/* Runs until SIGTERM or SIGINT (returns 0), or until the engine is gone (returns 1). Never touches
 * a session on its way out. */
int monitor_run(const struct monitor_options *options);
