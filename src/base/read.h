/* Files as a whole, and what the kernel says of processes. */
#pragma once

#include <stddef.h>

/*
 * What an open file has from where it stands to its end, with a NUL behind. The caller's to free. Returns -EFBIG when
 * that is more than `most` bytes.
 */
int read_all(int fd, size_t most, char **ret_text, size_t *ret_size);

/* At most `size` bytes of a file in /proc; nothing is put behind them. -ESRCH: the process has ended. */
int read_file(char *ret_text, size_t size, size_t *ret_size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
