#include "base/duration.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#define NS_PER_TENTH (NS_PER_S / 10)

static const struct unit {
	char letter;
	int64_t s;
} units[] = {
	{ 'w', 7 * 24 * 3600 }, { 'd', 24 * 3600 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 },
};

enum { UNITS_N = sizeof(units) / sizeof(units[0]), UNITS_PRINT_FROM = 1 };

static int unit_seconds(char letter, int64_t *ret_s)
{
	const char lower = letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;

	for (size_t i = 0; i < UNITS_N; i++) {
		if (units[i].letter == lower) {
			*ret_s = units[i].s;
			return 0;
		}
	}
	return -EINVAL;
}

/* One number with its unit; moves *at behind both. */
static int parse_part(const char **at, int64_t *ret_ns)
{
	int64_t number = 0;
	int64_t unit_s = 1;
	const char *p = *at;
	bool too_large = false;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *p - '0', &number))
			too_large = true;
	}
	if (*p != '\0') {
		if (unit_seconds(*p, &unit_s) < 0)
			return -EINVAL;
		p++;
	}
	*at = p;
	if (too_large || __builtin_mul_overflow(number, unit_s, &number) ||
	    __builtin_mul_overflow(number, NS_PER_S, &number))
		number = INT64_MAX;
	*ret_ns = number;
	return 0;
}

int duration_parse(const char *text, int64_t *ret_ns)
{
	int64_t total = 0;
	const char *at = text;

	if (*at == '\0')
		return -EINVAL;
	/* Too large is noticed at the end only, so that a wrong letter behind it is told first. */
	while (*at != '\0') {
		int64_t part;

		if (parse_part(&at, &part) < 0)
			return -EINVAL;
		if (__builtin_add_overflow(total, part, &total))
			total = INT64_MAX;
	}
	if (total == INT64_MAX)
		return -ERANGE;
	*ret_ns = total;
	return 0;
}

/* At most `most_units` neighbouring units, from the largest that is not zero. */
static void print_seconds(int64_t s, size_t most_units, char text[static DURATION_TEXT_BYTES])
{
	size_t used = 0, length = 0;

	for (size_t i = UNITS_PRINT_FROM; i < UNITS_N && used < most_units; i++) {
		const int64_t n = s / units[i].s;

		s %= units[i].s;
		if (used > 0 || n > 0)
			used++;
		if (n > 0)
			length += (size_t)snprintf(text + length, DURATION_TEXT_BYTES - length,
						   "%lld%c", (long long)n, units[i].letter);
	}
	if (length == 0)
		(void)snprintf(text, DURATION_TEXT_BYTES, "0s");
}

void duration_format(int64_t ns, char ret_text[static DURATION_TEXT_BYTES])
{
	const int64_t tenths = ns / NS_PER_TENTH;

	if (ns == INT64_MAX)
		(void)snprintf(ret_text, DURATION_TEXT_BYTES, "none");
	else if (tenths > 0 && tenths < 100 && tenths % 10 != 0)
		(void)snprintf(ret_text, DURATION_TEXT_BYTES, "%d.%ds", (int)(tenths / 10),
			       (int)(tenths % 10));
	else
		print_seconds(ns > 0 ? ns / NS_PER_S : 0, 2, ret_text);
}

void duration_format_exact(int64_t ns, char ret_text[static DURATION_TEXT_BYTES])
{
	if (ns == INT64_MAX)
		(void)snprintf(ret_text, DURATION_TEXT_BYTES, "none");
	else
		print_seconds(ns > 0 ? ns / NS_PER_S : 0, UNITS_N, ret_text);
}
