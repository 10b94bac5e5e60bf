/* The rules of the situations, the verdicts, and files of authorized keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fake-proc.h"
#include "cli/prove-private.h"
#include "core/judge.h"
#include "core/policy.h"
#include "text/config-rules.h"

static void intervals_make_the_limit(void **state)
{
	static const struct {
		unsigned limit_s, interval_s, count;
	} rows[] = {
		{ 3, 1, 3 },   { 4, 1, 4 },   { 15, 5, 3 },  { 20, 5, 4 },   { 25, 5, 5 },
		{ 22, 11, 2 }, { 23, 23, 1 }, { 60, 20, 3 }, { 180, 60, 3 }, { 3600, 1200, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned interval_s, count;

		prove_case_alive(rows[i].limit_s * NS_PER_S, &interval_s, &count);
		assert_int_equal(interval_s, rows[i].interval_s);
		assert_int_equal(count, rows[i].count);
	}
}

/* What sshidled makes of them, before a file that says otherwise. */
static void rules_say_all_that_decides(void **state)
{
	const char *file = "IdleTimeout none\nIdleAction report\nCountsAsUse shell=output\n"
			   "ClientAliveInterval 7\nAfterCut leave\n";
	struct config_problems problems = { 0 };
	struct config *config;

	(void)state;
	assert_int_equal(config_parse(&(struct config_text){ "f", file, strlen(file) }, NULL,
				      &problems, &config),
			 0);
	for (size_t i = 0; i < PROVE_SITUATIONS; i++) {
		const struct prove_situation *situation = &prove_situations[i];
		const bool alive = situation->outcome == PROVE_UNRESPONSIVE;
		char *text = prove_case_rule(situation, "127.9.8.7", 20 * NS_PER_S);
		const struct policy_query query = { .user = "x", .address = "127.9.8.7" };
		struct config *rules, *joined;
		struct policy policy;

		assert_int_equal(
			config_rules_parse(&(struct config_text){ "rule", text, strlen(text) },
					   &problems, &rules),
			0);
		assert_int_equal(problems.n_errors, 0);
		assert_int_equal(config_join(rules, config, &joined), 0);
		policy_resolve(joined, &query, &policy);
		assert_int_equal(policy.idle_timeout_ns, (alive ? 40 : 20) * NS_PER_S);
		assert_int_equal(policy.idle_warning_ns, 5 * NS_PER_S);
		assert_int_equal(policy.idle_action, ACTION_DISCONNECT);
		assert_int_equal(policy.after_cut, AFTER_HANGUP);
		assert_int_equal(policy.counts, USE_BIT(USE_INPUT));
		assert_int_equal(policy.client_alive_interval_ns, alive ? 5 * NS_PER_S : 0);
		assert_int_equal(policy.client_alive_count_max, alive ? 4 : 3);
		config_free(joined);
		config_free(rules);
		free(text);
	}
	config_free(config);
	config_problems_deinit(&problems);
}

static const struct prove_situation *situation_of(enum prove_outcome outcome, bool prints)
{
	for (size_t i = 0; i < PROVE_SITUATIONS; i++)
		if (prove_situations[i].outcome == outcome &&
		    ((prove_situations[i].traits & PROVE_PRINTS) != 0) == prints)
			return &prove_situations[i];
	return NULL;
}

