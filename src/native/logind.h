/* logind.conf and its drop-ins, and whether logind runs. */
#pragma once

#include "core/settings.h"

/* `user`: whose lingering is asked for, NULL: nobody's. */
void logind_read(const char *user, struct settings_logind *ret_logind);
