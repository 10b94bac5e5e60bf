/* A list of /proc that cannot be read to its end, for tests only: link with fake_proc_args. */
#pragma once

/* The getdents64(2) with that number from now fails with -EIO, the first is 1; 0: none. */
void fake_proc_fail_at(int number);