/* Limit 20 s; `after` 0: it lived. */
static void verdicts_tell_each_way_to_fail(void **state)
{
	static const struct {
		enum prove_outcome outcome;
		bool prints;
		double after_s;
		int ended_by;
		const char *wrong; /* NULL: as promised */
	} rows[] = {
		{ PROVE_LIVES, false, 0, 0, NULL },
		{ PROVE_LIVES, false, 20, RULE_DISCONNECT, "it was to live" },
		{ PROVE_IDLE, false, 0, 0, "it was to end" },
		{ PROVE_IDLE, false, 20.0, RULE_DISCONNECT, NULL },
		{ PROVE_IDLE, false, 20.9, RULE_DISCONNECT, NULL },
		{ PROVE_IDLE, false, 19.8, RULE_DISCONNECT, "not in time" },
		{ PROVE_IDLE, false, 22.0, RULE_DISCONNECT, "not in time" },
		{ PROVE_IDLE, false, 20.0, 0, "it was not sshidled that ended it" },
		{ PROVE_IDLE, false, 20.0, RULE_UNRESPONSIVE_HOST, "not for the reason promised" },
		{ PROVE_UNRESPONSIVE, true, 20.5, RULE_UNRESPONSIVE_PROGRAM, NULL },
		{ PROVE_UNRESPONSIVE, true, 20.5, RULE_UNRESPONSIVE_HOST, NULL },
		{ PROVE_UNRESPONSIVE, true, 40.2, RULE_DISCONNECT, "not for the reason promised" },
		{ PROVE_UNRESPONSIVE, true, 30.0, RULE_UNRESPONSIVE_PROGRAM, "not in time" },
		{ PROVE_UNRESPONSIVE, false, 30.0, RULE_UNRESPONSIVE_PROGRAM, NULL },
		{ PROVE_UNRESPONSIVE, false, 15.0, RULE_UNRESPONSIVE_PROGRAM, "not in time" },
		{ PROVE_UNRESPONSIVE, false, 40.2, RULE_DISCONNECT, NULL },
		{ PROVE_UNRESPONSIVE, false, 20.0, RULE_DISCONNECT, "not in time" },
	};
	const struct prove_watch watch = { .limit_ns = 20 * NS_PER_S };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct prove_case one = { .situation =
						  situation_of(rows[i].outcome, rows[i].prints),
					  .ended_by = rows[i].ended_by,
					  .after_ns = (int64_t)(rows[i].after_s * 1000) * NS_PER_MS,
					  .ended_at_ns = rows[i].after_s > 0 };

		prove_verdict_give(&watch, &one);
		if ((one.verdict == PROVE_AS_PROMISED) != !rows[i].wrong)
			fail_msg("row %zu: %s", i, one.happened);
		if (rows[i].wrong)
			assert_non_null(strstr(one.happened, rows[i].wrong));
	}
}

