#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keeper/gate.h"
#include "keeper/sgr.h"

/* What came through: text as it is, sequences in brackets. */
static char came[8192];

static void take_text(const char *bytes, size_t n, void *user)
{
	(void)user;
	const size_t used = strlen(came);

	assert_true(used + n < sizeof(came));
	memcpy(came + used, bytes, n);
	came[used + n] = 0;
}

static void take_sequence(const char *bytes, size_t n, void *user)
{
	take_text("<", 1, user);
	take_text(bytes + 1, n - 1, user);
	take_text(">", 1, user);
}

static const struct gate_sink sink = { take_text, take_sequence, NULL };

/* In all ways to cut it in two, and byte by byte. */
static void check(const char *bytes, const char *expected)
{
	const size_t n = strlen(bytes);

	for (size_t cut = 0; cut <= n; cut++) {
		struct gate gate = { .begun = true };

		came[0] = '\0';
		gate_feed(&gate, bytes, cut, &sink);
		gate_feed(&gate, bytes + cut, n - cut, &sink);
		assert_string_equal(came, expected);
	}
}

static void test_text_and_sequences(void **state)
{
	(void)state;
	check("plain", "plain");
	check("a\033[1;2Hb", "a<[1;2H>b");
	check("\033]2;title\ab", "<]2;title\a>b");
	check("\033]2;title\033\\b", "<]2;title\033\\>b");
	check("\033(0q\033(B", "<(0>q<(B>");
	check("\033=x\0337", "<=>x<7>");
	check("\033[?1049hz", "<[?1049h>z");
}

static void test_cut_characters(void **state)
{
	(void)state;
	check("\xe6\xbc\xa2x\xf0\x9f\x91\x8d", "\xe6\xbc\xa2x\xf0\x9f\x91\x8d");
	/* What is no character is replaced. */
	check("\xe6\xbcx", "\xef\xbf\xbd\xef\xbf\xbdx");
	check("\xff\xe6\033[mA", "\xef\xbf\xbd\xef\xbf\xbd<[m>A");
	check("\xc0\x80.\xc2\x9b.\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd.\xef\xbf\xbd\xef\xbf\xbd."
						"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_cancelled(void **state)
{
	(void)state;
	check("a\033[1;\030b", "ab");
	check("a\033[1;\033[2Jb", "a<[2J>b");
	check("a\033]0;x\033[2Jb", "a<[2J>b");
	/* Terminals carry out controls within a sequence. */
	check("a\033[1\n;2Hb", "a\n<[1;2H>b");
}

static void test_dropped(void **state)
{
	(void)state;
	check("a\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16Hb", "ab");
	check("a\033[123456Ab", "ab");
	check("a\033_what\033\\b\033kname\033\\c\033Xx\033\\", "abc");
	/* Attributes may be many. */
	check("\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17m",
	      "<[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17m>");
}

static void test_end_of_a_character_first(void **state)
{
	struct gate gate = { .begun = false };

	(void)state;
	came[0] = '\0';
	gate_feed(&gate, "\xbc\xa2x\xbcy", 5, &sink);
	assert_string_equal(came, "x\xef\xbf\xbdy");
}

static void test_held(void **state)
{
	struct gate gate = { .begun = true };
	const char *held;
	size_t n;

	(void)state;
	gate_feed(&gate, "a\033[38;5", 7, &sink);
	assert_int_equal(gate_held(&gate, &held, &n), 0);
	assert_int_equal(n, 6);
	assert_memory_equal(held, "\033[38;5", 6);
	gate_feed(&gate, "m\xe6\xbc", 3, &sink);
	assert_int_equal(gate_held(&gate, &held, &n), 0);
	assert_int_equal(n, 2);
	gate_feed(&gate, "\xa2", 1, &sink);
	assert_int_equal(gate_held(&gate, &held, &n), 0);
	assert_int_equal(n, 0);
}

static void test_long_string(void **state)
{
	struct gate gate = { .begun = true };
	const char *held;
	char x[GATE_HELD_BYTES];
	size_t n;

	(void)state;
	memset(x, 'x', sizeof(x));
	came[0] = '\0';
	gate_feed(&gate, "\033]", 2, &sink);
	gate_feed(&gate, x, sizeof(x), &sink);
	assert_int_equal(gate_held(&gate, &held, &n), -E2BIG);
	gate_feed(&gate, "\aok", 3, &sink);
	assert_int_equal(gate_held(&gate, &held, &n), 0);
	assert_string_equal(came, "ok");
}

static void check_sgr(const char *text, const char *expected)
{
	const char *at = text;
	struct sgr sgr;

	came[0] = '\0';
	while (sgr_next(&at, text + strlen(text), &sgr)) {
		for (size_t i = 0; i < sgr.n; i++) {
			char number[16];
			const int n = snprintf(number, sizeof(number), i > 0 ? ",%u" : "%u",
					       sgr.numbers[i]);

			take_text(number, (size_t)n, NULL);
		}
		take_text(" ", 1, NULL);
	}
	assert_string_equal(came, expected);
}

static void test_attributes(void **state)
{
	(void)state;
	check_sgr("", "0 ");
	check_sgr("1;31", "1 31 ");
	check_sgr(";1", "0 1 ");
	check_sgr("1;", "1 0 ");
	check_sgr("38;5;200;1", "38,5,200 1 ");
	check_sgr("48;2;1;2;3;4", "48,2,1,2,3 4 ");
	check_sgr("38:2::9:8:7;4:3", "38,2,9,8,7 4,3 ");
	check_sgr("38:2:9:8:7", "38,2,9,8,7 ");
	check_sgr("38;5", "38,5 ");
	check_sgr("58;2;1;2;3;7", "58,2,1,2,3 7 ");
	check_sgr("99999999999", "65535 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_and_sequences),
		cmocka_unit_test(test_cut_characters),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_end_of_a_character_first),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_long_string),
		cmocka_unit_test(test_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
