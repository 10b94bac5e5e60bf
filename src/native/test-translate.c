/* The servers' formulas, and that what is written keeps the promise: never later where that can be,
 * never for a session that sshidle.conf spares. */
#include "native/translate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "config.h"
#include "text/config.h"

static const struct settings_openssh v9_2 = { .major = 9, .minor = 2 };
static const struct settings_openssh v10_5 = { .major = 10, .minor = 5 };

/* The table of what was measured, docs/decisions/0015-native-settings.md. */
static const struct {
	const struct settings_openssh *sshd;
	int64_t interval_s, count;
	struct translate_alive want;
} rows[] = {
	{ &v9_2, 15, 3, { 11, 1, 45, 44 } },
	{ &v9_2, 60, 3, { 30, 2, 180, 180 } },
	{ &v9_2, 5, 3, { 1, 6, 15, 14 } },
	{ &v9_2, 1, 1, { 1, 1, 1, 4 } },
	{ &v9_2, 15, 4, { 10, 2, 60, 60 } },
	{ &v9_2, 15, 0, { 0, 0, 0, 0 } },
	{ &v10_5, 5, 3, { 5, 2, 15, 15 } },
	{ &v10_5, 15, 3, { 15, 2, 45, 45 } },
	{ &v10_5, 60, 3, { 60, 2, 180, 180 } },
	{ &v10_5, 60, 1, { 30, 1, 60, 60 } },
	{ &v10_5, 1, 1, { 1, 1, 1, 2 } },
	{ &v10_5, 0, 3, { 0, 0, 0, 0 } },
	/* Not once a second for an hour: 3599 is a prime. */
	{ &v10_5, 3599, 1, { 1799, 1, 3599, 3598 } },
	{ NULL, 5, 3, { 5, 3, 15, 15 } },
	{ NULL, 15, 3, { 15, 3, 45, 45 } },
	{ NULL, 60, 3, { 60, 3, 180, 180 } },
	{ NULL, 1, 2, { 1, 3, 2, 3 } },
	{ NULL, 16, 1, { 5, 3, 16, 15 } },
	{ NULL, 15, 0, { 0, 0, 0, 0 } },
};

static void test_measured(void **state)
{
	struct translate_alive alive;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const int64_t interval_ns = rows[i].interval_s * NS_PER_S;

		if (rows[i].sshd)
			translate_alive_sshd(rows[i].sshd, interval_ns, rows[i].count, &alive);
		else
			translate_alive_dropbear(interval_ns, rows[i].count, &alive);
		if (memcmp(&alive, &rows[i].want, sizeof(alive)) != 0)
			fail_msg("row %zu: %lld x %lld: %lld s", i, (long long)alive.interval_s,
				 (long long)alive.count, (long long)alive.ends_after_s);
	}
}

/* Every promise: the formula is the version's, and nothing between it and the promise was better. */
static void test_nearest_below(void **state)
{
	static const int32_t minors[] = { 1, 2, 4, 5 };

	(void)state;
	for (size_t v = 0; v < sizeof(minors) / sizeof(*minors); v++) {
		const struct settings_openssh sshd = { .major = 9, .minor = minors[v] };
		const int64_t times = minors[v] == 2 || minors[v] == 4 ? 2 : 1;

		for (int64_t interval = 1; interval <= 120; interval++) {
			for (int64_t count = 1; count <= 10; count++) {
				const int64_t promised = interval * count;
				struct translate_alive a;

				translate_alive_sshd(&sshd, interval * NS_PER_S, count, &a);
				assert_true(a.interval_s >= 1 && a.count >= 1);
				assert_int_equal(a.ends_after_s,
						 times * a.interval_s * (a.count + 1));
				if (promised >= 2 * times)
					assert_in_range(a.ends_after_s, promised - 2 * times + 1,
							promised);
				else
					assert_int_equal(a.ends_after_s, 2 * times);
			}
		}
	}
}