/* A server whose own limit is shorter ends a stopped client before; that is in time too. */
static void servers_may_be_first(void **state)
{
	static const struct {
		int64_t interval_ns;
		double after_s;
		bool as_promised;
	} rows[] = {
		{ 2 * NS_PER_S, 8.1, true },	{ 2 * NS_PER_S, 16.0, true },
		{ 2 * NS_PER_S, 3.0, false },	{ 2 * NS_PER_S, 30.0, false },
		{ 15 * NS_PER_S, 16.0, false }, { SETTING_OFF, 16.0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct prove_server server = {
			.native = { .server = SERVER_OPENSSH,
				    .openssh = { .client_alive_interval_ns = rows[i].interval_ns,
						 .client_alive_count_max = 3 } }
		};
		const struct prove_watch watch = { .limit_ns = 20 * NS_PER_S, .server = &server };
		struct prove_case one = { .situation = situation_of(PROVE_UNRESPONSIVE, true),
					  .told = true,
					  .after_ns = (int64_t)(rows[i].after_s * 1000) * NS_PER_MS,
					  .ended_at_ns = 1 };

		prove_verdict_give(&watch, &one);
		if ((one.verdict == PROVE_AS_PROMISED) != rows[i].as_promised)
			fail_msg("row %zu: %s", i, one.happened);
	}
}

/* A host that stalled us cannot be told from a late daemon; what it stalled is allowed. */
static void waits_of_the_host_are_allowed(void **state)
{
	struct prove_watch watch = { .limit_ns = 20 * NS_PER_S };

	(void)state;
	assert_int_equal(prove_verdict_tolerance_ns(&watch, 20 * NS_PER_S), NS_PER_S);
	assert_int_equal(prove_verdict_tolerance_ns(&watch, 100 * NS_PER_S), 2 * NS_PER_S);
	watch.worst_delay_ns = 200 * NS_PER_MS;
	assert_int_equal(prove_verdict_tolerance_ns(&watch, 20 * NS_PER_S), 1600 * NS_PER_MS);
}

static void expect_text(const char *path, const char *text)
{
	char found[256] = "";
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
	(void)fclose(file);
	assert_string_equal(found, text);
}

static void write_text(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	(void)fputs(text, file);
	(void)fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void keys_come_and_go(void **state)
{
	char directory[] = "/tmp/test-prove-XXXXXX", path[64], link[64];
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/keys", directory);
	(void)snprintf(link, sizeof(link), "%s/link", directory);
	assert_int_equal(prove_keys_drop(path, "tag-1"), -ENOENT);
	write_text(path, "key one\nkey two", 0640);
	assert_int_equal(prove_keys_add(path, "tag-1", "from=\"x\" key tag-1"), 0);
	expect_text(path, "key one\nkey two\nfrom=\"x\" key tag-1\n");
	/* The line for another server takes its place. */
	assert_int_equal(prove_keys_add(path, "tag-1", "key tag-1"), 0);
	expect_text(path, "key one\nkey two\nkey tag-1\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	assert_int_equal(prove_keys_unmake(path), -ENOTEMPTY);
	assert_int_equal(prove_keys_drop(path, "tag-1"), 0);
	expect_text(path, "key one\nkey two\n");
	/* Where a link leads is not ours to change. */
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(prove_keys_add(link, "tag-1", "key tag-1"), -ELOOP);
	expect_text(path, "key one\nkey two\n");
	assert_int_equal(prove_keys_unmake(link), -ENOTEMPTY);
	write_text(path, "", 0600);
	assert_int_equal(prove_keys_unmake(path), 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(prove_keys_unmake(directory), 0);
}

/* Beside homes root changes a file that may be its user's. */
static void keys_stay_their_owner_s(void **state)
{
	enum { OWNER = 61999, GROUP = 61998 };
	char directory[] = "/tmp/test-prove-XXXXXX", path[64];
	struct stat status;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/keys", directory);
	write_text(path, "key one\n", 0600);
	assert_int_equal(chown(path, OWNER, GROUP), 0);
	assert_int_equal(prove_keys_add(path, "tag-1", "key tag-1"), 0);
	assert_int_equal(prove_keys_drop(path, "tag-1"), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, OWNER);
	assert_int_equal(status.st_gid, GROUP);
	assert_int_equal(status.st_mode & 0777, 0600);
	/* As somebody else: it is left as it is. */
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chown(directory, OWNER, GROUP), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(seteuid(OWNER), 0);
	assert_int_equal(prove_keys_add(path, "tag-1", "key tag-1"), -EPERM);
	assert_int_equal(seteuid(0), 0);
	expect_text(path, "key one\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void half_a_survey_is_none(void **state)
{
	struct prove_snapshot snapshot;

	(void)state;
	/* The second read finds the end, or more. */
	for (int number = 1; number <= 2; number++) {
		fake_proc_fail_at(number);
		assert_int_equal(prove_survey_take(&snapshot), -EIO);
	}
}

static void only_what_is_marked_is_found(void **state)
{
	struct prove_processes processes = { 0 };
	struct prove_snapshot snapshot;

	(void)state;
	assert_int_equal(prove_survey_take(&snapshot), 0);
	prove_survey_tree(&snapshot, getppid(), &processes);
	assert_true(processes.n > 0);
	prove_survey_living(&snapshot, &processes);
	assert_true(processes.n > 0);
	processes.n = 0;
	prove_survey_tree(&snapshot, getpid(), &processes);
	prove_survey_marked(&snapshot, "nobody-has-this", 0, &processes);
	assert_int_equal(processes.n, 0);
	prove_survey_free(&snapshot);
	assert_true(prove_survey_kill_marked("nobody-has-this"));
	assert_false(prove_survey_kill_user(0));
}

/* Another process of the user, in this namespace of pids or in one of its own. */
static pid_t start_as(uid_t uid, int namespaces)
{
	int ends[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return -1;
	if (pid == 0) {
		if (setuid(uid) < 0 || write(ends[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	(void)close(ends[0]);
	return pid;
}

static void containers_are_left_alone(void **state)
{
	enum { USER = 61997 };
	struct prove_snapshot snapshot;
	pid_t own, other;

	(void)state;
	if (geteuid() != 0)
		skip();
	other = start_as(USER, CLONE_NEWPID);
	if (other < 0)
		skip(); /* a container itself */
	own = start_as(USER, 0);
	assert_true(own > 0);
	assert_int_equal(prove_survey_take(&snapshot), 0);
	assert_true(prove_survey_has_user(&snapshot, USER));
	assert_false(prove_survey_has_user(&snapshot, USER + 1));
	prove_survey_free(&snapshot);
	assert_true(prove_survey_kill_user(USER));
	assert_int_equal(waitpid(own, NULL, WNOHANG), own);
	assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_make_the_limit),
		cmocka_unit_test(rules_say_all_that_decides),
		cmocka_unit_test(verdicts_tell_each_way_to_fail),
		cmocka_unit_test(servers_may_be_first),
		cmocka_unit_test(waits_of_the_host_are_allowed),
		cmocka_unit_test(keys_come_and_go),
		cmocka_unit_test(keys_stay_their_owner_s),
		cmocka_unit_test(half_a_survey_is_none),
		cmocka_unit_test(only_what_is_marked_is_found),
		cmocka_unit_test(containers_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
