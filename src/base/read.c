#include "base/read.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

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