static void test_extremes(void **state)
{
	struct translate_alive alive;

	(void)state;
	translate_alive_sshd(&v10_5, INT64_MAX, INT64_MAX, &alive);
	assert_true(alive.interval_s > 0 && alive.interval_s <= INT32_MAX / 1000);
	translate_alive_sshd(&v9_2, NS_PER_S / 2, 1, &alive);
	assert_int_equal(alive.ends_after_s, 4);
	translate_alive_dropbear(INT64_MAX, 2, &alive);
	assert_true(alive.interval_s > 0);
}

static struct config *parse(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *config;

	assert_int_equal(config_parse(&(struct config_text){ "c", text, strlen(text) }, NULL,
				      &problems, &config),
			 0);
	config_problems_deinit(&problems);
	return config;
}

/* The lines without comments. */
static void expect(const char *conf, const struct settings_openssh *sshd, const char *globals,
		   const char *matches)
{
	struct config *config = parse(conf);
	struct translate_sshd text;
	const char *texts[2], *wants[] = { globals, matches };

	assert_int_equal(translate_sshd(config, sshd, &text), 0);
	texts[0] = text.globals;
	texts[1] = text.matches;
	for (int i = 0; i < 2; i++) {
		char bare[2048] = "";
		const char *at = texts[i];

		while (*at) {
			const size_t length = strcspn(at, "\n") + 1;

			if (at[strspn(at, "\t")] != '#')
				(void)text_append(bare, sizeof(bare), "%.*s", (int)length, at);
			at += length;
		}
		if (strcmp(bare, wants[i]) != 0)
			fail_msg("%s\ngives\n%s\nfor\n%s", conf, texts[i], wants[i]);
	}
	translate_sshd_deinit(&text);
	config_free(config);
}

#define ALIVE60 "ClientAliveInterval 60\nClientAliveCountMax 2\n"

static void test_sshd(void **state)
{
	(void)state;
	expect("", &v10_5, "", "");
	expect("IdleTimeout 15m\n", &v10_5, "", "");
	expect("ClientAliveCountMax 5\n", &v10_5, "", "");
	expect("ClientAliveInterval 60\n", &v10_5, ALIVE60, "");
	expect("ClientAliveInterval 0\n", &v10_5, "ClientAliveInterval 0\n", "");
	expect("ClientAliveInterval 60\nMatch User a*,!ab Group g\nClientAliveCountMax 0\n", &v10_5,
	       ALIVE60, "Match User a*,!ab Group g\n\tClientAliveInterval 0\n");
	expect("Match Address 10.0.0.0/8 LocalPort 22,2022 Server openssh\nClientAliveInterval 5\n",
	       &v9_2, "",
	       "Match Address 10.0.0.0/8 LocalPort 22\n\tClientAliveInterval 1\n"
	       "\tClientAliveCountMax 6\n"
	       "Match Address 10.0.0.0/8 LocalPort 2022\n\tClientAliveInterval 1\n"
	       "\tClientAliveCountMax 6\n");
	expect("ClientAliveInterval 60\nMatch Server dropbear\nClientAliveInterval 5\n", &v10_5,
	       ALIVE60, "");
	expect("Match Server openssh\nClientAliveInterval 60\n", &v10_5, "",
	       "Match all\n\tClientAliveInterval 60\n\tClientAliveCountMax 2\n");
}

/* What sshd cannot tell apart: the longest that may be meant. */
static void test_sshd_is_lenient(void **state)
{
	(void)state;
	expect("ClientAliveInterval 60\nMatch Kind sftp\nClientAliveInterval 120\n", &v10_5,
	       "ClientAliveInterval 120\nClientAliveCountMax 2\n", "");
	expect("ClientAliveInterval 60\nMatch Command x\nClientAliveInterval 0\n", &v10_5,
	       "ClientAliveInterval 0\n", "");
	expect("ClientAliveInterval 60\nMatch Kind sftp\nClientAliveInterval 5\n", &v10_5, ALIVE60,
	       "");
	/* A block behind the user's own does not concern that user. */
	expect("ClientAliveInterval 60\nMatch User a\nClientAliveInterval 5\n"
	       "Match Kind sftp\nClientAliveInterval 120\n",
	       &v10_5, "ClientAliveInterval 120\nClientAliveCountMax 2\n",
	       "Match User a\n\tClientAliveInterval 5\n\tClientAliveCountMax 2\n");
	expect("ClientAliveInterval 60\nMatch User \"a b\"\nClientAliveInterval 5\n", &v10_5,
	       ALIVE60, "");
}

