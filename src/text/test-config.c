#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "text/config.h"

#define KINDS "shell, sftp, exec, forward, none"
#define S     NS_PER_S

/* Files that exist only here: names and texts in turn. */
static const char *const *files;

static void include(void *context, struct config_parser *parser, const char *file,
		    const char *pattern)
{
	(void)context;
	(void)file;
	for (size_t i = 0; files && files[i]; i += 2) {
		if (text_equal(files[i], pattern) || (text_equal(pattern, "*") && i > 0))
			config_parser_file(parser, files[i], files[i + 1], strlen(files[i + 1]));
	}
}

static int parse(const char *text, struct config_problems *problems, struct config **ret_config)
{
	static const struct config_include in_memory = { .read = include };

	return config_parse(&(struct config_text){ "f", text, strlen(text) }, &in_memory, problems,
			    ret_config);
}

static struct config *parse_right(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;

	if (parse(text, &problems, &config) != 0)
		fail_msg("%s: %s", text, problems.n > 0 ? problems.items[0].text : "?");
	assert_int_equal(problems.n_errors, 0);
	config_problems_deinit(&problems);
	return config;
}

static struct policy resolve(const struct config *config, const char *user, enum channel_kind kind)
{
	const struct policy_query query = { .user = user,
					    .address = "10.0.0.7",
					    .local_port = 22,
					    .server = SERVER_DROPBEAR,
					    .kind = kind,
					    .command = kind == KIND_EXEC ? "make -j2" : NULL };
	struct policy policy;

	policy_resolve(config, &query, &policy);
	return policy;
}

static int64_t timeout_s(const struct config *config, const char *user, enum channel_kind kind)
{
	const struct policy policy = resolve(config, user, kind);

	return policy.idle_timeout_ns == TIME_NEVER ? -1 : policy.idle_timeout_ns / S;
}

#define TIME_ALLOWED                                                                              \
	"; allowed: a time such as 15m or 1h30m, or none, also for one kind, such as shell=15m; " \
	"kinds: " KINDS
#define USE_ALLOWED                                                        \
	"; allowed: KIND=WORD,..., such as exec=input,work; kinds: " KINDS \
	"; words: input, output, work, traffic, or nothing alone"
#define MATCH_ALLOWED                                                                             \
	"; allowed: all, or criteria with a list each: User, Group, Address, LocalPort, Server, " \
	"Kind, Command"
#define PERCENT_ALLOWED "; allowed: a percentage of one CPU from 0.0001% to 100%, such as 0.3%"
#define CUTS_ALLOWED \
	"; allowed: NUMBER/TIME, such as 30/1m, at most 10000 of them, outside of Match"
#define PROFILE_ALLOWED                                                                           \
	"; allowed: the name of a profile, such as pci-dss-4.0, or an absolute path, outside of " \
	"Match"
#define COUNT_ALLOWED "; allowed: a number from 1 to 2147483647, or 0 for never"
#define ALL_KEYWORDS                                                                            \
	"IdleTimeout, IdleWarning, IdleAction, CountsAsUse, AfterCut, WorkMax, WorkThreshold, " \
	"KeepMax, ClientAliveInterval, ClientAliveCountMax, ParkFallback, "                     \
	"ParkLifetime, ParkMax, ParkPermitRoot, MaxCuts, Profile, Include, Match"

