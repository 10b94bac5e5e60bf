/* For tests: whether two screens show the same and are in the same state. */
#pragma once

#include "keeper/screen.h"

/* NULL: they are the same; else what differs, in a buffer that the next call reuses. */
const char *same_screens(const struct screen *a, const struct screen *b);
