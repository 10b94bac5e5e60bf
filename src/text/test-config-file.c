/* Configurations in files: includes, and what cannot be read. Also the shipped one, and the
 * manual. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fake-directory.h"
#include "base/text.h"
#include "text/config-file.h"

static char directory[] = "/tmp/test-config-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) && chdir(directory) == 0 && mkdir("d", 0700) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "d/a.conf", "d/b.conf", "d/c.txt", "d/pipe", "main" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(names[i]);
	return rmdir("d") == 0 && chdir("/") == 0 ? rmdir(directory) : -1;
}

static void write_file(const char *name, const char *text)
{
	auto_fclose FILE *file = fopen(name, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static int64_t shell_limit_s(const struct config *config)
{
	const struct policy_query query = { .kind = KIND_SHELL, .server = SERVER_N };
	struct policy policy;

	policy_resolve(config, &query, &policy);
	return policy.idle_timeout_ns / NS_PER_S;
}

static void assert_problem(const char *path, int error, const char *text)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;

	assert_int_equal(config_load(path, &config, &problems), error);
	assert_int_equal(problems.n_errors, 1);
	assert_string_equal(problems.items[0].text, text);
	config_problems_deinit(&problems);
}

static void includes_are_found_beside_the_file(void **state)
{
	struct config_problems problems = { 0 };
	struct config *config;
	char path[100];

	(void)state;
	write_file("main", "Include d/*.conf\nIdleTimeout 3m\n");
	write_file("d/b.conf", "IdleTimeout 2m\n");
	write_file("d/a.conf", "Include c.txt\n");
	write_file("d/c.txt", "IdleTimeout 5m\n");
	(void)snprintf(path, sizeof(path), "%s/main", directory);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(config_load(i == 0 ? path : "main", &config, &problems), 0);
		assert_int_equal(problems.n, 0);
		assert_int_equal(shell_limit_s(config), 300);
		config_free(config);
	}
}

static void a_missing_include_is_a_notice(void **state)
{
	struct config_problems problems = { 0 };
	struct config *config;

	(void)state;
	write_file("main", "Include nothing/*.conf\n");
	assert_int_equal(config_load("main", &config, &problems), 0);
	assert_int_equal(problems.n, 1);
	assert_true(problems.items[0].notice);
	assert_string_equal(problems.items[0].text,
			    "main:1: Include: there is no file nothing/*.conf");
	config_problems_deinit(&problems);
	config_free(config);
}

static void what_cannot_be_read_is_told(void **state)
{
	(void)state;
	assert_problem("nowhere", -ENOENT, "nowhere: cannot read it: No such file or directory");
	assert_problem("d", -EISDIR, "d: cannot read it: Is a directory");
	assert_problem("/dev/zero", -EFBIG, "/dev/zero: cannot read it: it is larger than 1 MiB");
}

/* Without its part of the policy sessions would be judged by another one. */
static void half_a_directory_is_none(void **state)
{
	char problem[128];

	(void)state;
	write_file("main", "IdleTimeout 3m\nInclude d/*.conf\n");
	write_file("d/b.conf", "IdleTimeout 2m\n");
	fake_directory_fail_at(2);
	(void)snprintf(problem, sizeof(problem), "main:2: Include: cannot look for d/*.conf: %s",
		       strerror(EIO));
	assert_problem("main", -EINVAL, problem);
}

static void a_pipe_does_not_stop_the_daemon(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("d/pipe", 0600), 0);
	write_file("main", "\nInclude d/pipe\n");
	assert_problem("main", -EINVAL, "main:2: Include: cannot read d/pipe: it is not a file");
}

/* Elsewhere it cannot be read any more, and to be told so is better than to go on without it. */
static void other_places_are_closed_after_the_start(void **state)
{
	struct config_places places = { 0 };
	struct config_problems problems = { 0 };
	struct config *config;
	char text[100];

	(void)state;
	write_file("main", "Include d/*.conf nothing/*.conf\n");
	write_file("d/b.conf", "IdleTimeout 2m\n");
	assert_int_equal(config_load_from("main", &places, &config, &problems), 0);
	assert_true(config_places_have(&places, "d"));
	assert_true(config_places_have(&places, "/etc"));
	assert_false(config_places_have(&places, "/etcetera"));
	assert_false(config_places_have(&places, "nothing"));
	config_free(config);
	places.closed = true;
	assert_int_equal(config_load_from("main", &places, &config, &problems), 0);
	config_free(config);
	config_problems_deinit(&problems);
	(void)snprintf(text, sizeof(text), "Include /etc/sshidle.d/*.conf /tm?/x/*.conf\n");
	write_file("main", text);
	problems = (struct config_problems){ 0 };
	assert_int_equal(config_load_from("main", &places, &config, &problems), -EINVAL);
	assert_int_equal(problems.n_errors, 1);
	assert_string_equal(
		problems.items[problems.n - 1].text,
		"main:1: Include: /tm?/x/*.conf is in a directory that was not read from "
		"when sshidled started: restart it to read from there");
	config_problems_deinit(&problems);
	config_places_deinit(&places);
}

static void an_error_in_an_included_file_names_it(void **state)
{
	(void)state;
	write_file("main", "Include d/b.conf\n");
	write_file("d/b.conf", "\nIdleTimeot 5m\n");
	assert_problem("main", -EINVAL,
		       "d/b.conf:2: unknown keyword \"IdleTimeot\" (did you mean IdleTimeout?)");
}