static const struct {
	const char *text;
	const char *problem;
} wrong_lines[] = {
	{ "IdelTimeout 15m", "f:1: unknown keyword \"IdelTimeout\" (did you mean IdleTimeout?)" },
	{ "idletimout 15m", "f:1: unknown keyword \"idletimout\" (did you mean IdleTimeout?)" },
	{ "Port 22", "f:1: unknown keyword \"Port\"; allowed: " ALL_KEYWORDS },
	{ "=5m", "f:1: unknown keyword \"\"; allowed: " ALL_KEYWORDS },
	{ "\n# x\n\nFoobarbaz", "f:4: unknown keyword \"Foobarbaz\"; allowed: " ALL_KEYWORDS },
	{ "IdleTimeout", "f:1: IdleTimeout: the argument is missing" TIME_ALLOWED },
	{ "idletimeout =", "f:1: IdleTimeout: the argument is missing" TIME_ALLOWED },
	{ "IdleTimeout # 15m", "f:1: IdleTimeout: the argument is missing" TIME_ALLOWED },
	{ "IdleTimeout 15x", "f:1: IdleTimeout: \"15x\" is not a time" TIME_ALLOWED },
	{ "IdleTimeout \"\"", "f:1: IdleTimeout: \"\" is not a time" TIME_ALLOWED },
	{ "IdleTimeout -5m", "f:1: IdleTimeout: \"-5m\" is not a time" TIME_ALLOWED },
	{ "IdleTimeout nonr",
	  "f:1: IdleTimeout: \"nonr\" is not a time (did you mean none?)" TIME_ALLOWED },
	{ "IdleTimeout 0",
	  "f:1: IdleTimeout: \"0\" is too short; write none for no limit" TIME_ALLOWED },
	{ "IdleTimeout shell=0m",
	  "f:1: IdleTimeout: \"0m\" is too short; write none for no limit" TIME_ALLOWED },
	{ "IdleTimeout 99999999999",
	  "f:1: IdleTimeout: \"99999999999\" is too long (more than 5200w)" TIME_ALLOWED },
	{ "IdleTimeout 5201w",
	  "f:1: IdleTimeout: \"5201w\" is too long (more than 5200w)" TIME_ALLOWED },
	{ "IdleTimeout 15m 20m", "f:1: IdleTimeout: two values without a kind" TIME_ALLOWED },
	{ "IdleTimeout shell=1m 5m shell=2m",
	  "f:1: IdleTimeout: two values for shell" TIME_ALLOWED },
	{ "IdleTimeout shel=15m",
	  "f:1: IdleTimeout: unknown kind \"shel\" (did you mean shell?)" TIME_ALLOWED },
	{ "IdleTimeout terminal=15m", "f:1: IdleTimeout: unknown kind \"terminal\"" TIME_ALLOWED },
	{ "IdleTimeout \"15m", "f:1: IdleTimeout: a quote is not closed" TIME_ALLOWED },
	{ "IdleTimeout 15m\x1b[2J", "f:1: there is a control character in this line" },
	{ "IdleWarning never",
	  "f:1: IdleWarning: \"never\" is not a time; allowed: a time such as 60s, or 0 for no "
	  "warning" },
	{ "IdleWarning 10s 20s",
	  "f:1: IdleWarning: has more than one argument; allowed: a time such as 60s, or 0 for no "
	  "warning" },
	{ "IdleAction disconect",
	  "f:1: IdleAction: \"disconect\" is not known (did you mean disconnect?); allowed: "
	  "report, disconnect, park" },
	{ "IdleAction kill",
	  "f:1: IdleAction: \"kill\" is not known; allowed: report, disconnect, park" },
#if !HAVE_PARK
	{ "IdleAction park",
	  "f:1: IdleAction: \"park\" needs sshidle-keeper, which this build lacks (it was made "
	  "without libvterm); allowed: report, disconnect, park" },
#endif
	{ "ParkFallback park",
	  "f:1: ParkFallback: \"park\" is not known; allowed: disconnect, report" },
	{ "ParkLifetime 0",
	  "f:1: ParkLifetime: \"0\" is too short; write none for no limit; allowed: a time such "
	  "as 8h, or none" },
	{ "ParkMax -1",
	  "f:1: ParkMax: \"-1\" is not a number; allowed: a number from 1 to 2147483647, or 0 for "
	  "none" },
	{ "ParkPermitRoot maybe", "f:1: ParkPermitRoot: \"maybe\" is not known; allowed: yes, no" },
	{ "AfterCut hang-up",
	  "f:1: AfterCut: \"hang-up\" is not known (did you mean hangup?); allowed: hangup, "
	  "leave" },
	{ "CountsAsUse input", "f:1: CountsAsUse: \"input\" lacks the KIND=" USE_ALLOWED },
	{ "CountsAsUse shell=typing",
	  "f:1: CountsAsUse: \"typing\" has a word that is not known" USE_ALLOWED },
	{ "CountsAsUse shell=inptu",
	  "f:1: CountsAsUse: \"inptu\" has a word that is not known (did you mean "
	  "input?)" USE_ALLOWED },
	{ "CountsAsUse shell=input,",
	  "f:1: CountsAsUse: \"input,\" has a word that is not known (did you mean "
	  "input?)" USE_ALLOWED },
	{ "CountsAsUse shell=input,nothing",
	  "f:1: CountsAsUse: \"input,nothing\" has the word nothing beside others" USE_ALLOWED },
	{ "WorkMax 0",
	  "f:1: WorkMax: \"0\" is too short; write none for no limit; allowed: a time such as 24h, "
	  "or none" },
	{ "WorkThreshold 0", "f:1: WorkThreshold: \"0\" is too small" PERCENT_ALLOWED },
	{ "WorkThreshold 101%", "f:1: WorkThreshold: \"101%\" is more than 100%" PERCENT_ALLOWED },
	{ "WorkThreshold 100.0001%",
	  "f:1: WorkThreshold: \"100.0001%\" is more than 100%" PERCENT_ALLOWED },
	{ "WorkThreshold 99999999999999999999999",
	  "f:1: WorkThreshold: \"99999999999999999999999\" is more than 100%" PERCENT_ALLOWED },
	{ "WorkThreshold 0.00001",
	  "f:1: WorkThreshold: \"0.00001\" has more than four digits after the "
	  "point" PERCENT_ALLOWED },
	{ "WorkThreshold .3", "f:1: WorkThreshold: \".3\" is not a percentage" PERCENT_ALLOWED },
	{ "WorkThreshold 3.%", "f:1: WorkThreshold: \"3.%\" is not a percentage" PERCENT_ALLOWED },
	{ "KeepMax none",
	  "f:1: KeepMax: \"none\" is not a time; allowed: a time such as 8h, or 0 for never" },
	{ "ClientAliveInterval off",
	  "f:1: ClientAliveInterval: \"off\" is not a time; allowed: a time such as 60 or 1m, or 0 "
	  "for off" },
	{ "ClientAliveCountMax -1",
	  "f:1: ClientAliveCountMax: \"-1\" is not a number" COUNT_ALLOWED },
	{ "ClientAliveCountMax 2147483648",
	  "f:1: ClientAliveCountMax: \"2147483648\" is too large" COUNT_ALLOWED },
	{ "MaxCuts 30", "f:1: MaxCuts: lacks the /TIME" CUTS_ALLOWED },
	{ "MaxCuts 0/1m", "f:1: MaxCuts: \"0\" is too small" CUTS_ALLOWED },
	{ "MaxCuts 10001/1m", "f:1: MaxCuts: \"10001\" is too large" CUTS_ALLOWED },
	{ "MaxCuts 5/0", "f:1: MaxCuts: \"0\" is too short" CUTS_ALLOWED },
	{ "MaxCuts 5/m", "f:1: MaxCuts: \"m\" is not a time" CUTS_ALLOWED },
	{ "MaxCuts 5 / 1m", "f:1: MaxCuts: lacks the /TIME" CUTS_ALLOWED },
	{ "Profile a/b",
	  "f:1: Profile: \"a/b\" is neither a name nor an absolute path" PROFILE_ALLOWED },
	{ "Profile .a",
	  "f:1: Profile: \".a\" is neither a name nor an absolute path" PROFILE_ALLOWED },
	{ "Profile a b", "f:1: Profile: \"a\" is followed by another argument" PROFILE_ALLOWED },
	{ "Match all\nProfile a",
	  "f:2: Profile: cannot stand inside of a Match block" PROFILE_ALLOWED },
	{ "Match all\nMaxCuts 5/1m",
	  "f:2: MaxCuts: cannot stand inside of a Match block" CUTS_ALLOWED },
	{ "Match", "f:1: Match: the argument is missing" MATCH_ALLOWED },
	{ "Match User", "f:1: Match: User lacks its list" MATCH_ALLOWED },
	{ "Match Usr alice",
	  "f:1: Match: unknown criterion \"Usr\" (did you mean User?)" MATCH_ALLOWED },
	{ "Match Host web1", "f:1: Match: unknown criterion \"Host\"" MATCH_ALLOWED },
	{ "Match all User alice", "f:1: Match: all cannot stand beside others" MATCH_ALLOWED },
	{ "Match User alice all", "f:1: Match: all cannot stand beside others" MATCH_ALLOWED },
	{ "Match User alice,", "f:1: Match: User: \"\" is empty" MATCH_ALLOWED },
	{ "Match User !", "f:1: Match: User: \"\" is empty" MATCH_ALLOWED },
	{ "Match User alice, bob", "f:1: Match: User: \"\" is empty" MATCH_ALLOWED },
	{ "Match Address 10.0.0.1/8",
	  "f:1: Match: Address: \"10.0.0.1/8\" has bits set beyond its prefix "
	  "length" MATCH_ALLOWED },
	{ "Match Address 10.0.0.256",
	  "f:1: Match: Address: \"10.0.0.256\" is not an address" MATCH_ALLOWED },
	{ "Match LocalPort 22,0",
	  "f:1: Match: LocalPort: \"0\" is not a port from 1 to 65535" MATCH_ALLOWED },
	{ "Match LocalPort ssh",
	  "f:1: Match: LocalPort: \"ssh\" is not a port from 1 to 65535" MATCH_ALLOWED },
	{ "Match LocalPort 65536",
	  "f:1: Match: LocalPort: \"65536\" is not a port from 1 to 65535" MATCH_ALLOWED },
	{ "Match Server sshd",
	  "f:1: Match: Server: \"sshd\" is none of openssh, dropbear, tinyssh" MATCH_ALLOWED },
	{ "Match Kind Shell",
	  "f:1: Match: Kind: \"Shell\" is none of shell, sftp, exec, forward, none" MATCH_ALLOWED },
	{ "IdleTimeout aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "f:1: IdleTimeout: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is "
	  "not a time" TIME_ALLOWED },
};

