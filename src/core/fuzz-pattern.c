/* A list of patterns and, behind the first line's end, what they are asked of. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *list = strndup((const char *)data, size), *text;
	struct pattern_entry entry;
	const char *rest = list;

	if (!list)
		return 0;
	text = list + strcspn(list, "\n");
	if (*text)
		*text++ = '\0';
	(void)pattern_list_fits(list, text);
	(void)pattern_address_fits(list, text);
	assert(pattern_list_fits(list, NULL) == PATTERN_NO_FIT);
	while (pattern_next(&rest, &entry)) {
		const char *wrong = pattern_address_wrong(&entry);

		assert(entry.text >= list && entry.text + entry.length <= list + strlen(list));
		assert(!wrong || *wrong);
		(void)pattern_fits(&entry, text);
	}
	free(list);
	return 0;
}
