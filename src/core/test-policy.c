#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/config.h"
#include "core/policy.h"

static const struct policy_query alice = { .user = "alice",
					   .groups = (const char *const[]){ "users", "wheel" },
					   .n_groups = 2,
					   .address = "10.0.0.7",
					   .local_port = 22,
					   .server = SERVER_OPENSSH,
					   .kind = KIND_EXEC,
					   .command = "make -j2" };

static void defaults_hold_without_anything(void **state)
{
	static const uint32_t counts[KIND_N] = {
		[KIND_SHELL] = USE_BIT(USE_INPUT),
		[KIND_SFTP] = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT),
		[KIND_EXEC] = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT) | USE_BIT(USE_WORK),
		[KIND_FORWARD] = USE_BIT(USE_TRAFFIC),
		[KIND_NONE] = 0,
	};
	struct config *config;
	struct policy policy;
	int64_t span_ns;
	uint32_t n;

	(void)state;
	assert_int_equal(config_new(&config), 0);
	for (unsigned kind = 0; kind < KIND_N; kind++) {
		const struct policy_query query = { .kind = (enum channel_kind)kind };

		policy_resolve(kind % 2 ? config : NULL, &query, &policy);
		assert_true(policy.idle_timeout_ns == TIME_NEVER);
		assert_int_equal(policy.counts, counts[kind]);
	}
	assert_string_equal(policy.timeout_source, "default");
	assert_int_equal(policy.idle_warning_ns, 60 * NS_PER_S);
	assert_int_equal(policy.work_max_ns, 24 * 3600 * NS_PER_S);
	assert_int_equal(policy.work_threshold_ppm, 3000);
	assert_int_equal(policy.keep_max_ns, 8 * 3600 * NS_PER_S);
	assert_int_equal(policy.client_alive_interval_ns, 0);
	assert_int_equal(policy.client_alive_count_max, 3);
	assert_int_equal(policy.idle_action, ACTION_DISCONNECT);
	assert_int_equal(policy.after_cut, AFTER_HANGUP);
	config_max_cuts(config, &n, &span_ns);
	assert_int_equal(n, 30);
	assert_int_equal(span_ns, 60 * NS_PER_S);
	assert_true(config_shortest_limit(config) == TIME_NEVER);
	config_free(config);
	config_free(NULL);
}

/* A user that is not known may be any of those that the blocks ask for. */
static void an_unknown_user_is_spared_longest(void **state)
{
	const struct policy_query nobody = { .kind = KIND_NONE, .local_port = 22 };
	struct config *config;
	struct policy policy;
	size_t block;

	(void)state;
	assert_int_equal(config_new(&config), 0);
	(void)config_set(config, 0, SETTING_IDLE_TIMEOUT + KIND_NONE, 60 * NS_PER_S, "f:1");
	assert_int_equal(config_add_block(config, 0, &block), 0);
	assert_int_equal(config_add_criterion(config, block, CRITERION_USER, "backup"), 0);
	(void)config_set(config, block, SETTING_IDLE_TIMEOUT + KIND_NONE, 600 * NS_PER_S, "f:3");
	(void)config_set(config, block, SETTING_IDLE_ACTION, ACTION_REPORT, "f:4");
	assert_int_equal(config_add_block(config, 0, &block), 0);
	assert_int_equal(config_add_criterion(config, block, CRITERION_USER, "guest"), 0);
	(void)config_set(config, block, SETTING_IDLE_TIMEOUT + KIND_NONE, 10 * NS_PER_S, "f:6");
	assert_int_equal(config_add_block(config, 0, &block), 0);
	assert_int_equal(config_add_criterion(config, block, CRITERION_USER, "other"), 0);
	assert_int_equal(config_add_criterion(config, block, CRITERION_LOCAL_PORT, "23"), 0);
	(void)config_set(config, block, SETTING_IDLE_TIMEOUT + KIND_NONE, TIME_NEVER, "f:8");
	policy_resolve(config, &nobody, &policy);
	assert_true(policy.idle_timeout_ns == 600 * NS_PER_S);
	assert_string_equal(policy.timeout_source, "f:3");
	assert_int_equal(policy.idle_action, ACTION_REPORT);
	config_free(config);
}

