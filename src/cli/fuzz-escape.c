/* What is typed into `sshidle resume`, any bytes in pieces: without an escape character all goes
 * through, and with one at most that is left out. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void piece(struct escape *escape, const char *bytes, size_t n)
{
	char *out = malloc(n + 1);
	size_t n_out;

	if (!out)
		return;
	(void)escape_take(escape, bytes, n, out, &n_out);
	assert(n_out <= n + 1);
	if (escape->character < 0)
		assert(n_out == n && memcmp(out, bytes, n) == 0);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct escape with = { .character = '~' }, without = { .character = -1 };
	char *text = strndup((const char *)data, size);
	size_t step;

	if (text)
		(void)escape_parse(text, &with.character);
	free(text);
	if (size == 0)
		return 0;
	step = 1 + data[0] % 20;
	for (size_t at = 1; at < size; at += step) {
		const size_t n = size - at < step ? size - at : step;

		piece(&with, (const char *)data + at, n);
		piece(&without, (const char *)data + at, n);
	}
	return 0;
}
