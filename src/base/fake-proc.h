/* A list of /proc that cannot be read to its end, or is the test's own, for tests only: link with fake_proc_args. */
#pragma once

#include <stdint.h>

/* The getdents64(2) with that number from now fails with -EIO, the first is 1; 0: none. */
void fake_proc_fail_at(int number);

/* Each getdents64(2) from now has the one pid that `next` returns, 0: the end. NULL: what is in /proc. */
void fake_proc_list(int32_t (*next)(void));
