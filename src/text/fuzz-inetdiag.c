/* A message of the kernel, any bytes, in memory of exactly its size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/inetdiag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inetdiag socket;
	uint32_t length = (uint32_t)size;
	char *message = malloc(size + 1);

	if (!message)
		return 0;
	memcpy(message, data, size);
	(void)inetdiag_parse(message, size, &socket);
	/* The same with a length that is right. */
	if (size >= sizeof(length))
		memcpy(message, &length, sizeof(length));
	(void)inetdiag_parse(message, size, &socket);
	free(message);
	return 0;
}
