/* Files as a whole. */
#pragma once

#include <stddef.h>

/*
 * What an open file has from where it stands to its end, with a NUL behind. The caller's to free. Returns -EFBIG when
 * that is more than `most` bytes.
 */
int read_all(int fd, size_t most, char **ret_text, size_t *ret_size);