#define EXACT                                                         \
	"IdleTimeout 15m\nIdleWarning 0\nKeepMax 0\nAfterCut leave\n" \
	"CountsAsUse shell=input,output sftp=input,output exec=input,output\n"

static void test_limits(void **state)
{
	const struct settings_openssh one = { .major = 9, .minor = 2, .max_sessions = 1 };
	const struct settings_openssh many = {
		.major = 9, .minor = 2, .max_sessions = 10, .forwarding = true
	};
	const struct settings_openssh old = { .major = 9, .minor = 1, .max_sessions = 1 };

	(void)state;
	expect(EXACT, &one,
	       "ChannelTimeout session:shell=901 session:command=901 session:subsystem:sftp=901\n"
	       "UnusedConnectionTimeout 901\n",
	       "");
	expect(EXACT, &many, "UnusedConnectionTimeout 901\n", "");
	expect(EXACT, &old, "", "");
	/* Without the special words: a kept, warned or working session is none of sshd's. */
	expect("IdleTimeout 15m\n", &one, "", "");
	expect("IdleTimeout 15m\nKeepMax 0\n", &one,
	       "ChannelTimeout session:subsystem:sftp=901\nUnusedConnectionTimeout 901\n", "");
	expect("IdleTimeout 15m forward=1h\nKeepMax 0\n", &many, "", "");
	expect("IdleTimeout 15m\nKeepMax 0\nIdleAction report\n", &one, "", "");
#if HAVE_PARK
	expect("IdleTimeout 15m\nKeepMax 0\nIdleAction park\n", &one, "", "");
#endif
	expect("IdleTimeout none=5m\nKeepMax 0\n", &one, "UnusedConnectionTimeout 301\n", "");
	expect("IdleTimeout 15m\nKeepMax 0\nMatch User a\nIdleTimeout none\n", &one, "", "");
	expect("IdleTimeout 15m\nKeepMax 0\nMatch Server tinyssh\nIdleTimeout none\n", &one,
	       "ChannelTimeout session:subsystem:sftp=901\nUnusedConnectionTimeout 901\n", "");
}

static void dropbear(const char *conf, int64_t keepalive_s, int64_t idle_s)
{
	struct config *config = parse(conf);
	struct translate_dropbear options;

	translate_dropbear(config, &options);
	assert_int_equal(options.has_alive ? options.alive.interval_s : -1, keepalive_s);
	assert_int_equal(options.has_idle ? options.idle_s : -1, idle_s);
	config_free(config);
}

static void test_dropbear(void **state)
{
	(void)state;
	dropbear("", -1, -1);
	dropbear("ClientAliveInterval 60\n", 60, -1);
	dropbear("ClientAliveInterval 0\n", 0, -1);
	dropbear("ClientAliveInterval 60\nMatch User a\nClientAliveInterval 90\n", 90, -1);
	dropbear("ClientAliveInterval 60\nMatch User a\nClientAliveCountMax 0\n", 0, -1);
	dropbear("ClientAliveInterval 60\nMatch User a\nClientAliveInterval 5\n", 60, -1);
	dropbear("ClientAliveInterval 60\nMatch Server openssh\nClientAliveInterval 0\n", 60, -1);
	dropbear("Match User a\nClientAliveInterval 60\n", 0, -1);
	dropbear(EXACT, -1, 901);
	dropbear("IdleTimeout 15m\n", -1, -1);
}

static void test_unknown_version(void **state)
{
	const struct settings_openssh unknown = { 0 };
	struct config *config = parse("ClientAliveInterval 60\n");
	struct translate_sshd text;

	(void)state;
	assert_int_equal(translate_sshd(config, &unknown, &text), -ENOTSUP);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_measured),	cmocka_unit_test(test_nearest_below),
		cmocka_unit_test(test_extremes),	cmocka_unit_test(test_sshd),
		cmocka_unit_test(test_sshd_is_lenient), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_dropbear),	cmocka_unit_test(test_unknown_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
