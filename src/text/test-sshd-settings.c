/* What sshd prints: Debian's 9.2 as captured, the other spellings of 10.5, the version everywhere. */
#include "text/sshd-settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/sshd-file.h"

static struct settings_openssh parse(const char *text, int want)
{
	struct settings_openssh settings = { 0 };

	assert_int_equal(sshd_settings_parse(text, strlen(text), &settings), want);
	return settings;
}

static void test_9_2(void **state)
{
	const struct settings_openssh settings = parse("port 22\n"
						       "maxsessions 10\n"
						       "clientaliveinterval 0\n"
						       "clientalivecountmax 3\n"
						       "unusedconnectiontimeout none\n"
						       "x11forwarding yes\n"
						       "tcpkeepalive yes\n"
						       "disableforwarding no\n"
						       "allowtcpforwarding yes\n",
						       0);

	(void)state;
	assert_int_equal(settings.client_alive_interval_ns, SETTING_OFF);
	assert_int_equal(settings.client_alive_count_max, 3);
	assert_int_equal(settings.unused_connection_timeout_ns, SETTING_OFF);
	assert_int_equal(settings.n_channel_timeouts, 0);
	assert_int_equal(settings.max_sessions, 10);
	assert_true(settings.tcp_keepalive);
	assert_true(settings.forwarding);
}

static void test_10_5(void **state)
{
	const struct settings_openssh settings =
		parse("ClientAliveInterval 60\r\nClientAliveCountMax 2\nTCPKeepAlive no\n"
		      "ChannelTimeout session:*=300 direct-tcpip=1h global=0\n"
		      "UnusedConnectionTimeout 90\nAllowTcpForwarding yes\nDisableForwarding yes\n",
		      0);

	(void)state;
	assert_int_equal(settings.client_alive_interval_ns, 60 * NS_PER_S);
	assert_int_equal(settings.client_alive_count_max, 2);
	assert_false(settings.tcp_keepalive);
	assert_false(settings.forwarding);
	assert_int_equal(settings.unused_connection_timeout_ns, 90 * NS_PER_S);
	assert_int_equal(settings.n_channel_timeouts, 3);
	assert_string_equal(settings.channel_timeouts[0].type, "session:*");
	assert_int_equal(settings.channel_timeouts[0].after_ns, 300 * NS_PER_S);
	assert_int_equal(settings.channel_timeouts[1].after_ns, 3600 * NS_PER_S);
	assert_int_equal(settings.channel_timeouts[2].after_ns, SETTING_OFF);
}

static void test_what_is_not_said(void **state)
{
	struct settings_openssh settings = parse("clientaliveinterval 5\nchanneltimeout none\n", 0);

	(void)state;
	assert_int_equal(settings.client_alive_count_max, -2);
	assert_int_equal(settings.max_sessions, -2);
	assert_int_equal(settings.unused_connection_timeout_ns, SETTING_NONE);
	assert_int_equal(settings.n_channel_timeouts, 0);
	settings = parse("sshd: no hostkeys available -- exiting.\n", -EINVAL);
	assert_int_equal(settings.client_alive_interval_ns, SETTING_UNKNOWN);
	(void)parse("clientaliveinterval x\n", -EINVAL);
	(void)parse("", -EINVAL);
}

static void test_versions(void **state)
{
	static const struct {
		const char *text;
		int32_t major, minor;
	} rows[] = {
		{ "OpenSSH_9.2, OpenSSL 3.0.19 27 Jan 2026\n", 9, 2 },
		{ "OpenSSH_10.5p1, OpenSSL 3.0.19\n", 10, 5 },
		{ "OpenSSH_9.9p2 Debian-1, OpenSSL\n", 9, 9 },
		/* Without -V the error has it. */
		{ "unknown option -- V\nOpenSSH_8.4p1, OpenSSL 1.1.1\nusage: sshd\n", 8, 4 },
	};
	struct settings_openssh settings;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
			sshd_settings_version(rows[i].text, strlen(rows[i].text), &settings), 0);
		assert_int_equal(settings.major, rows[i].major);
		assert_int_equal(settings.minor, rows[i].minor);
	}
	assert_int_equal(sshd_settings_version("OpenSSH_x.1", 11, &settings), -EINVAL);
	assert_int_equal(sshd_settings_version("OpenSSH_9", 9, &settings), -EINVAL);
	assert_int_equal(sshd_settings_version("", 0, &settings), -EINVAL);
}

static void drop_ins(const char *text, const char *want)
{
	char directory[64] = "";

	assert_int_equal(sshd_file_drop_ins(text, strlen(text), directory, sizeof(directory)),
			 *want != '\0');
	assert_string_equal(directory, want);
}

static void test_drop_ins(void **state)
{
	(void)state;
	drop_ins("# x\nInclude /etc/ssh/sshd_config.d/*.conf\n", "/etc/ssh/sshd_config.d");
	drop_ins("include=\"/a/b c/*.conf\"\n", "/a/b c");
	drop_ins("Include /etc/one.conf sshd_config.d/*.conf # x\n", "/etc/ssh/sshd_config.d");
	drop_ins("#Include /etc/ssh/sshd_config.d/*.conf\n", "");
	drop_ins("Match all\nInclude /etc/ssh/sshd_config.d/*.conf\n", "");
	drop_ins("Include /etc/*/x/*.conf /*.conf /a/*.cfg\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_9_2),
		cmocka_unit_test(test_10_5),
		cmocka_unit_test(test_what_is_not_said),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_drop_ins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
