/* TMOUT in the files of a user's login shell. */
#pragma once

#include "core/settings.h"

/* Reads what a login shell of `user` reads, in its order. NULL: only the files of the host, as bash
 * reads them. A user that is not known has no shell. */
void shell_read(const char *user, struct settings_shell *ret_shell);
