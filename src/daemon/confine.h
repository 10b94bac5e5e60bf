/*
 * What each process of the daemon may still do once it is set up: its list of system calls, and
 * for the engine its list of places in the file system (sandbox/sandbox.h, decision 0021).
 */
#pragma once

#include <stdbool.h>

#include "sandbox/sandbox.h"

enum confine_process { CONFINE_ENGINE, CONFINE_MONITOR, CONFINE_STARTER, CONFINE_N };

/* Shared by the processes: what was forbidden to whom. */
struct confine_witnesses {
	struct sandbox_witness of[CONFINE_N];
};

/* Made by the parent of all. NULL: no memory. */
struct confine_witnesses *confine_witnesses_new(void);

/* NULL after the last; see sandbox_forbid_calls(). */
const struct sandbox_row *const *confine_tables(enum confine_process process);

/* NULL `witnesses`: nothing is forbidden (sshidled -S). 0; what goes wrong is told. */
int confine_calls(enum confine_process process, struct confine_witnesses *witnesses);

struct config_places;

/* The engine's: where the configuration is, its own directory, and what the system's databases of
 * users need. 0; what goes wrong is told, also what this kernel lacks. */
int confine_files(const char *state_file, const struct config_places *config);

/* Tells, once for each, that another process made a call that it may not make. */
void confine_tell(enum confine_process process, struct confine_witnesses *witnesses);
