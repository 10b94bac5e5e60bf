#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/pattern.h"

struct row {
	const char *list;
	const char *text;
	enum pattern_result result;
};

static void lists_fit_as_with_sshd(void **state)
{
	static const struct row rows[] = {
		{ "alice", "alice", PATTERN_FIT },
		{ "alice", "Alice", PATTERN_NO_FIT },
		{ "alice", "alic", PATTERN_NO_FIT },
		{ "alice", "alices", PATTERN_NO_FIT },
		{ "bob,alice", "alice", PATTERN_FIT },
		{ "*", "", PATTERN_FIT },
		{ "?", "", PATTERN_NO_FIT },
		{ "a?c", "abc", PATTERN_FIT },
		{ "a*c", "ac", PATTERN_FIT },
		{ "a*c", "abcbc", PATTERN_FIT },
		{ "a*b*c", "axxbyyc", PATTERN_FIT },
		{ "a*b*c", "axxcyyb", PATTERN_NO_FIT },
		{ "**?**", "x", PATTERN_FIT },
		{ "*,!bob", "alice", PATTERN_FIT },
		{ "*,!bob", "bob", PATTERN_NEGATED_FIT },
		{ "!bob,*", "bob", PATTERN_NEGATED_FIT },
		{ "bob,!b*", "bob", PATTERN_NEGATED_FIT },
		{ "!bob", "alice", PATTERN_NO_FIT },
		{ "!bob", "bob", PATTERN_NEGATED_FIT },
		{ "", "", PATTERN_FIT },
		{ "", "x", PATTERN_NO_FIT },
		{ "*", NULL, PATTERN_NO_FIT },
		{ "!x", NULL, PATTERN_NO_FIT },
		{ "rsync --server *", "rsync --server -e.L . /srv", PATTERN_FIT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (pattern_list_fits(rows[i].list, rows[i].text) != rows[i].result)
			fail_msg("%s against %s", rows[i].list, rows[i].text);
	}
}

static void addresses_fit_as_with_sshd(void **state)
{
	static const struct row rows[] = {
		{ "10.0.0.7", "10.0.0.7", PATTERN_FIT },
		{ "10.0.0.7", "10.0.0.70", PATTERN_NO_FIT },
		{ "10.0.0.0/8", "10.255.0.1", PATTERN_FIT },
		{ "10.0.0.0/8", "11.0.0.1", PATTERN_NO_FIT },
		{ "10.0.0.0/9", "10.127.0.1", PATTERN_FIT },
		{ "10.0.0.0/9", "10.128.0.1", PATTERN_NO_FIT },
		{ "0.0.0.0/0", "203.0.113.9", PATTERN_FIT },
		{ "0.0.0.0/0", "2001:db8::1", PATTERN_NO_FIT },
		{ "::/0", "2001:db8::1", PATTERN_FIT },
		{ "::/0", "10.0.0.1", PATTERN_NO_FIT },
		{ "10.0.0.7/32", "10.0.0.7", PATTERN_FIT },
		{ "10.0.0.7/32", "10.0.0.6", PATTERN_NO_FIT },
		{ "2001:db8::/32", "2001:db8:ffff::1", PATTERN_FIT },
		{ "2001:db8::/32", "2001:db9::1", PATTERN_NO_FIT },
		{ "2001:db8::/29", "2001:dbf::1", PATTERN_FIT },
		{ "2001:DB8:0:0::1", "2001:db8::1", PATTERN_FIT },
		{ "::1/128", "::1", PATTERN_FIT },
		{ "fe80::/10", "fe80::1%eth0", PATTERN_FIT },
		{ "10.0.*", "10.0.3.4", PATTERN_FIT },
		{ "10.0.*", "10.1.3.4", PATTERN_NO_FIT },
		{ "10.0.0.?", "10.0.0.7", PATTERN_FIT },
		{ "10.0.0.0/8,!10.0.0.7", "10.0.0.7", PATTERN_NEGATED_FIT },
		{ "!10.0.0.0/24,10.0.0.0/8", "10.0.0.7", PATTERN_NEGATED_FIT },
		{ "!10.0.0.0/24,10.0.0.0/8", "10.0.1.7", PATTERN_FIT },
		{ "!10.0.0.0/24", "10.0.1.7", PATTERN_NO_FIT },
		{ "10.0.0.0/8", "::ffff:10.0.0.1", PATTERN_FIT },
		{ "::ffff:10.0.0.0/104", "10.0.0.1", PATTERN_FIT },
		{ "*", NULL, PATTERN_NO_FIT },
		{ "0.0.0.0/0", "UNKNOWN", PATTERN_NO_FIT },
		{ "*", "UNKNOWN", PATTERN_FIT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (pattern_address_fits(rows[i].list, rows[i].text) != rows[i].result)
			fail_msg("%s against %s", rows[i].list, rows[i].text);
	}
}

static void wrong_addresses_are_told(void **state)
{
	static const struct {
		const char *entry;
		const char *wrong;
	} rows[] = {
		{ "10.0.0.7", NULL },
		{ "10.0.0.0/8", NULL },
		{ "2001:db8::/32", NULL },
		{ "10.*", NULL },
		{ "2001:db8:*", NULL },
		{ "", "is not an address" },
		{ "10.0.0.300", "is not an address" },
		{ "alice", "is not an address" },
		{ "10.0.0.7/33", "has a wrong prefix length" },
		{ "10.0.0.7/", "has a wrong prefix length" },
		{ "10.0.0.7/8x", "has a wrong prefix length" },
		{ "::/129", "has a wrong prefix length" },
		{ "10.0.0.7/8", "has bits set beyond its prefix length" },
		{ "2001:db8::1/64", "has bits set beyond its prefix length" },
		{ "host-*", "has characters that no address has" },
		{ "00000000000000000000000000000000000000000000000000000000000000000",
		  "is not an address" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pattern_entry entry = { .text = rows[i].entry,
						     .length = strlen(rows[i].entry) };
		const char *wrong = pattern_address_wrong(&entry);

		if (!rows[i].wrong)
			assert_null(wrong);
		else
			assert_string_equal(wrong, rows[i].wrong);
	}
}

static void many_stars_take_no_time(void **state)
{
	static char pattern[2000], text[20000];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 2] = 'b';
	assert_int_equal(pattern_list_fits(pattern, text), PATTERN_FIT);
	pattern[sizeof(pattern) - 2] = 'c';
	assert_int_equal(pattern_list_fits(pattern, text), PATTERN_NO_FIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_fit_as_with_sshd),
		cmocka_unit_test(addresses_fit_as_with_sshd),
		cmocka_unit_test(wrong_addresses_are_told),
		cmocka_unit_test(many_stars_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