static void a_profile_names_the_controls(void **state)
{
	struct config_problems problems = { 0 };
	struct config *config;

	(void)state;
	write_file("main", "Profile " SOURCE_ROOT "/packaging/profiles/pci-dss-4.0.json\n");
	assert_int_equal(config_load("main", &config, &problems), 0);
	assert_int_equal(problems.n, 0);
	assert_string_equal(config->profile_source, "main:1");
	assert_string_equal(config->controls[CONTROL_IDLE], "pci-dss-4.0:8.2.8");
	assert_null(config->controls[CONTROL_UNRESPONSIVE]);
	config_free(config);
}

static void a_wrong_profile_is_a_wrong_configuration(void **state)
{
	char path[100], text[200], problem[300];

	(void)state;
	write_file("main", "\nProfile /nowhere.json\n");
	assert_problem("main", -EINVAL,
		       "main:2: Profile: /nowhere.json: cannot read it: No such file or directory");
	write_file("d/b.conf", "{\"profile\": \"p\"}\n");
	(void)snprintf(path, sizeof(path), "%s/d/b.conf", directory);
	(void)snprintf(text, sizeof(text), "Profile %s\n", path);
	(void)snprintf(problem, sizeof(problem),
		       "main:1: Profile: %s: title: is missing; allowed: a text", path);
	write_file("main", text);
	assert_problem("main", -EINVAL, problem);
}

static void an_empty_device_is_an_empty_configuration(void **state)
{
	struct config_problems problems = { 0 };
	struct config *config;

	(void)state;
	assert_int_equal(config_load("/dev/null", &config, &problems), 0);
	assert_int_equal(problems.n, 0);
	assert_true(config_shortest_limit(config) == TIME_NEVER);
	config_free(config);
}

static void the_shipped_file_is_right(void **state)
{
	struct config_problems problems = { 0 };
	struct config *config;

	(void)state;
	assert_int_equal(config_load(SOURCE_ROOT "/packaging/sshidle.conf", &config, &problems), 0);
	assert_int_equal(problems.n, 0);
	assert_int_equal(shell_limit_s(config), 900);
	config_free(config);
}

/* The shipped file with its commented-out examples (lines that begin with "#" and no blank). */
static void the_shipped_examples_are_right(void **state)
{
	auto_fclose FILE *from = fopen(SOURCE_ROOT "/packaging/sshidle.conf", "re");
	struct config_problems problems = { 0 };
	char line[200], text[8192] = "";
	struct config *config;
	size_t examples = 0;

	(void)state;
	assert_non_null(from);
	while (fgets(line, sizeof(line), from)) {
		const bool example = line[0] == '#' && line[1] != ' ' && line[1] != '\n';

		examples += example;
		assert_true(text_append(text, sizeof(text), "%s", example ? line + 1 : line));
	}
	assert_true(examples > 5);
	assert_int_equal(config_parse(&(struct config_text){ "f", text, strlen(text) }, NULL,
				      &problems, &config),
			 0);
	config_free(config);
	config_problems_deinit(&problems);
}

static void read_manual(char *text, size_t size)
{
	auto_fclose FILE *file = fopen(SOURCE_ROOT "/man/sshidle.conf.5", "re");
	size_t length;

	assert_non_null(file);
	length = fread(text, 1, size - 1, file);
	assert_true(length < size - 1);
	text[length] = '\0';
}

/* Counts the items of the manual's list of keywords and criteria: none too few, none too many. */
static void the_manual_has_every_keyword(void **state)
{
	static char manual[1 << 16];
	size_t n_keywords, n_criteria, items = 0;
	const char *const *keywords = config_keywords(&n_keywords);
	const char *const *criteria = config_criteria(&n_criteria);

	(void)state;
	read_manual(manual, sizeof(manual));
	for (size_t i = 0; i < n_keywords + n_criteria; i++) {
		const char *name = i < n_keywords ? keywords[i] : criteria[i - n_keywords];
		char item[64];

		(void)snprintf(item, sizeof(item), "\n.It Cm %s", name);
		if (!strstr(manual, item))
			fail_msg("%s is not in the manual", name);
	}
	/* The rows of a table (with "Ta") are no items of a list. */
	for (const char *at = manual; (at = strstr(at, "\n.It Cm ")); at++)
		items += !memmem(at, strcspn(at + 1, "\n"), " Ta ", 4);
	assert_int_equal(items, n_keywords + n_criteria);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(includes_are_found_beside_the_file),
		cmocka_unit_test(a_missing_include_is_a_notice),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(half_a_directory_is_none),
		cmocka_unit_test(a_pipe_does_not_stop_the_daemon),
		cmocka_unit_test(other_places_are_closed_after_the_start),
		cmocka_unit_test(an_error_in_an_included_file_names_it),
		cmocka_unit_test(a_profile_names_the_controls),
		cmocka_unit_test(a_wrong_profile_is_a_wrong_configuration),
		cmocka_unit_test(an_empty_device_is_an_empty_configuration),
		cmocka_unit_test(the_shipped_file_is_right),
		cmocka_unit_test(the_shipped_examples_are_right),
		cmocka_unit_test(the_manual_has_every_keyword),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
