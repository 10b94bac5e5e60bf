#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "core/address.h"

static void text_comes_back(void **state)
{
	static const char *const rows[][2] = {
		{ "192.0.2.7", "192.0.2.7" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "2001:DB8:0::1", "2001:db8::1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::1", "::1" },
		{ "0.0.0.0", "0.0.0.0" },
	};
	char text[ADDRESS_TEXT_BYTES];
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(address_parse(rows[i][0], &address), 0);
		assert_string_equal(address_format(&address, text), rows[i][1]);
	}
	assert_true(address_is_ipv4(&address));
}

static void what_is_none_is_not_known(void **state)
{
	char text[ADDRESS_TEXT_BYTES];
	struct address address;

	(void)state;
	assert_int_equal(address_parse("localhost", &address), -EINVAL);
	assert_string_equal(address_format(&address, text), "");
	assert_false(address_is_ipv4(&address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back),
		cmocka_unit_test(what_is_none_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
