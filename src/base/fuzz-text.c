/* Foreign text made fit for terminals and logs, spans of time, numbers. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void escaped(const char *text)
{
	for (size_t room = 1; room < 64; room += 9) {
		char *shown = malloc(room);

		if (!shown)
			return;
		for (int quote_space = 0; quote_space < 2; quote_space++) {
			text_escape(text, quote_space, shown, room);
			assert(strlen(shown) < room && text_is_printable(shown));
			assert(!quote_space || !strchr(shown, ' '));
		}
		assert(text_copy(text, shown, room) == (strlen(text) < room));
		free(shown);
	}
}

/* What is printed exactly is read as the same. */
static void spans(const char *text)
{
	char shown[DURATION_TEXT_BYTES];
	int64_t ns, again_ns;

	if (duration_parse(text, &ns) < 0)
		return;
	duration_format(ns, shown);
	duration_format_exact(ns, shown);
	assert(duration_parse(shown, &again_ns) == 0 && again_ns == ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	uint64_t number;

	if (!text)
		return 0;
	escaped(text);
	spans(text);
	if (text_to_u64(text, 1000, &number) == 0)
		assert(number <= 1000);
	assert(text_distance(text, text) == 0);
	(void)text_distance(text, "IdleTimeout");
	free(text);
	return 0;
}
