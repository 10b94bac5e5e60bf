/* Profiles: what is refused and how that is said, what is read, and those that are shipped. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "text/profile.h"

#define HEAD		"{\"profile\": \"p\", \"title\": \"t\", \"document\": \"d\", \"checks\": "
#define CHECK		"{\"id\": \"1\", \"requirement\": \"r\", \"fix\": \"f\", "
#define CONDITION(text) HEAD "[" CHECK "\"conditions\": [" text "]}]}"

static int parse(const char *text, char *ret_problem, struct profile **ret_profile)
{
	return profile_parse(&(struct config_text){ "f", text, strlen(text) }, ret_problem,
			     ret_profile);
}

static const struct {
	const char *text;
	const char *problem;
} refusals[] = {
	{ "", "f:1:0: '[' or '{' expected near end of file" },
	{ "{\n  \"profile\": x}", "f:2:14: invalid token near 'x'" },
	{ "[]", "f: is not an object; allowed: {...}" },
	{ "{\"profile\": \"a\", \"profile\": \"b\"}",
	  "f:1:26: duplicate object key near '\"profile\"'" },
	{ "{\"profil\": \"a\"}",
	  "f: profil: is not known; allowed: profile, title, document, note, checks" },
	{ "{\"profile\": 1}", "f: profile: is not a text; allowed: a text" },
	{ "{\"profile\": \"a b\"}",
	  "f: profile: has other characters than letters, digits and ._-()" },
	{ "{\"profile\": \"a\"}", "f: title: is missing; allowed: a text" },
	{ "{\"profile\": \"a\", \"title\": \"\"}", "f: title: is empty" },
	{ "{\"profile\": \"a\", \"title\": \"a\\nb\"}", "f: title: has a control character in it" },
	{ HEAD "[]}", "f: checks: is empty or not a list; allowed: a list of checks" },
	{ HEAD "[1]}", "f: checks[0]: is not an object; allowed: {...}" },
	{ HEAD "[" CHECK "\"conditions\": []}]}",
	  "f: checks[0].conditions: is empty or not a list; allowed: a list of conditions" },
	{ HEAD "[" CHECK "\"serves\": [\"idle\", \"all\"], \"conditions\": []}]}",
	  "f: checks[0].serves[1]: is not known; allowed: idle, unresponsive" },
	{ HEAD "[" CHECK "\"commonly\": {\"looks-at\": \"x\"}}]}",
	  "f: checks[0].commonly.but: is missing; allowed: a text" },
	{ CONDITION("{}"),
	  "f: checks[0].conditions[0].fact: is missing; allowed: sshidled-running, idle-limit, "
	  "idle-warning, unresponsive-limit, servers.unresponsive-limit, openssh.client-alive, "
	  "shell.tmout, logind.stop-idle, work-kept" },
	{ CONDITION("{\"fact\": \"work-kept\"}, {\"fact\": \"idle-limit\"}"),
	  "f: checks[0].conditions[1].kinds: is missing" },
	{ CONDITION("{\"fact\": \"work-kept\", \"at-most\": \"1m\"}"),
	  "f: checks[0].conditions[0].at-most: is not known; allowed: fact" },
	{ CONDITION("{\"fact\": \"idle-limit\", \"kinds\": [\"shel\"], \"at-most\": \"1m\"}"),
	  "f: checks[0].conditions[0].kinds[0]: is not known; allowed: shell, sftp, exec, "
	  "forward, none" },
	{ CONDITION("{\"fact\": \"logind.stop-idle\", \"at-most\": \"0\"}"),
	  "f: checks[0].conditions[0].at-most: is not a time; allowed: a text such as \"15m\" or "
	  "\"1h30m\"" },
	{ CONDITION("{\"fact\": \"openssh.client-alive\", \"count-at-most\": -1}"),
	  "f: checks[0].conditions[0].count-at-most: is not a count; allowed: a number from 0 to "
	  "2147483647" },
	{ CONDITION("{\"fact\": \"shell.tmout\", \"at-most\": \"1m\", \"exported\": false}"),
	  "f: checks[0].conditions[0].exported: is not true; leave it away if it is not asked "
	  "for" },
	{ CONDITION("{\"any-of\": [{\"any-of\": [{\"fact\": \"work-kept\"}]}]}"),
	  "f: checks[0].conditions[0].any-of[0].any-of: cannot stand within another one" },
	{ CONDITION("{\"any-of\": [{\"fact\": \"work-kept\"}], \"fact\": \"work-kept\"}"),
	  "f: checks[0].conditions[0].fact: is not known; allowed: any-of" },
	{ HEAD "[" CHECK "\"conditions\": [{\"fact\": \"work-kept\"}]}, " CHECK
	       "\"conditions\": [{\"fact\": \"work-kept\"}]}]}",
	  "f: checks[1]: has the id of checks[0]" },
};

static void what_is_wrong_is_said_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char problem[PROFILE_PROBLEM_BYTES] = "";
		struct profile *profile = NULL;

		assert_int_equal(parse(refusals[i].text, problem, &profile), -EINVAL);
		assert_string_equal(problem, refusals[i].problem);
		assert_null(profile);
	}
}

static void conditions_are_read(void **state)
{
	static const char text[] =
		HEAD "[" CHECK "\"serves\": [\"unresponsive\"], \"conditions\": ["
		     "{\"fact\": \"idle-limit\", \"kinds\": [\"shell\", \"none\"], "
		     "\"at-most\": \"1h30m\", \"only-use\": [\"input\", \"work\"]},"
		     "{\"any-of\": [{\"fact\": \"openssh.client-alive\", \"count-at-least\": 1,"
		     "\"count-at-most\": 0}, {\"fact\": \"idle-warning\", \"at-least\": \"5\"}]}"
		     "]}]}";
	char problem[PROFILE_PROBLEM_BYTES];
	const struct profile_condition *condition;
	struct profile *profile;

	(void)state;
	assert_int_equal(parse(text, problem, &profile), 0);
	assert_string_equal(profile->checks[0].id, "1");
	assert_null(profile->checks[0].commonly_but);
	assert_null(profile->note);
	condition = profile->checks[0].conditions;
	assert_int_equal(condition->fact, FACT_IDLE_LIMIT);
	assert_int_equal(condition->kinds, 1 << KIND_SHELL | 1 << KIND_NONE);
	assert_int_equal(condition->only_use, USE_BIT(USE_INPUT) | USE_BIT(USE_WORK));
	assert_int_equal(condition->at_most_ns, 5400 * NS_PER_S);
	assert_int_equal(condition->at_least_ns, -1);
	condition++;
	assert_int_equal(condition->fact, FACT_ANY_OF);
	assert_int_equal(condition->n_any, 2);
	assert_int_equal(condition->any[0].count_at_least, 1);
	assert_int_equal(condition->any[0].count_at_most, 0);
	assert_int_equal(condition->any[0].at_most_ns, -1);
	assert_int_equal(condition->any[1].at_least_ns, 5 * NS_PER_S);
	profile_free(profile);
}

static const struct {
	const char *name;
	const char *idle, *unresponsive; /* controls that are named in records; NULL: none */
} shipped[] = {
	{ "default", "default:idle-shell,idle-nothing-open", "default:unresponsive" },
	{ "pci-dss-4.0", "pci-dss-4.0:8.2.8", NULL },
	{ "nist-800-53", "nist-800-53:AC-11,AC-12,SC-10", "nist-800-53:SC-10" },
	{ "stig-rhel9", "stig-rhel9:RHEL-09-412035,RHEL-09-412080",
	  "stig-rhel9:RHEL-09-255095,RHEL-09-255100" },
	{ "stig-ubuntu2204", "stig-ubuntu2204:UBTU-22-412030",
	  "stig-ubuntu2204:UBTU-22-255030,UBTU-22-255035" },
	{ "cis-debian12", "cis-debian12:5.4.3.2", "cis-debian12:5.1.7" },
};

