#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/escape.h"

/* Types the keys one by one; passed on is `expected`. */
static void type_keys(const char *keys, int character, const char *expected,
		      enum escape_wish expected_wish)
{
	struct escape escape = { .character = character };
	enum escape_wish wish = ESCAPE_NOTHING;
	char passed[64];
	size_t n = 0, more;

	for (; *keys != '\0' && wish == ESCAPE_NOTHING; keys++, n += more)
		wish = escape_take(&escape, keys, 1, passed + n, &more);
	passed[n] = '\0';
	assert_string_equal(passed, expected);
	assert_int_equal(wish, expected_wish);
}

static void test_typed(void **state)
{
	(void)state;
	type_keys("~.", '~', "", ESCAPE_LEAVE);
	type_keys("ls\r~.x", '~', "ls\r", ESCAPE_LEAVE);
	type_keys("ls ~.", '~', "ls ~.", ESCAPE_NOTHING);
	type_keys("~~.", '~', "~.", ESCAPE_NOTHING);
	type_keys("~x~.", '~', "~x~.", ESCAPE_NOTHING);
	type_keys("\r~?", '~', "\r", ESCAPE_HELP);
	type_keys("~.", -1, "~.", ESCAPE_NOTHING);
	type_keys("\x02.", 2, "", ESCAPE_LEAVE);
}

static void test_pasted(void **state)
{
	struct escape escape = { .character = '~' };
	const char text[] = "a long line\r~.\r~~\r~?";
	char passed[64];
	size_t n;

	(void)state;
	assert_int_equal(escape_take(&escape, text, strlen(text), passed, &n), ESCAPE_NOTHING);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(passed, text, n);
	/* Held by a key, then a paste comes: both go on. */
	assert_int_equal(escape_take(&escape, "\r", 1, passed, &n), ESCAPE_NOTHING);
	assert_int_equal(escape_take(&escape, "~", 1, passed, &n), ESCAPE_NOTHING);
	assert_int_equal(n, 0);
	assert_int_equal(escape_take(&escape, "~.~~~~~~~~~~~~~~~~", 18, passed, &n),
			 ESCAPE_NOTHING);
	assert_int_equal(n, 19);
}

static void test_names(void **state)
{
	char name[ESCAPE_NAME_BYTES];
	int character = 7;

	(void)state;
	assert_int_equal(escape_parse("~", &character), 0);
	assert_int_equal(character, '~');
	escape_name(character, name);
	assert_string_equal(name, "~");
	assert_int_equal(escape_parse("^B", &character), 0);
	assert_int_equal(character, 2);
	escape_name(character, name);
	assert_string_equal(name, "^B");
	assert_int_equal(escape_parse("none", &character), 0);
	assert_int_equal(character, -1);
	assert_int_equal(escape_parse("", &character), -EINVAL);
	assert_int_equal(escape_parse("ab", &character), -EINVAL);
	assert_int_equal(escape_parse(" ", &character), -EINVAL);
	assert_int_equal(escape_parse("^b", &character), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_pasted),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
