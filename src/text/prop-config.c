/* Random configurations: what -T prints gives, when it is parsed, the same policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "text/config.h"

enum { CASES = 3000, QUERIES = 20, LINES_MOST = 25 };

static uint64_t seed = 7;

static unsigned pick(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static const char *const settings[] = {
	"IdleTimeout 15m",
	"IdleTimeout 15m exec=none",
	"IdleTimeout shell=1m sftp=2m",
	"IdleTimeout none=1s forward=3w",
	"IdleTimeout none",
	"IdleTimeout 90061",
	"IdleWarning 0",
	"IdleWarning 45",
	"IdleAction report",
	"IdleAction disconnect",
	"CountsAsUse shell=nothing exec=work",
	"CountsAsUse none=traffic forward=input,output,work,traffic",
	"AfterCut leave",
	"AfterCut hangup",
	"WorkMax none",
	"WorkMax 1h",
	"WorkThreshold 0.0001%",
	"WorkThreshold 99.99",
	"WorkThreshold 100%",
	"KeepMax 0",
	"KeepMax 5200w",
	"ClientAliveInterval 15",
	"ClientAliveCountMax 0",
	"ClientAliveCountMax 2147483647",
	"ParkFallback report",
	"ParkLifetime none",
	"ParkLifetime 90s",
	"ParkMax 0",
	"ParkMax 100",
	"ParkPermitRoot yes",
};

static const char *const matches[] = {
	"Match all",
	"Match User alice",
	"Match User *,!alice",
	"Match Group wheel",
	"Match Group !wheel,*",
	"Match Address 10.0.0.0/8,2001:db8::/32",
	"Match Address 10.0.*",
	"Match LocalPort 22,2222",
	"Match Server openssh,drop*",
	"Match Kind exec",
	"Match Kind *,!shell User a*",
	"Match Command \"make *,say \\\"hi\\\" '*\"",
	"Match Command '#*' Kind exec",
	"Match Command \"*\\\\*\"",
	"Include part",
};

static void include(void *context, struct config_parser *parser, const char *file,
		    const char *pattern)
{
	static const char part[] = "WorkMax 2h\nMatch Kind sftp\nIdleTimeout 77s\n";

	(void)context;
	(void)file;
	config_parser_file(parser, pattern, part, sizeof(part) - 1);
}

static struct config *parse(const char *text)
{
	static const struct config_include in_memory = { .read = include };
	struct config_problems problems = { 0 };
	struct config *config = NULL;

	if (config_parse(&(struct config_text){ "f", text, strlen(text) }, &in_memory, &problems,
			 &config) != 0)
		fail_msg("%s\n%s", problems.n > 0 ? problems.items[0].text : "?", text);
	config_problems_deinit(&problems);
	return config;
}

static void random_text(char *text, size_t size)
{
	const unsigned lines = pick(LINES_MOST);

	text[0] = '\0';
	if (pick(2) == 0)
		(void)text_append(text, size, "MaxCuts %u/%us\n", 1 + pick(100), 1 + pick(100));
	for (unsigned i = 0; i < lines; i++) {
		const char *line = pick(4) == 0
					   ? matches[pick(sizeof(matches) / sizeof(matches[0]))]
					   : settings[pick(sizeof(settings) / sizeof(settings[0]))];

		assert_true(text_append(text, size, "%s\n", line));
	}
}

static struct policy_query random_query(void)
{
	static const char *const users[] = { NULL, "alice", "bob", "ann" };
	static const char *const addresses[] = { NULL, "10.0.0.7", "10.1.0.1", "2001:db8::7",
						 "::1" };
	static const char *const commands[] = { NULL, "make all", "say \"hi\" 'x", "#x", "a\\b" };
	static const char *const groups[] = { "users", "wheel" };

	return (struct policy_query){ .user = users[pick(4)],
				      .groups = groups,
				      .n_groups = pick(3),
				      .address = addresses[pick(5)],
				      .local_port = (uint16_t[]){ 0, 22, 2222, 80 }[pick(4)],
				      .server = (enum server_id)pick(SERVER_N + 1),
				      .kind = (enum channel_kind)pick(KIND_N + 1),
				      .command = commands[pick(5)] };
}

static void assert_same(const struct config *a, const struct config *b)
{
	const struct policy_query query = random_query();
	struct config_value values_a[SETTING_N], values_b[SETTING_N];

	config_merge(a, &query, values_a);
	config_merge(b, &query, values_b);
	for (size_t i = 0; i < SETTING_N; i++)
		assert_int_equal(values_a[i].number, values_b[i].number);
}

static char *print(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	config_print(config, file);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void printing_and_parsing_gives_equal_policies(void **state)
{
	char text[8192];

	(void)state;
	for (int i = 0; i < CASES; i++) {
		struct config *config, *again;
		char *first, *second;

		random_text(text, sizeof(text));
		config = parse(text);
		first = print(config);
		again = parse(first);
		second = print(again);
		assert_string_equal(first, second);
		for (int j = 0; j < QUERIES; j++)
			assert_same(config, again);
		assert_true(config_shortest_limit(config) == config_shortest_limit(again));
		free(first);
		free(second);
		config_free(config);
		config_free(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printing_and_parsing_gives_equal_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