static void wrong_lines_are_told_exactly(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong_lines) / sizeof(wrong_lines[0]); i++) {
		struct config_problems problems = { 0 };
		struct config *config = NULL;

		if (parse(wrong_lines[i].text, &problems, &config) != -EINVAL)
			fail_msg("accepted: %s", wrong_lines[i].text);
		assert_null(config);
		assert_true(problems.n_errors >= 1);
		assert_string_equal(problems.items[0].text, wrong_lines[i].problem);
		assert_false(problems.items[0].notice);
		config_problems_deinit(&problems);
	}
}

static void all_problems_are_collected_up_to_a_limit(void **state)
{
	struct config_problems problems = { 0 };
	char text[4096] = "";
	struct config *config;

	(void)state;
	assert_int_equal(parse("IdleTimeout x\nIdleWarning 5s\nFoo\nMatch Kind x User\n", &problems,
			       &config),
			 -EINVAL);
	assert_int_equal(problems.n, 4);
	assert_string_equal(problems.items[3].text,
			    "f:4: Match: User lacks its list" MATCH_ALLOWED);
	config_problems_deinit(&problems);
	for (int i = 0; i < 150; i++)
		assert_true(text_append(text, sizeof(text), "Foo\n"));
	assert_int_equal(parse(text, &problems, &config), -EINVAL);
	assert_int_equal(problems.n_errors, 150);
	assert_int_equal(problems.n, CONFIG_PROBLEMS_MAX + 1);
	assert_string_equal(problems.items[CONFIG_PROBLEMS_MAX].text,
			    "there are more problems than are shown here");
	config_problems_deinit(&problems);
}

