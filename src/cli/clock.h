/* The clocks of the command. */
#pragma once

#include <stdint.h>

/* CLOCK_MONOTONIC: how long something is waited for. */
int64_t clock_now_ns(void);
int64_t clock_now_ms(void);

int64_t clock_wall_ns(void); /* CLOCK_REALTIME */
