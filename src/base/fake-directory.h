/* A directory that cannot be listed to its end, for tests only: link with fake_directory_args. */
#pragma once

/* The directory_next() with that number from now fails with -EIO, the first is 1; 0: none. */
void fake_directory_fail_at(int number);