static void odd_valid_lines_get_a_notice(void **state)
{
	static const struct {
		const char *text;
		const char *notice;
	} rows[] = {
		{ "IdleTimeout 30s",
		  "f:1: IdleWarning: 1m is more than half of the IdleTimeout of 30s; "
		  "the warning comes 15s before the end" },
		{ "IdleTimeout 5m\nIdleWarning 4m",
		  "f:1: IdleWarning: 4m is more than half of the IdleTimeout of 5m; the warning "
		  "comes 2m30s before the end" },
		{ "IdleTimeout 15m\nMatch User x\nIdleWarning 10m",
		  "f:3: IdleWarning: 10m is more than half of the IdleTimeout of 15m; the warning "
		  "comes 7m30s before the end" },
		{ "IdleTimeout 15m\nIdleTimeout 5m",
		  "f:2: IdleTimeout: is set already (f:1); the first value wins" },
		{ "AfterCut leave\nAfterCut leave",
		  "f:2: AfterCut: is set already (f:1); the first value wins" },
		{ "Match User !bob",
		  "f:1: Match: User: a list with negations only never fits; put *, before \"!bob\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_problems problems = { 0 };
		struct config *config;

		assert_int_equal(parse(rows[i].text, &problems, &config), 0);
		assert_int_equal(problems.n, 1);
		assert_true(problems.items[0].notice);
		assert_string_equal(problems.items[0].text, rows[i].notice);
		config_problems_deinit(&problems);
		config_free(config);
	}
}

static void right_lines_draw_no_remark(void **state)
{
	struct config_problems problems = { 0 };
	struct config *config;

	(void)state;
	assert_int_equal(parse("IdleTimeout shell=2m\nIdleTimeout 5s\nIdleWarning 60\n"
			       "Match all\nIdleTimeout none\nIdleWarning 0\n",
			       &problems, &config),
			 0);
	assert_int_equal(problems.n, 0);
	config_free(config);
	assert_int_equal(
		config_parse(&(struct config_text){ "f", NULL, 0 }, NULL, &problems, &config), 0);
	config_free(config);
	assert_int_equal(config_parse(&(struct config_text){ "f", "Include x", 9 }, NULL, &problems,
				      &config),
			 0);
	config_free(config);
	assert_int_equal(problems.n, 0);
}

/* All of these say IdleTimeout 15m for shell. */
static void a_line_may_be_written_in_many_ways(void **state)
{
	static const char *const rows[] = {
		"IdleTimeout 15m",
		"idletimeout 900",
		"IDLETIMEOUT=15m",
		"IdleTimeout = 15m",
		"  IdleTimeout\t=15m  ",
		"IdleTimeout \"15m\"",
		"IdleTimeout '15m'",
		"IdleTimeout 1\"5\"m",
		"IdleTimeout 15m # a comment",
		"IdleTimeout 15m\r\n",
		"IdleTimeout=shell=15m",
		"IdleTimeout SHELL=15M",
		"IdleTimeout 1h shell=15m",
		"IdleTimeout shell=15m 1h",
		"# IdleTimeout 1m\n\n   # x\nIdleTimeout 15m",
		"IdleTimeout shell=15m\nIdleTimeout 1h shell=2h",
		"Match User alice\nIdleTimeout 15m\nMatch all\nIdleTimeout 1h",
		"IdleTimeout 1h\nMatch user=al*\n\tIdleTimeout 15m",
		"Match USER \"bob,alice\" LocalPort 2222,22 Server dropbear\nIdleTimeout 15m",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *config = parse_right(rows[i]);

		if (timeout_s(config, "alice", KIND_SHELL) != 900)
			fail_msg("%s", rows[i]);
		config_free(config);
	}
}

static void the_first_value_wins_for_each_kind(void **state)
{
	struct config *config = parse_right("IdleTimeout exec=none sftp=30m\n"
					    "IdleTimeout 15m exec=1m\n"
					    "IdleTimeout 20m\n"
					    "CountsAsUse shell=input,output\n"
					    "CountsAsUse shell=nothing sftp=input\n"
					    "Match User alice Kind exec\n"
					    "  IdleTimeout 5m\n");

	(void)state;
	assert_int_equal(timeout_s(config, "bob", KIND_SHELL), 900);
	assert_int_equal(timeout_s(config, "bob", KIND_SFTP), 1800);
	assert_int_equal(timeout_s(config, "bob", KIND_EXEC), -1);
	assert_int_equal(timeout_s(config, "bob", KIND_NONE), 900);
	assert_int_equal(timeout_s(config, "alice", KIND_EXEC), 300);
	assert_int_equal(resolve(config, "bob", KIND_SHELL).counts,
			 USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT));
	assert_int_equal(resolve(config, "bob", KIND_SFTP).counts, USE_BIT(USE_INPUT));
	assert_string_equal(resolve(config, "alice", KIND_EXEC).timeout_source, "f:7");
	assert_string_equal(resolve(config, "bob", KIND_SHELL).timeout_source, "f:2");
	config_free(config);
}

