/* -T and -C. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/config.h"

#define KINDS "shell, sftp, exec, forward, none"

static struct config *parse_right(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;

	assert_int_equal(config_parse(&(struct config_text){ "f", text, strlen(text) }, NULL,
				      &problems, &config),
			 0);
	assert_int_equal(problems.n, 0);
	return config;
}

static char *printed(const struct config *config, const struct policy_query *query)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	if (query)
		config_print_case(config, query, file);
	else
		config_print(config, file);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void print_shows_what_is_in_force(void **state)
{
	struct config *config = parse_right("IdleTimeout 15m exec=none\nWorkThreshold 0.05\n"
					    "Profile '/a b'\n"
					    "Match User alice Command \"a \\\"b\\\"\"\n"
					    "IdleTimeout 5m\nCountsAsUse none=traffic,input\n"
					    "Match all\nKeepMax 90\n");
	char *text = printed(config, NULL);

	(void)state;
	assert_string_equal(text,
			    "IdleTimeout shell=15m sftp=15m exec=none forward=15m none=15m\n"
			    "IdleWarning 1m\n"
			    "IdleAction disconnect\n"
			    "CountsAsUse shell=input sftp=input,output exec=input,output,work "
			    "forward=traffic none=nothing\n"
			    "AfterCut hangup\n"
			    "WorkMax 1d\n"
			    "WorkThreshold 0.05%\n"
			    "KeepMax 8h\n"
			    "ClientAliveInterval 0s\n"
			    "ClientAliveCountMax 3\n"
			    "ParkFallback disconnect\n"
			    "ParkLifetime 8h\n"
			    "ParkMax 8\n"
			    "ParkPermitRoot no\n"
			    "MaxCuts 30/1m\n"
			    "Profile \"/a b\"\n"
			    "Match User alice Command \"a \\\"b\\\"\"\n"
			    "\tIdleTimeout 5m\n"
			    "\tCountsAsUse none=input,traffic\n"
			    "Match all\n"
			    "\tKeepMax 1m30s\n");
	free(text);
	config_free(config);
}

static void one_case_is_printed_with_its_sources(void **state)
{
	struct config *config =
		parse_right("IdleTimeout 15m sftp=1h\nProfile p-1\nMatch User alice Kind sftp\n"
			    "IdleTimeout 5m\n");
	struct config_case c;
	char problem[200], *text;

	(void)state;
	assert_int_equal(config_case_parse("user=alice,kind=sftp", &c, problem, sizeof(problem)),
			 0);
	text = printed(config, &c.query);
	assert_string_equal(text, "IdleTimeout 5m  # f:4\n"
				  "IdleWarning 1m  # default\n"
				  "IdleAction disconnect  # default\n"
				  "CountsAsUse sftp=input,output  # default\n"
				  "AfterCut hangup  # default\n"
				  "WorkMax 1d  # default\n"
				  "WorkThreshold 0.3%  # default\n"
				  "KeepMax 8h  # default\n"
				  "ClientAliveInterval 0s  # default\n"
				  "ClientAliveCountMax 3  # default\n"
				  "ParkFallback disconnect  # default\n"
				  "ParkLifetime 8h  # default\n"
				  "ParkMax 8  # default\n"
				  "ParkPermitRoot no  # default\n"
				  "MaxCuts 30/1m  # default\n"
				  "Profile p-1  # f:2\n");
	free(text);
	config_case_deinit(&c);
	config_free(config);
}

static void a_case_is_read_from_its_line(void **state)
{
	struct config_case c;
	char problem[200];

	(void)state;
	assert_int_equal(config_case_parse("user=alice,group=a,addr=10.0.0.7,lport=22,kind=exec,"
					   "server=dropbear,group=b,command=make X=1",
					   &c, problem, sizeof(problem)),
			 0);
	assert_int_equal(config_case_add_group(&c, "c"), 0);
	assert_string_equal(c.query.user, "alice");
	assert_string_equal(c.query.address, "10.0.0.7");
	assert_int_equal(c.query.local_port, 22);
	assert_int_equal(c.query.kind, KIND_EXEC);
	assert_int_equal(c.query.server, SERVER_DROPBEAR);
	assert_string_equal(c.query.command, "make X=1");
	assert_int_equal(c.query.n_groups, 3);
	assert_string_equal(c.query.groups[0], "a");
	assert_string_equal(c.query.groups[2], "c");
	while (c.query.n_groups < 300)
		assert_int_equal(config_case_add_group(&c, "d"), 0);
	assert_string_equal(c.query.groups[0], "a");
	assert_string_equal(c.query.groups[299], "d");
	config_case_deinit(&c);
	config_case_deinit(&c);
	assert_int_equal(config_case_parse("user=x", &c, problem, sizeof(problem)), 0);
	assert_int_equal(c.query.kind, KIND_SHELL);
	assert_int_equal(c.query.server, SERVER_N);
	config_case_deinit(&c);
}

static void wrong_cases_are_told(void **state)
{
	static const struct {
		const char *spec;
		const char *problem;
	} rows[] = {
		{ "", "\"\" is not known; allowed: user=, group=, addr=, lport=, server=, kind=, "
		      "command=" },
		{ "host=x",
		  "\"host=x\" is not known; allowed: user=, group=, addr=, lport=, server=, "
		  "kind=, command=" },
		{ "user", "\"user\" is not known; allowed: user=, group=, addr=, lport=, server=, "
			  "kind=, command=" },
		{ "user=", "\"user=\" is wrong; allowed: a user name" },
		{ "lport=0", "\"lport=0\" is wrong; allowed: a port from 1 to 65535" },
		{ "user=x,kind=tty", "\"kind=tty\" is wrong; allowed: " KINDS },
		{ "server=sshd", "\"server=sshd\" is wrong; allowed: openssh, dropbear, tinyssh" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_case c;
		char problem[200];

		assert_int_equal(config_case_parse(rows[i].spec, &c, problem, sizeof(problem)),
				 -EINVAL);
		assert_string_equal(problem, rows[i].problem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(print_shows_what_is_in_force),
		cmocka_unit_test(one_case_is_printed_with_its_sources),
		cmocka_unit_test(a_case_is_read_from_its_line),
		cmocka_unit_test(wrong_cases_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