/* Where the user is not known the longest interval and count hold, and 0 before all. */
static void an_unknown_client_may_be_silent_longest(void **state)
{
	static const struct {
		int64_t interval_s[2], count[2]; /* outside, and for a user */
		int64_t limit_ns;
	} rows[] = {
		{ { 15, 60 }, { 3, 3 }, 180 * NS_PER_S },
		{ { 60, 15 }, { 3, 3 }, 180 * NS_PER_S },
		{ { 15, 0 }, { 3, 3 }, TIME_NEVER },
		{ { 15, 15 }, { 3, 0 }, TIME_NEVER },
		{ { 0, 15 }, { 3, 3 }, TIME_NEVER },
		{ { 15, 15 }, { 0, 3 }, TIME_NEVER },
		{ { 15, 10 }, { 3, 6 }, 90 * NS_PER_S },
		{ { 15, 15 }, { 3, 3 }, 45 * NS_PER_S },
		{ { 86400, 1 }, { 24, 1 }, 24 * 86400 * NS_PER_S },
		{ { 86400, 1 }, { 25, 1 }, TIME_NEVER },
	};
	const struct policy_query nobody = { .kind = KIND_NONE };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *config;
		struct policy policy;
		size_t block;

		assert_int_equal(config_new(&config), 0);
		assert_int_equal(config_add_block(config, 0, &block), 0);
		assert_int_equal(config_add_criterion(config, block, CRITERION_USER, "a"), 0);
		for (size_t j = 0; j < 2; j++) {
			(void)config_set(config, j == 0 ? 0 : block, SETTING_CLIENT_ALIVE_INTERVAL,
					 rows[i].interval_s[j] * NS_PER_S, "f:1");
			(void)config_set(config, j == 0 ? 0 : block, SETTING_CLIENT_ALIVE_COUNT_MAX,
					 rows[i].count[j], "f:2");
		}
		policy_resolve(config, &nobody, &policy);
		if (policy_alive_limit_ns(&policy) != rows[i].limit_ns)
			fail_msg("row %zu", i);
		assert_string_equal(policy.client_alive_source, "f:1");
		config_free(config);
	}
}

/* Keeping the work spares more than a disconnect, and less than a report. */
static void an_unknown_user_is_rather_parked(void **state)
{
	const struct policy_query nobody = { .kind = KIND_SHELL };
	const enum idle_action both[][3] = {
		{ ACTION_DISCONNECT, ACTION_PARK, ACTION_PARK },
		{ ACTION_PARK, ACTION_DISCONNECT, ACTION_PARK },
		{ ACTION_REPORT, ACTION_PARK, ACTION_REPORT },
		{ ACTION_PARK, ACTION_REPORT, ACTION_REPORT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		struct config *config;
		struct policy policy;
		size_t block;

		assert_int_equal(config_new(&config), 0);
		(void)config_set(config, 0, SETTING_IDLE_ACTION, both[i][0], "f:1");
		assert_int_equal(config_add_block(config, 0, &block), 0);
		assert_int_equal(config_add_criterion(config, block, CRITERION_USER, "guest"), 0);
		(void)config_set(config, block, SETTING_IDLE_ACTION, both[i][1], "f:3");
		policy_resolve(config, &nobody, &policy);
		assert_int_equal(policy.idle_action, both[i][2]);
		config_free(config);
	}
}

/* What the end spares counts too, in whichever of the two it stands. */
static void an_unknown_user_loses_least(void **state)
{
	static const struct {
		enum config_setting setting;
		int64_t spares, less;
	} rows[] = {
		{ SETTING_AFTER_CUT, AFTER_LEAVE, AFTER_HANGUP },
		{ SETTING_KEEP_MAX, 60 * NS_PER_S, 0 },
		{ SETTING_WORK_MAX, 60 * NS_PER_S, 1 * NS_PER_S },
		{ SETTING_WORK_THRESHOLD, 1000, 3000 },
		{ SETTING_PARK_LIFETIME, TIME_NEVER, 60 * NS_PER_S },
		{ SETTING_PARK_MAX, 9, 1 },
	};
	const struct policy_query query = { .user = "alice", .groups_unknown = true };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_value values[SETTING_N];
		struct config *config;
		size_t block;

		assert_int_equal(config_new(&config), 0);
		assert_int_equal(config_add_block(config, 0, &block), 0);
		assert_int_equal(config_add_criterion(config, block, CRITERION_GROUP, "a"), 0);
		(void)config_set(config, i % 2 ? block : 0, rows[i / 2].setting, rows[i / 2].spares,
				 "f:1");
		(void)config_set(config, i % 2 ? 0 : block, rows[i / 2].setting, rows[i / 2].less,
				 "f:2");
		config_merge(config, &query, values);
		if (values[rows[i / 2].setting].number != rows[i / 2].spares)
			fail_msg("row %zu, %s", i / 2, i % 2 ? "in the block" : "outside");
		config_free(config);
	}
}

