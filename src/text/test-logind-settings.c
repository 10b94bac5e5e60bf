/* logind.conf: sections, spans, built-in values in comments. */
#include "text/logind-settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_spans(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -3: wrong */
	} rows[] = {
		{ "15min", 900 },
		{ "900", 900 },
		{ "1h 30min", 5400 },
		{ "1h30m", 5400 },
		{ "2 hours", 7200 },
		{ "infinity", -1 },
		{ "0", -1 },
		{ "1w", 604800 },
		{ "", -3 },
		{ "x", -3 },
		{ "5 parsecs", -3 },
		{ "1h -3", -3 },
		{ "99999999999999999999", -3 },
		{ "9999999999999w", -3 },
	};
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].seconds == -3) {
			assert_int_equal(logind_settings_span(rows[i].text, &ns), -EINVAL);
			continue;
		}
		assert_int_equal(logind_settings_span(rows[i].text, &ns), 0);
		assert_int_equal(ns,
				 rows[i].seconds < 0 ? SETTING_OFF : rows[i].seconds * NS_PER_S);
	}
}

static void parse(const char *text, const char *file, struct settings_logind *settings)
{
	logind_settings_parse(text, strlen(text), file, settings);
}

static void test_files(void **state)
{
	static const char shipped[] = "[Login]\n#KillUserProcesses=yes\n#IdleActionSec=20min\n"
				      "StopIdleSessionSec = 15min \n[Other]\nIdleActionSec=1\n";
	struct settings_logind settings;

	(void)state;
	logind_settings_init(&settings);
	assert_int_equal(settings.stop_idle_session_ns, SETTING_OFF);
	assert_int_equal(settings.idle_action_ns, 1800 * NS_PER_S);
	parse(shipped, NULL, &settings);
	assert_int_equal(settings.stop_idle_session_ns, SETTING_OFF);
	assert_true(settings.kill_user_processes);
	assert_string_equal(settings.kill_source, "");
	assert_string_equal(settings.source, "");
	parse(shipped, "/a", &settings);
	assert_int_equal(settings.stop_idle_session_ns, 900 * NS_PER_S);
	assert_int_equal(settings.idle_action_ns, 1200 * NS_PER_S);
	assert_string_equal(settings.source, "/a");
	parse("; x\n[Login]\nKillUserProcesses=off\nKillExcludeUsers=root alice\n"
	      "StopIdleSessionSec=nonsense",
	      "/b", &settings);
	assert_false(settings.kill_user_processes);
	assert_string_equal(settings.kill_exclude, "root alice");
	assert_string_equal(settings.kill_source, "/b");
	assert_string_equal(settings.source, "/a");
	parse("[Login]\nStopIdleSessionSec=\n", "/c", &settings);
	assert_int_equal(settings.stop_idle_session_ns, SETTING_OFF);
	assert_string_equal(settings.source, "/c");
}

static void test_version(void **state)
{
	static const char text[] = "systemd 252 (252.39-1~deb12u2)\n+PAM\n";
	uint32_t version;

	(void)state;
	assert_int_equal(logind_settings_version(text, strlen(text), &version), 0);
	assert_int_equal(version, 252);
	assert_int_equal(logind_settings_version("systemd x", 9, &version), -EINVAL);
	assert_int_equal(logind_settings_version("", 0, &version), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
