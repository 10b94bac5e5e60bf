/* The clock that nobody sets, for how long something is waited for. */
#pragma once

#include <stdint.h>

int64_t clock_now_ms(void);