/* One block with one criterion: does it fit? */
static bool fits(enum config_criterion_id id, const char *list, const struct policy_query *query)
{
	struct config *config;
	struct policy policy;
	size_t block;

	assert_int_equal(config_new(&config), 0);
	assert_int_equal(config_add_block(config, 0, &block), 0);
	assert_int_equal(config_add_criterion(config, block, id, list), 0);
	assert_true(config_set(config, block, SETTING_KEEP_MAX, 1, "x"));
	policy_resolve(config, query, &policy);
	config_free(config);
	return policy.keep_max_ns == 1;
}

static void each_criterion_fits(void **state)
{
	static const struct {
		enum config_criterion_id id;
		const char *list;
		bool fits;
	} rows[] = {
		{ CRITERION_USER, "bob,ali*", true },
		{ CRITERION_USER, "*,!alice", false },
		{ CRITERION_GROUP, "wheel", true },
		{ CRITERION_GROUP, "w*,!users", false },
		{ CRITERION_GROUP, "*,!admin", true },
		{ CRITERION_GROUP, "!admin", false },
		{ CRITERION_ADDRESS, "10.0.0.0/8", true },
		{ CRITERION_ADDRESS, "192.168.0.0/16", false },
		{ CRITERION_LOCAL_PORT, "22", true },
		{ CRITERION_LOCAL_PORT, "2222,22", true },
		{ CRITERION_LOCAL_PORT, "2222,220,2", false },
		{ CRITERION_SERVER, "openssh", true },
		{ CRITERION_SERVER, "*,!openssh", false },
		{ CRITERION_KIND, "exec,sftp", true },
		{ CRITERION_KIND, "shell", false },
		{ CRITERION_COMMAND, "make *", true },
		{ CRITERION_COMMAND, "make", false },
	};
	const struct policy_query unknown = { .server = SERVER_N, .kind = KIND_N };
	const struct policy_query no_command = { .command = "" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (fits(rows[i].id, rows[i].list, &alice) != rows[i].fits)
			fail_msg("row %zu: %s", i, rows[i].list);
	}
	for (unsigned id = 0; id < CRITERION_N; id++)
		assert_false(fits((enum config_criterion_id)id,
				  id == CRITERION_LOCAL_PORT ? "1,22" : "*", &unknown));
	assert_false(fits(CRITERION_COMMAND, "*", &no_command));
}

