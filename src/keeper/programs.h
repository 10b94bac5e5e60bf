/* What programs are known to have switched on in their terminal before the keeper came. */
#pragma once

#include <stdbool.h>

/*
 * The sequences, "" for none.  `full_screen`: it is known to use the whole screen; `raw`: it reads
 * keys as they come; `pager_stays`: it would be a pager that does not use the alternate screen.  What
 * would harm where the guess is wrong (an editor's mouse) is left out.
 */
const char *programs_modes(const char *name, bool full_screen, bool raw, bool pager_stays);

/* Whether it is known to use the whole screen. */
bool programs_is_full_screen(const char *name);
