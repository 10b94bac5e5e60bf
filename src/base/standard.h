/* The standard descriptors. */
#pragma once

/*
 * Where /dev/null can be opened, no file is 0, 1 or 2 by chance from now on.  Those that were closed can still not be
 * read or written.
 */
void standard_fill(void);
