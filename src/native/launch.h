/* Programs of others, as they would run for somebody who has just logged in. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct launch {
	/* [0]: its path; it runs in "/". */
	const char *const *argv;
	/* All of it. */
	char *const *environment;
	/* -1: /dev/null. It gets no others that close on exec. */
	int in, out, error;
	/* It leads a session of its own; or else a process group. */
	bool session;
};

/* No signal is ignored or blocked. The caller reaps. Returns 0 or -errno, also that of the execution. */
int launch_program(const struct launch *launch, pid_t *ret_pid);