static void every_keyword_has_its_effect(void **state)
{
	struct config *config = parse_right("IdleWarning 30\nIdleAction Report\nAfterCut leave\n"
					    "WorkMax none\nWorkThreshold 1.25%\nKeepMax 0\n"
					    "ClientAliveInterval 1m\nClientAliveCountMax 0\n"
					    "ParkFallback report\nParkLifetime none\nParkMax 0\n"
					    "ParkPermitRoot yes\nMaxCuts 5/10s\n");
	const struct policy policy = resolve(config, "x", KIND_SHELL);
	int64_t span_ns;
	uint32_t n;

	(void)state;
	assert_int_equal(policy.idle_warning_ns, 30 * S);
	assert_int_equal(policy.idle_action, ACTION_REPORT);
	assert_int_equal(policy.after_cut, AFTER_LEAVE);
	assert_true(policy.work_max_ns == TIME_NEVER);
	assert_int_equal(policy.work_threshold_ppm, 12500);
	assert_int_equal(policy.keep_max_ns, 0);
	assert_int_equal(policy.client_alive_interval_ns, 60 * S);
	assert_int_equal(policy.client_alive_count_max, 0);
	assert_int_equal(policy.park_fallback, ACTION_REPORT);
	assert_true(policy.park_lifetime_ns == TIME_NEVER);
	assert_int_equal(policy.park_max, 0);
	assert_true(policy.park_permit_root);
	config_max_cuts(config, &n, &span_ns);
	assert_int_equal(n, 5);
	assert_int_equal(span_ns, 10 * S);
	config_free(config);
}

