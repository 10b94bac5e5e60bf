/* What goes on behind a terminal that is gone. */
#pragma once

#include <stdint.h>

/* How many servers of tmux and screen run on this host; -errno when that cannot be read. */
int64_t multiplexers_count(void);
