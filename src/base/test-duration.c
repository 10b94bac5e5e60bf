#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"

#define S NS_PER_S

static void parses_what_sshd_parses(void **state)
{
	static const struct {
		const char *text;
		int64_t s;
	} rows[] = {
		{ "0", 0 },
		{ "90", 90 },
		{ "15m", 900 },
		{ "15M", 900 },
		{ "1h30m", 5400 },
		{ "1h30", 3630 },
		{ "1w2d", 777600 },
		{ "10s", 10 },
		{ "1d1h1m1s", 90061 },
		{ "9223372036", 9223372036 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ns = -1;

		assert_int_equal(duration_parse(rows[i].text, &ns), 0);
		assert_int_equal(ns, rows[i].s * S);
	}
}

static void refuses_the_rest(void **state)
{
	static const struct {
		const char *text;
		int error;
	} rows[] = {
		{ "", -EINVAL },
		{ "m", -EINVAL },
		{ "-1", -EINVAL },
		{ " 1", -EINVAL },
		{ "1 ", -EINVAL },
		{ "1y", -EINVAL },
		{ "1.5m", -EINVAL },
		{ "+1", -EINVAL },
		{ "1mm", -EINVAL },
		{ "none", -EINVAL },
		{ "9223372037", -ERANGE },
		{ "99999999999999999999", -ERANGE },
		{ "20000w", -ERANGE },
		{ "15250w300d", -ERANGE },
		{ "99999999999999999999y", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ns = 77;

		assert_int_equal(duration_parse(rows[i].text, &ns), rows[i].error);
		assert_int_equal(ns, 77);
	}
}

static void formats_for_people(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "0s" },
		{ -5 * S, "0s" },
		{ INT64_MAX, "none" },
		{ 45 * S, "45s" },
		{ 90 * S, "1m30s" },
		{ 900 * S, "15m" },
		{ 5400 * S, "1h30m" },
		{ 183600 * S, "2d3h" },
		{ 5430 * S, "1h30m" },
		{ 3605 * S, "1h" },
		{ 400000000LL, "0.4s" },
		{ 2500000000LL, "2.5s" },
		{ 2050000000LL, "2s" },
		{ 90000000LL, "0s" },
		{ 9990000000LL, "9.9s" },
		{ 10500000000LL, "10s" },
		{ 7 * 86400 * S, "7d" },
		{ 59999999999LL, "59s" },
		{ INT64_MAX - 1, "106751d23h" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[DURATION_TEXT_BYTES];

		duration_format(rows[i].ns, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void exact_format_parses_back(void **state)
{
	char text[DURATION_TEXT_BYTES];
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t s, back = -1;

		random = random * 6364136223846793005u + 1442695040888963407u;
		s = (int64_t)(random >> 31) % (i % 2 ? 100000 : 9223372036LL);
		duration_format_exact(s * S, text);
		assert_int_equal(duration_parse(text, &back), 0);
		assert_int_equal(back, s * S);
	}
	duration_format_exact(INT64_MAX, text);
	assert_string_equal(text, "none");
	duration_format_exact(90061 * S, text);
	assert_string_equal(text, "1d1h1m1s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_what_sshd_parses),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(formats_for_people),
		cmocka_unit_test(exact_format_parses_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
