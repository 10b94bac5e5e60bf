/* Temporary rules: what is taken, what is refused, and what they do before a configuration. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/config-rules.h"

static int parse(const char *text, struct config_problems *problems, struct config **ret_rules)
{
	return config_rules_parse(&(struct config_text){ "rule", text, strlen(text) }, problems,
				  ret_rules);
}

static const char *first_error(const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		if (!problems->items[i].notice)
			return problems->items[i].text;
	return "no error";
}

static struct config *parse_right(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *rules = NULL;

	if (parse(text, &problems, &rules) < 0)
		fail_msg("%s", first_error(&problems));
	config_problems_deinit(&problems);
	return rules;
}

static void single_addresses_are_taken(void **state)
{
	static const struct {
		const char *text, *address;
	} rows[] = {
		{ "Match Address 127.9.8.7\n IdleTimeout 3\n", "127.9.8.7" },
		{ "Match Address 127.9.8.7/32 LocalPort 22\n IdleTimeout 3\n", "127.9.8.7/32" },
		{ "Match User alice Address 2001:db8::7\n IdleTimeout 3\n", "2001:db8::7" },
		{ "Match Address=2001:db8::7/128\n IdleTimeout 3\n", "2001:db8::7/128" },
		{ "Match Address 10.0.0.0/8 Address 10.1.2.3\n IdleTimeout 3\n", "10.1.2.3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *rules = parse_right(rows[i].text);

		assert_int_equal(rules->n_blocks, 2);
		assert_string_equal(config_rules_address(rules, 1), rows[i].address);
		config_free(rules);
	}
}

static void everything_else_is_refused(void **state)
{
	static const struct {
		const char *text, *problem;
	} rows[] = {
		{ "", "rule: there is no Match block" },
		{ "IdleTimeout 3\nMatch Address 127.9.8.7\n IdleTimeout 3\n",
		  "rule:1: a temporary rule stands in a Match block" },
		{ "MaxCuts 1/1s\nMatch Address 127.9.8.7\n IdleTimeout 3\n",
		  "rule:1: a temporary rule stands in a Match block" },
		{ "Match all\n IdleTimeout 3\n", "Match block 1 has no Address" },
		{ "Match User alice\n IdleTimeout 3\n", "Match block 1 has no Address" },
		{ "Match Address *\n IdleTimeout 3\n", "Match block 1 has no Address" },
		{ "Match Address 127.9.8.*\n IdleTimeout 3\n", "Match block 1 has no Address" },
		{ "Match Address 127.9.8.7,127.9.8.8\n IdleTimeout 3\n", "has no Address" },
		{ "Match Address *,!127.9.8.7\n IdleTimeout 3\n", "has no Address" },
		{ "Match Address 127.9.8.6/31\n IdleTimeout 3\n", "has no Address" },
		{ "Match Address 2001:db8::/32\n IdleTimeout 3\n", "has no Address" },
		{ "Match Address 127.9.8.7\n IdleTimeout 3\nMatch all\n IdleTimeout 3\n",
		  "Match block 2 has no Address" },
		{ "Include /etc/sshidle.conf\nMatch Address 127.9.8.7\n IdleTimeout 3\n",
		  "a temporary rule cannot include files" },
		{ "Match Address 127.9.8.7\n IdleTimeot 3\n", "rule:2: unknown keyword" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_problems problems = { 0 };
		struct config *rules = NULL;

		assert_int_equal(parse(rows[i].text, &problems, &rules), -EINVAL);
		assert_null(rules);
		if (!strstr(first_error(&problems), rows[i].problem))
			fail_msg("%s: %s", rows[i].text, first_error(&problems));
		config_problems_deinit(&problems);
	}
}

static void blocks_are_limited(void **state)
{
	struct config_problems problems = { 0 };
	struct config *rules;
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	for (int i = 0; i < CONFIG_RULES_BLOCKS_MAX; i++)
		(void)fprintf(file, "Match Address 127.0.1.%d\nIdleTimeout 3\n", i);
	(void)fflush(file);
	config_free(parse_right(text));
	(void)fprintf(file, "Match Address 127.0.2.1\nIdleTimeout 3\n");
	assert_int_equal(fclose(file), 0);
	assert_int_equal(parse(text, &problems, &rules), -EINVAL);
	assert_non_null(strstr(first_error(&problems), "more than 64 Match blocks"));
	config_problems_deinit(&problems);
	free(text);
}

static void policy_of(const struct config *config, const char *address, struct policy *ret_policy)
{
	const struct policy_query query = { .user = "alice",
					    .address = address,
					    .local_port = 22,
					    .server = SERVER_OPENSSH,
					    .kind = KIND_SHELL };

	policy_resolve(config, &query, ret_policy);
}

static void they_go_before_all_others_and_concern_nobody_else(void **state)
{
	struct config *rules = parse_right("Match Address 127.9.8.7\nIdleTimeout 3\n"
					   "Match Address 127.9.8.8 User bob\nIdleTimeout 4\n");
	const char *text =
		"IdleTimeout 15m\nMaxCuts 7/3s\nProfile p\nMatch User alice\nIdleTimeout 5m\n"
		"IdleWarning 9\n";
	struct config_problems problems = { 0 };
	struct config *config, *joined;
	struct policy policy;
	int64_t span_ns;
	uint32_t n;

	(void)state;
	assert_int_equal(config_parse(&(struct config_text){ "f", text, strlen(text) }, NULL,
				      &problems, &config),
			 0);
	config_problems_deinit(&problems);
	assert_int_equal(config_join(rules, config, &joined), 0);
	/* The copy owns all that it points to. */
	config_free(config);
	policy_of(joined, "127.9.8.7", &policy);
	assert_int_equal(policy.idle_timeout_ns, 3 * NS_PER_S);
	assert_string_equal(policy.timeout_source, "rule:2");
	assert_int_equal(policy.idle_warning_ns, 9 * NS_PER_S);
	for (int i = 0; i < 2; i++) {
		policy_of(joined, i ? "127.9.8.8" : "10.0.0.1", &policy);
		assert_int_equal(policy.idle_timeout_ns, 300 * NS_PER_S);
		assert_string_equal(policy.timeout_source, "f:5");
	}
	config_max_cuts(joined, &n, &span_ns);
	assert_string_equal(joined->profile, "p");
	assert_string_equal(joined->profile_source, "f:3");
	assert_int_equal(n, 7);
	assert_int_equal(span_ns, 3 * NS_PER_S);
	assert_true(config_rules_concern(rules, "127.9.8.7"));
	assert_true(config_rules_concern(rules, "127.9.8.8"));
	assert_false(config_rules_concern(rules, "127.9.8.9"));
	config_free(rules);
	config_free(joined);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_addresses_are_taken),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(blocks_are_limited),
		cmocka_unit_test(they_go_before_all_others_and_concern_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
