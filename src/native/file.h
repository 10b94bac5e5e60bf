/* Whole files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FILE_BYTES_MAX (1 << 20)

/* Reads a regular file (or one of /proc); terminated, owned by the caller. -EFBIG above
 * FILE_BYTES_MAX, -EINVAL for what is no file. */
int file_read(const char *path, char **ret_text, size_t *ret_size);

/* Calls `take` for each file that a glob(7) pattern gives, in the order of their names; for none when a directory
 * cannot be listed (base/files.h), which is -errno. */
int file_each(const char *pattern, void (*take)(void *context, const char *path), void *context);
