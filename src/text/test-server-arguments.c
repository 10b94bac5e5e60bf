/* Command lines of listeners, as /proc has them. */
#include "text/server-arguments.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct server_arguments arguments;

#define SPLIT(text) assert_int_equal(server_arguments_split(text, sizeof(text) - 1, &arguments), 0)

static void expect(char letter, size_t n, const char *const *want)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const char *found = server_arguments_sshd(&arguments, letter, &at);

		assert_non_null(found);
		assert_string_equal(found, want[i]);
	}
	assert_null(server_arguments_sshd(&arguments, letter, &at));
}

#define EXPECT(letter, ...)                                            \
	do {                                                           \
		const char *const want_[] = { __VA_ARGS__ };           \
		expect(letter, sizeof(want_) / sizeof(*want_), want_); \
	} while (0)

static void test_title(void **state)
{
	(void)state;
	SPLIT("sshd: /usr/sbin/sshd -D -f /etc/a b/sshd_config -oPort=1 -o Foo bar -Dp 22 "
	      "[listener] 0 of 10-100 startups\0\0\0");
	assert_true(arguments.is_listener);
	assert_string_equal(arguments.words[0], "/usr/sbin/sshd");
	EXPECT('f', "/etc/a b/sshd_config");
	EXPECT('o', "Port=1", "Foo bar");
	EXPECT('p', "22");
	assert_true(server_arguments_sshd_flag(&arguments, 'D'));
	assert_false(server_arguments_sshd_flag(&arguments, 'i'));
	expect('h', 0, NULL);
}

static void test_sessions(void **state)
{
	(void)state;
	SPLIT("sshd: alice@pts/0\0\0");
	assert_false(arguments.is_listener);
	SPLIT("sshd: [accepted]");
	assert_false(arguments.is_listener);
	SPLIT("sshd: /usr/sbin/sshd -i [listener] 0 of 10-100 startups");
	assert_false(arguments.is_listener);
}

static void test_plain(void **state)
{
	(void)state;
	SPLIT("/usr/sbin/sshd\0-D\0-f\0/etc/a b\0-eoX=1\0");
	assert_true(arguments.is_listener);
	EXPECT('f', "/etc/a b");
	EXPECT('o', "X=1");
	assert_int_equal(arguments.n, 5);
	assert_int_equal(server_arguments_split("", 0, &arguments), -EINVAL);
	assert_int_equal(server_arguments_split("\0\0", 2, &arguments), -EINVAL);
	SPLIT("sshd\0-f\0");
	expect('f', 0, NULL);
}

static void test_dropbear(void **state)
{
	struct settings_dropbear settings;

	(void)state;
	SPLIT("/usr/sbin/dropbear\0-EF\0-p\0"
	      "22\0-W\0"
	      "65536\0-K\0"
	      "15\0-I300\0");
	server_arguments_dropbear(&arguments, &settings);
	assert_int_equal(settings.keepalive_ns, 15 * NS_PER_S);
	assert_int_equal(settings.idle_ns, 300 * NS_PER_S);
	assert_false(server_arguments_dropbear_inetd(&arguments));
	SPLIT("dropbear\0-iK\0"
	      "0\0-r\0-I\0");
	server_arguments_dropbear(&arguments, &settings);
	assert_int_equal(settings.keepalive_ns, SETTING_OFF);
	assert_int_equal(settings.idle_ns, SETTING_OFF);
	assert_true(server_arguments_dropbear_inetd(&arguments));
	SPLIT("dropbear\0-K\0x\0");
	server_arguments_dropbear(&arguments, &settings);
	assert_int_equal(settings.keepalive_ns, SETTING_UNKNOWN);
}

static void test_limits(void **state)
{
	static char many[SERVER_ARGUMENTS_BYTES * 2];

	(void)state;
	memset(many, 'a', sizeof(many));
	for (size_t i = 1; i < sizeof(many); i += 2)
		many[i] = '\0';
	assert_int_equal(server_arguments_split(many, sizeof(many), &arguments), 0);
	assert_true(arguments.is_cut_off);
	assert_int_equal(arguments.n, SERVER_ARGUMENTS_MAX);
	assert_null(arguments.words[SERVER_ARGUMENTS_MAX]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_title),  cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_plain),  cmocka_unit_test(test_dropbear),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
