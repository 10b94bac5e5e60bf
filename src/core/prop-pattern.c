/* The pattern matcher against one that follows the definition and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/pattern.h"

enum { CASES = 200000, PATTERN_MOST = 8, TEXT_MOST = 8 };

static uint64_t seed = 1;

static unsigned pick(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static bool fits(const char *pattern, const char *text)
{
	if (*pattern == '\0')
		return *text == '\0';
	if (*pattern == '*')
		return fits(pattern + 1, text) || (*text != '\0' && fits(pattern, text + 1));
	return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
	       fits(pattern + 1, text + 1);
}

static void fill(const char *letters, unsigned most, char *text)
{
	const unsigned length = pick(most + 1);

	for (unsigned i = 0; i < length; i++)
		text[i] = letters[pick((unsigned)strlen(letters))];
	text[length] = '\0';
}

static void agrees_with_the_definition(void **state)
{
	(void)state;
	for (int i = 0; i < CASES; i++) {
		char pattern[PATTERN_MOST + 1], text[TEXT_MOST + 1];
		struct pattern_entry entry = { .text = pattern };

		fill("ab*?*", PATTERN_MOST, pattern);
		fill("ab", TEXT_MOST, text);
		entry.length = strlen(pattern);
		if (pattern_fits(&entry, text) != fits(pattern, text))
			fail_msg("%s against %s", pattern, text);
	}
}

static void lists_agree_with_their_entries(void **state)
{
	(void)state;
	for (int i = 0; i < CASES; i++) {
		char list[64] = "", text[TEXT_MOST + 1];
		bool positive = false, negative = false;
		const unsigned n = 1 + pick(4);

		fill("ab", TEXT_MOST, text);
		for (unsigned j = 0; j < n; j++) {
			char pattern[PATTERN_MOST + 1];
			const bool negated = pick(3) == 0;

			fill("ab*?", PATTERN_MOST, pattern);
			(void)text_append(list, sizeof(list), "%s%s%s", j > 0 ? "," : "",
					  negated ? "!" : "", pattern);
			*(negated ? &negative : &positive) |= fits(pattern, text);
		}
		assert_int_equal(pattern_list_fits(list, text), negative   ? PATTERN_NEGATED_FIT
								: positive ? PATTERN_FIT
									   : PATTERN_NO_FIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_definition),
		cmocka_unit_test(lists_agree_with_their_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
