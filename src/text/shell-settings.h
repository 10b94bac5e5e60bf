/*
 * Where shell files set TMOUT.
 *
 * A shell file is a program; this reads it without running it, and so conservatively: it knows
 * quotes, comments, here-documents and the words that begin and end compound commands, takes
 * assignments and `export`, `readonly`, `declare`, `typeset` and `unset`, and calls everything conditional
 * that stands in a compound command or function or behind && or ||.  A value that is no plain number
 * is SETTING_UNKNOWN.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/settings.h"

/* Appends what one file says to shell->places, or completes what was there (a later `readonly
 * TMOUT`).  `effective` is left alone.  What does not fit is dropped. */
void shell_settings_parse(const char *text, size_t size, const char *file,
			  struct settings_shell *shell);

/* The same for /etc/environment of pam_env(8): NAME=VALUE lines, all exported. */
void shell_settings_parse_environment(const char *text, size_t size, const char *file,
				      struct settings_shell *shell);

/*
 * Index of the place that decides when all are read in their order, -1: none.  The last one does; but
 * what is read-only stays (bash, ksh and zsh refuse the assignment).  A conditional place counts as
 * reached.
 */
int shell_settings_effective(const struct settings_shell *shell);