static void assert_control(const struct profile *profile, enum config_control control,
			   const char *expected)
{
	char text[PROFILE_CONTROL_BYTES];

	assert_int_equal(profile_control(profile, control, text, sizeof(text)), expected != NULL);
	if (expected)
		assert_string_equal(text, expected);
}

static void the_shipped_ones_are_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		char path[512], problem[PROFILE_PROBLEM_BYTES] = "";
		struct profile *profile;

		(void)snprintf(path, sizeof(path), SOURCE_ROOT "/packaging/profiles/%s.json",
			       shipped[i].name);
		if (profile_load(path, problem, &profile) < 0)
			fail_msg("%s", problem);
		assert_string_equal(profile->name, shipped[i].name);
		assert_control(profile, CONTROL_IDLE, shipped[i].idle);
		assert_control(profile, CONTROL_UNRESPONSIVE, shipped[i].unresponsive);
		profile_free(profile);
	}
}

static void what_cannot_be_read_is_said(void **state)
{
	char problem[PROFILE_PROBLEM_BYTES] = "";
	struct profile *profile;

	(void)state;
	assert_int_equal(profile_load("/does/not/exist.json", problem, &profile), -ENOENT);
	assert_string_equal(problem,
			    "/does/not/exist.json: cannot read it: No such file or directory");
	assert_int_equal(profile_load("/dev", problem, &profile), -EISDIR);
	assert_int_equal(profile_load("no-such-profile", problem, &profile), -ENOENT);
	assert_non_null(strstr(problem, "/sshidle/profiles/no-such-profile.json: cannot read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(conditions_are_read),
		cmocka_unit_test(the_shipped_ones_are_right),
		cmocka_unit_test(what_cannot_be_read_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
