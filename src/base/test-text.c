#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void escapes(void **state)
{
	static const struct {
		const char *text;
		const char *plain;
	} rows[] = {
		{ "", "" },
		{ "alice", "alice" },
		{ "a b", "a b" },
		{ "a\nb\x1b[2J\x7f", "a\\x0ab\\x1b[2J\\x7f" },
		{ "a\\x", "a\\x5cx" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xe2\x82\xac \xf0\x9f\x90\xa7", "\xe2\x82\xac \xf0\x9f\x90\xa7" },
		{ "\xc2\x9b"
		  "2J",
		  "\\xc2\\x9b2J" },				/* C1 control */
		{ "\xc0\xaf", "\\xc0\\xaf" },			/* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* beyond U+10FFFF */
		{ "\xe2\x82", "\\xe2\\x82" },			/* cut off */
		{ "\xff\x80", "\\xff\\x80" },
	};
	char out[100];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text_escape(rows[i].text, false, out, sizeof(out));
		assert_string_equal(out, rows[i].plain);
	}
	text_escape("a b", true, out, sizeof(out));
	assert_string_equal(out, "a\\x20b");
}

static void escape_cuts_whole_characters(void **state)
{
	char out[8];

	(void)state;
	text_escape("abcdef\xc3\xbc", false, out, sizeof(out));
	assert_string_equal(out, "abcdef");
	text_escape("abcd\n", false, out, sizeof(out));
	assert_string_equal(out, "abcd");
	text_escape("abc\n", false, out, sizeof(out));
	assert_string_equal(out, "abc\\x0a");
	text_escape("abc", false, out, 1);
	assert_string_equal(out, "");
	text_escape("abc", false, NULL, 0);
}

static void copies_and_appends(void **state)
{
	char out[6];

	(void)state;
	assert_true(text_copy("12345", out, sizeof(out)));
	assert_false(text_copy("123456", out, sizeof(out)));
	assert_string_equal(out, "12345");
	assert_true(text_copy("ab", out, sizeof(out)));
	assert_true(text_append(out, sizeof(out), "%d", 12));
	assert_string_equal(out, "ab12");
	assert_false(text_append(out, sizeof(out), "%s", "xyz"));
	assert_string_equal(out, "ab12x");
	assert_false(text_append(out, sizeof(out), "y"));
	assert_true(text_append(out, sizeof(out), "%s", ""));
}

static void reads_numbers(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(text_to_u64("", 9, &n), -EINVAL);
	assert_int_equal(text_to_u64("-1", 9, &n), -EINVAL);
	assert_int_equal(text_to_u64("1x", 9, &n), -EINVAL);
	assert_int_equal(text_to_u64(" 1", 9, &n), -EINVAL);
	assert_int_equal(text_to_u64("10", 9, &n), -ERANGE);
	assert_int_equal(text_to_u64("18446744073709551616", UINT64_MAX, &n), -ERANGE);
	assert_int_equal(n, 7);
	assert_int_equal(text_to_u64("18446744073709551615", UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(text_to_u64("009", 9, &n), 0);
	assert_int_equal(n, 9);
}

static void compares(void **state)
{
	(void)state;
	assert_true(text_equal("a", "a"));
	assert_false(text_equal("a", "A"));
	assert_true(text_starts("/dev/pts/3", "/dev/pts/"));
	assert_true(text_starts("a", ""));
	assert_false(text_starts("/dev", "/dev/pts/"));
}

static void measures_distance(void **state)
{
	char a[200], b[200];

	(void)state;
	assert_int_equal(text_distance("IdleTimeout", "idletimeout"), 0);
	assert_int_equal(text_distance("IdleTimeout", "IdelTimeout"), 1);
	assert_int_equal(text_distance("IdleTimout", "IdleTimeout"), 1);
	assert_int_equal(text_distance("", "abc"), 3);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("ab", "ba"), 1);
	memset(a, 'a', sizeof(a) - 1);
	memset(b, 'b', sizeof(b) - 1);
	a[sizeof(a) - 1] = b[sizeof(b) - 1] = '\0';
	assert_int_equal(text_distance(a, b), 64);
}

static void what_steers_terminals_is_not_printable(void **state)
{
	static const char *const good[] = { "", "idle: ends in 30 s", "a\\x1bb",
					    "gr\xc3\xbc\xc3\x9f dich" };
	static const char *const bad[] = { "\n",
					   "a\x1b[2J",
					   "\x7f",
					   "\xc2\x9b"
					   "2J",
					   "\x9b"
					   "2J",
					   "\xc3",
					   "\xc0\x9b" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(text_is_printable(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(text_is_printable(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),
		cmocka_unit_test(escape_cuts_whole_characters),
		cmocka_unit_test(copies_and_appends),
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(compares),
		cmocka_unit_test(measures_distance),
		cmocka_unit_test(what_steers_terminals_is_not_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