static void quotes_keep_a_command_together(void **state)
{
	struct config *config = parse_right("Match Command \"make *,rsync --server *\"\n"
					    "IdleTimeout 5m\n"
					    "Match Command make\\ -j2\n"
					    "KeepMax 1m\n"
					    "Match Command 'make \"x\"'\n"
					    "AfterCut leave\n");

	(void)state;
	assert_int_equal(timeout_s(config, "x", KIND_EXEC), 300);
	assert_int_equal(resolve(config, "x", KIND_EXEC).keep_max_ns, 60 * S);
	assert_int_equal(resolve(config, "x", KIND_EXEC).after_cut, AFTER_HANGUP);
	assert_int_equal(timeout_s(config, "x", KIND_SHELL), -1);
	config_free(config);
}

static void included_files_stand_in_the_place_of_the_line(void **state)
{
	static const char *const tree[] = {
		"a",  "IdleTimeout 5m\nMatch User alice\nIdleTimeout 1m\n",
		"b",  "IdleTimeout 7m\nKeepMax 2h",
		"c",  "Match Kind exec\nIdleTimeout 3m",
		"d",  "AfterCut leave\n",
		NULL,
	};
	struct config *config;

	(void)state;
	files = tree;
	config = parse_right("Include a b\nIdleTimeout 9m\n");
	assert_int_equal(timeout_s(config, "bob", KIND_SHELL), 300);
	assert_int_equal(timeout_s(config, "alice", KIND_SHELL), 60);
	assert_int_equal(resolve(config, "bob", KIND_SHELL).keep_max_ns, 7200 * S);
	assert_string_equal(resolve(config, "bob", KIND_SHELL).timeout_source, "a:1");
	config_free(config);

	/* Inside of a Match the Match holds, and one in the file is narrower and ends with it. */
	config = parse_right("Match User alice\nInclude c d\nIdleTimeout 4m\n");
	assert_int_equal(timeout_s(config, "alice", KIND_EXEC), 180);
	assert_int_equal(timeout_s(config, "alice", KIND_SHELL), 240);
	assert_int_equal(timeout_s(config, "bob", KIND_EXEC), -1);
	assert_int_equal(resolve(config, "alice", KIND_SHELL).after_cut, AFTER_LEAVE);
	assert_int_equal(resolve(config, "bob", KIND_SHELL).after_cut, AFTER_HANGUP);
	config_free(config);
	files = NULL;
}

static void include_has_its_limits(void **state)
{
	static const char *const self[] = { "self", "Include self", NULL };
	static const char *const many[] = { "x",	   "",	"a",	       "Include *\n", "b",
					    "Include *\n", "c", "Include *\n", NULL };
	struct config_problems problems = { 0 };
	struct config *config;

	(void)state;
	files = self;
	assert_int_equal(parse("Include self", &problems, &config), -EINVAL);
	assert_int_equal(problems.n, 1);
	assert_string_equal(problems.items[0].text, "self:1: Include: more than 16 files deep");
	config_problems_deinit(&problems);
	files = many;
	assert_int_equal(parse("Include *", &problems, &config), -EINVAL);
	assert_int_equal(problems.items[problems.n - 1].notice, false);
	assert_true(problems.n_errors < CONFIG_FILES_MAX + 1);
	assert_non_null(strstr(problems.items[problems.n - 1].text, "more"));
	config_problems_deinit(&problems);
	files = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_lines_are_told_exactly),
		cmocka_unit_test(all_problems_are_collected_up_to_a_limit),
		cmocka_unit_test(odd_valid_lines_get_a_notice),
		cmocka_unit_test(right_lines_draw_no_remark),
		cmocka_unit_test(a_line_may_be_written_in_many_ways),
		cmocka_unit_test(the_first_value_wins_for_each_kind),
		cmocka_unit_test(every_keyword_has_its_effect),
		cmocka_unit_test(quotes_keep_a_command_together),
		cmocka_unit_test(included_files_stand_in_the_place_of_the_line),
		cmocka_unit_test(include_has_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