static void match_overrides_and_the_first_of_them_decides(void **state)
{
	struct config *config;
	struct policy policy;
	size_t block;

	(void)state;
	assert_int_equal(config_new(&config), 0);
	assert_true(config_set(config, 0, SETTING_IDLE_TIMEOUT + KIND_EXEC, 900, "f:1"));
	assert_false(config_set(config, 0, SETTING_IDLE_TIMEOUT + KIND_EXEC, 100, "f:2"));
	policy_resolve(config, &alice, &policy);
	assert_int_equal(policy.idle_timeout_ns, 900);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(config_add_block(config, 0, &block), 0);
		assert_int_equal(config_add_criterion(config, block, CRITERION_USER,
						      i == 0 ? "bob" : "alice"),
				 0);
		assert_true(config_set(config, block, SETTING_IDLE_TIMEOUT + KIND_EXEC, 10 + i,
				       i == 1 ? "f:5" : "f:9"));
	}
	policy_resolve(config, &alice, &policy);
	assert_int_equal(policy.idle_timeout_ns, 11);
	assert_string_equal(policy.timeout_source, "f:5");
	assert_int_equal(config_shortest_limit(config), 10);
	config_free(config);
}

static void criteria_are_anded_and_inherited(void **state)
{
	struct config *config;
	struct policy policy;
	size_t outer, inner;

	(void)state;
	assert_int_equal(config_new(&config), 0);
	assert_int_equal(config_add_block(config, 0, &outer), 0);
	assert_int_equal(config_add_criterion(config, outer, CRITERION_USER, "bob"), 0);
	assert_int_equal(config_add_block(config, outer, &inner), 0);
	assert_int_equal(config_add_criterion(config, inner, CRITERION_KIND, "exec"), 0);
	assert_int_equal(config->blocks[inner].n_criteria, 2);
	assert_true(config_set(config, inner, SETTING_KEEP_MAX, 1, "f:3"));
	policy_resolve(config, &alice, &policy);
	assert_int_not_equal(policy.keep_max_ns, 1);
	config_free(config);
}

static void names_are_those_of_the_configuration(void **state)
{
	(void)state;
	assert_string_equal(policy_kind_name(KIND_FORWARD), "forward");
	assert_string_equal(policy_server_name(SERVER_TINYSSH), "tinyssh");
	assert_string_equal(policy_use_name(USE_TRAFFIC), "traffic");
	assert_string_equal(policy_kind_name(KIND_N), "unknown");
	assert_null(policy_kind_words[KIND_N]);
	assert_null(policy_server_words[SERVER_N]);
}

/* Equal ones are shared: what one session has must not become another's. */
static void policies_differ_in_anything(void **state)
{
	static const struct policy none, others[] = {
		{ .idle_timeout_ns = 1 },
		{ .idle_warning_ns = 1 },
		{ .work_max_ns = 1 },
		{ .keep_max_ns = 1 },
		{ .client_alive_interval_ns = 1 },
		{ .client_alive_count_max = 1 },
		{ .work_threshold_ppm = 1 },
		{ .counts = 1 },
		{ .idle_action = 1 },
		{ .park_fallback = 1 },
		{ .after_cut = 1 },
		{ .park_lifetime_ns = 1 },
		{ .park_max = 1 },
		{ .park_permit_root = true },
		{ .timeout_source = "line 1" },
		{ .client_alive_source = "line 1" },
	};

	(void)state;
	assert_true(policy_equal(&none, &(struct policy){ 0 }));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(policy_equal(&none, &others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_differ_in_anything),
		cmocka_unit_test(defaults_hold_without_anything),
		cmocka_unit_test(an_unknown_user_is_spared_longest),
		cmocka_unit_test(an_unknown_user_is_rather_parked),
		cmocka_unit_test(an_unknown_client_may_be_silent_longest),
		cmocka_unit_test(an_unknown_user_loses_least),
		cmocka_unit_test(each_criterion_fits),
		cmocka_unit_test(match_overrides_and_the_first_of_them_decides),
		cmocka_unit_test(criteria_are_anded_and_inherited),
		cmocka_unit_test(names_are_those_of_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
