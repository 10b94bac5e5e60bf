/* What programs are known to have switched on in their terminal before the keeper came. */
#pragma once

#include <stdbool.h>

/*
 * The sequences, "" for none.  `full_screen`: it is known to use the whole screen; `raw`: it reads
 * keys as they come.  What would harm where the guess is wrong (an editor's mouse) is left out.
 */
const char *programs_modes(const char *name, bool full_screen, bool raw);
