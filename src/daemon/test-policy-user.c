/* Who a session's user is, and what holds while the database of users does not say. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/config.h"
#include "daemon/confine.h"
#include "daemon/engine-table.h"

#define S	    NS_PER_S
#define GROUPS_MANY 400

/* What the database says now: an errno for each question, -1 that there is nobody. */
static struct {
	int user, list, group, module;
	int64_t now_ns, takes_ns;
	unsigned asked;
} world;

/* --- stand-ins --- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int64_t __wrap_clock_ns(clockid_t id);
struct passwd *__wrap_getpwuid(uid_t uid);
struct passwd *__wrap_getpwnam(const char *name);
int __wrap_getgrouplist(const char *user, gid_t group, gid_t *groups, int *n);
struct group *__wrap_getgrgid(gid_t gid);

static struct passwd alice = { .pw_name = (char[]){ "alice" }, .pw_uid = 1000, .pw_gid = 1000 };
static struct passwd bob = { .pw_name = (char[]){ "bob" }, .pw_uid = 1001, .pw_gid = 1001 };

int64_t __wrap_clock_ns(clockid_t id)
{
	(void)id;
	return world.now_ns;
}

struct passwd *__wrap_getpwuid(uid_t uid)
{
	assert_true(uid == alice.pw_uid || uid == bob.pw_uid);
	world.asked++;
	world.now_ns += world.takes_ns;
	if (world.user > 0)
		errno = world.user;
	if (world.user != 0)
		return NULL;
	return uid == alice.pw_uid ? &alice : &bob;
}

struct passwd *__wrap_getpwnam(const char *name)
{
	assert_string_equal(name, alice.pw_name);
	return world.list == 0 ? &alice : NULL;
}

int __wrap_getgrouplist(const char *user, gid_t group, gid_t *groups, int *n)
{
	const int size = *n;

	(void)user;
	for (int i = 0; i < GROUPS_MANY && i < size; i++)
		groups[i] = group + (gid_t)i;
	if (world.module != 0)
		errno = world.module;
	/* glibc returns what it has. */
	if (world.module != 0) {
		*n = 1;
		return 1;
	}
	*n = GROUPS_MANY;
	return size < GROUPS_MANY ? -1 : GROUPS_MANY;
}

struct group *__wrap_getgrgid(gid_t gid)
{
	static char name[16];
	static struct group group = { .gr_name = name };

	if (world.group > 0)
		errno = world.group;
	(void)snprintf(name, sizeof(name), "g%u", gid - alice.pw_gid);
	return world.group == 0 ? &group : NULL;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

int64_t engine_now_ns(void)
{
	return world.now_ns;
}

int rules_join(const struct engine *engine, const struct config *file, struct config **ret_config)
{
	(void)engine;
	(void)file;
	(void)ret_config;
	return -ENOSYS;
}

bool rules_concern(const struct engine *engine, const char *address)
{
	(void)engine;
	(void)address;
	return false;
}

void alive_tune(struct entry *entry)
{
	(void)entry;
}

void table_note_trouble(struct engine *engine, const struct entry *entry, const char *text)
{
	(void)entry;
	(void)text;
	engine->n_troubles = 1;
}

void table_forget_trouble(struct engine *engine, const char *text)
{
	(void)text;
	engine->n_troubles = 0;
}

int confine_files(const char *state_file, const struct config_places *config)
{
	(void)state_file;
	(void)config;
	return 0;
}

int confine_calls(enum confine_process process, struct confine_witnesses *witnesses)
{
	(void)process;
	(void)witnesses;
	return 0;
}

/* --- the tests --- */

struct scene {
	struct engine engine;
	struct entry entry, *entries[1];
};

/* 15 minutes for all, and no limit where `criterion` fits `list`. */
static void begin(struct scene *scene, enum config_criterion_id criterion, const char *list)
{
	const struct session_facts facts = { .uid = alice.pw_uid };
	const struct channel_facts shell = { .kind = KIND_SHELL, .tty = 3, .pid = 30 };
	struct config *config;
	size_t block;

	memset(&world, 0, sizeof(world));
	world.now_ns = 1000 * S;
	*scene = (struct scene){ .engine = { .entries = scene->entries, .n_entries = 1 } };
	scene->entries[0] = &scene->entry;
	scene->entry.engine = &scene->engine;
	scene->engine.started_at_ns = world.now_ns;
	assert_int_equal(config_new(&config), 0);
	assert_true(config_set(config, 0, SETTING_IDLE_TIMEOUT + KIND_SHELL, 900 * S, "f:1"));
	assert_int_equal(config_add_block(config, 0, &block), 0);
	assert_int_equal(config_add_criterion(config, block, criterion, list), 0);
	assert_true(
		config_set(config, block, SETTING_IDLE_TIMEOUT + KIND_SHELL, TIME_NEVER, "f:3"));
	scene->engine.config = config;
	session_init(&scene->entry.session, &facts, world.now_ns);
	assert_int_equal(
		session_set_channels(&scene->entry.session, &shell, 1, world.now_ns, world.now_ns),
		0);
}

static void look(struct scene *scene)
{
	assert_int_equal(policy_learn_user(&scene->entry, alice.pw_uid), 0);
	policy_apply(&scene->entry);
}

static int64_t limit_ns(const struct scene *scene)
{
	return scene->entry.session.channels[0].policy->idle_timeout_ns;
}

static void end(struct scene *scene)
{
	for (size_t i = 0; i < scene->entry.n_groups; i++)
		free(scene->entry.groups[i]);
	free(scene->entry.groups);
	names_drop(&scene->engine.users, scene->entry.session.user);
	names_deinit(&scene->engine.users);
	session_deinit(&scene->entry.session);
	policy_free_shared(&scene->engine.policies);
	config_free(scene->engine.config);
}

static void a_known_user_has_their_rule(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_USER, "alice");
	look(&scene);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	end(&scene);
	begin(&scene, CRITERION_USER, "bob");
	look(&scene);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_int_equal(scene.engine.n_troubles, 0);
	end(&scene);
}

/* A rule that spares the user holds until it is known that it is another's. */
static void a_user_without_an_answer_is_spared(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_USER, "bob");
	world.user = EIO;
	look(&scene);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	assert_string_equal(scene.entry.session.user, "1000");
	assert_int_equal(scene.engine.n_troubles, 1);
	world.now_ns += 59 * S;
	look(&scene);
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(world.asked, 1);
	world.now_ns += 3600 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(world.asked, 2);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	world.user = 0;
	world.now_ns += 60 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_string_equal(scene.entry.session.user, "alice");
	assert_int_equal(scene.engine.n_troubles, 0);
	world.now_ns += 3600 * S;
	(void)policy_ask_again(&scene.entry);
	look(&scene);
	assert_int_equal(world.asked, 3);
	end(&scene);
}

/* "Nobody" is what sssd's library says on some systems while sssd is down. */
static void a_user_without_a_name_is_believed_late(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_USER, "alice");
	world.user = -1;
	look(&scene);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	world.now_ns += 599 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	world.now_ns += 60 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_int_equal(scene.engine.n_troubles, 0);
	end(&scene);
}

/* As of a container's with numbers of its own, seen from one above it that has none of them. */
static void a_user_without_a_name_is_in_no_group(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_GROUP, "g1");
	world.user = -1;
	look(&scene);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	world.now_ns += 601 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_int_equal(scene.engine.n_troubles, 0);
	end(&scene);
}

/* Whoever has the same number on the host is somebody else. */
static void a_user_of_a_container_is_a_number(void **state)
{
	static const struct {
		enum config_criterion_id criterion;
		const char *list;
		int64_t limit_ns;
	} rows[] = {
		{ CRITERION_USER, "alice", 900 * S },
		{ CRITERION_GROUP, "g1", 900 * S },
		{ CRITERION_USER, "1000", TIME_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;

		begin(&scene, rows[i].criterion, rows[i].list);
		scene.entry.session.facts.container = 1;
		look(&scene);
		assert_string_equal(scene.entry.session.user, "1000");
		assert_int_equal(limit_ns(&scene), rows[i].limit_ns);
		assert_int_equal(scene.engine.n_troubles, 0);
		assert_int_equal(world.asked, 0);
		end(&scene);
	}
}

/* The keeper would be that of the host's user with that number, and be found by nobody in the container. */
static void what_is_in_a_container_is_not_parked(void **state)
{
	static const enum idle_action fallbacks[] = { ACTION_DISCONNECT, ACTION_REPORT };

	(void)state;
	for (size_t i = 0; i < sizeof(fallbacks) / sizeof(fallbacks[0]); i++)
		for (uint16_t inside = 0; inside < 2; inside++) {
			struct scene scene;

			begin(&scene, CRITERION_USER, "bob");
			(void)config_set(scene.engine.config, 0, SETTING_IDLE_ACTION, ACTION_PARK,
					 "f:2");
			(void)config_set(scene.engine.config, 0, SETTING_PARK_FALLBACK,
					 fallbacks[i], "f:3");
			scene.entry.session.facts.container = inside;
			look(&scene);
			assert_int_equal(scene.entry.session.channels[0].policy->idle_action,
					 inside ? fallbacks[i] : ACTION_PARK);
			end(&scene);
		}
}

/* Where no rule asks for a user there is nothing to be told. */
static void who_is_asked_for_by_no_rule_is_no_trouble(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_ADDRESS, "10.0.0.0/8");
	world.user = EIO;
	look(&scene);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_int_equal(scene.engine.n_troubles, 0);
	end(&scene);
}

/* A database that hangs holds up all sessions: 30 s for one of them are 5 minutes without another. */
static void a_slow_database_is_asked_less(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_USER, "bob");
	world.user = EIO;
	look(&scene);
	world.takes_ns = 30 * S;
	world.now_ns += 60 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(world.asked, 2);
	world.now_ns += 299 * S;
	(void)policy_ask_again(&scene.entry);
	look(&scene);
	assert_int_equal(world.asked, 2);
	world.now_ns += S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(world.asked, 3);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	end(&scene);
}

static void all_groups_count(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_GROUP, "g399");
	look(&scene);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	assert_int_equal(scene.entry.n_groups, GROUPS_MANY);
	end(&scene);
	begin(&scene, CRITERION_GROUP, "g400");
	look(&scene);
	assert_int_equal(limit_ns(&scene), 900 * S);
	end(&scene);
}

static void unknown_groups_spare(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_GROUP, "g400");
	world.group = EIO;
	look(&scene);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	assert_int_equal(scene.engine.n_troubles, 1);
	world.group = 0;
	world.list = EIO;
	world.now_ns += 60 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	world.list = 0;
	world.now_ns += 60 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_int_equal(scene.engine.n_troubles, 0);
	end(&scene);
}

/* Of a module of NSS that fails the groups are just missing; one that finds nothing has an errno too. */
static void a_part_of_the_groups_is_not_all(void **state)
{
	static const int errors[] = { ECONNREFUSED, EIO, EHOSTDOWN, ETIMEDOUT, EAGAIN };
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_GROUP, "g400");
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		world.module = errors[i];
		world.now_ns += 60 * S;
		look(&scene);
		assert_int_equal(limit_ns(&scene), TIME_NEVER);
		assert_int_equal(scene.engine.n_troubles, 1);
	}
	world.module = ESRCH;
	world.now_ns += 60 * S;
	(void)policy_ask_again(&scene.entry);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_int_equal(scene.engine.n_troubles, 0);
	end(&scene);
}

/* A number that has no name is in no rule. */
static void nameless_groups_are_left_out(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_GROUP, "g1");
	world.group = -1;
	look(&scene);
	assert_int_equal(limit_ns(&scene), 900 * S);
	assert_int_equal(scene.engine.n_troubles, 0);
	end(&scene);
}

/* What came of a hang-up that was ordered, or when it was to be tried again, went with the daemon before; what
 * was reported is not reported again, but hung up when that is what a reload asks for. */
static void what_was_not_hung_up_here_is(void **state)
{
	static const enum idle_action actions[] = { ACTION_DISCONNECT, ACTION_PARK, ACTION_REPORT };

	(void)state;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct scene scene;
		struct channel *channel;
		struct config_value *action;

		begin(&scene, CRITERION_USER, "bob");
		(void)config_set(scene.engine.config, 0, SETTING_IDLE_ACTION, actions[i], "f:2");
		channel = &scene.entry.session.channels[0];
		assert_non_null(session_need_channel_notes(channel));
		channel->notes->hung_up_at_ns = 900 * S;
		look(&scene);
		assert_int_equal(channel->notes->hung_up_at_ns,
				 actions[i] == ACTION_REPORT ? 900 * S : 0);
		channel->notes->hung_up_at_ns = 950 * S;
		look(&scene);
		assert_int_equal(channel->notes->hung_up_at_ns, 950 * S);
		action = &scene.engine.config->blocks[0].values[SETTING_IDLE_ACTION];
		action->number = ACTION_DISCONNECT;
		look(&scene);
		assert_int_equal(channel->notes->hung_up_at_ns,
				 actions[i] == ACTION_REPORT ? 0 : 950 * S);
		end(&scene);
	}
}

/* A process that becomes another user's has that one's rules, and groups. */
static void a_session_gets_another_user(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, CRITERION_GROUP, "g1");
	look(&scene);
	assert_int_equal(limit_ns(&scene), TIME_NEVER);
	assert_int_equal(policy_learn_user(&scene.entry, UINT32_MAX), 0);
	assert_string_equal(scene.entry.session.user, "alice");
	assert_int_equal(policy_learn_user(&scene.entry, bob.pw_uid), 0);
	assert_string_equal(scene.entry.session.user, "bob");
	assert_int_equal(scene.entry.session.facts.uid, bob.pw_uid);
	assert_true(!scene.entry.groups_known && scene.entry.n_groups == 0);
	end(&scene);
}

/* Each channel by its kind and its command. */
static void each_channel_has_its_rule(void **state)
{
	static const struct channel_facts facts[] = {
		{ .kind = KIND_SHELL, .tty = 3, .pid = 30 },
		{ .kind = KIND_EXEC, .tty = -1, .pid = 31 },
		{ .kind = KIND_EXEC, .tty = -1, .pid = 32 },
		{ .kind = KIND_EXEC, .tty = -1, .pid = 33 },
		{ .kind = KIND_EXEC, .tty = -1 },
		{ .kind = KIND_FORWARD, .tty = -1 },
	};
	enum { N_CHANNELS = sizeof(facts) / sizeof(facts[0]) };
	const struct policy *policies[N_CHANNELS];
	struct scene scene;
	struct session *session = &scene.entry.session;

	(void)state;
	begin(&scene, CRITERION_COMMAND, "backup*");
	for (size_t block = 0; block < 2; block++)
		assert_true(config_set(scene.engine.config, block, SETTING_IDLE_TIMEOUT + KIND_EXEC,
				       block == 0 ? 60 * S : TIME_NEVER, "f:4"));
	assert_int_equal(
		session_set_channels(session, facts, N_CHANNELS, world.now_ns, world.now_ns), 0);
	assert_int_equal(session_set_command(&session->channels[1], "backup now"), 0);
	assert_int_equal(session_set_command(&session->channels[2], "now"), 0);
	look(&scene);
	for (size_t i = 0; i < N_CHANNELS; i++)
		policies[i] = session->channels[i].policy;
	assert_int_equal(policies[0]->idle_timeout_ns, 900 * S);
	assert_int_equal(policies[1]->idle_timeout_ns, TIME_NEVER);
	assert_int_equal(policies[2]->idle_timeout_ns, 60 * S);
	assert_int_equal(policies[3]->idle_timeout_ns, 60 * S);
	/* Found when the command had ended: it may be any. */
	assert_int_equal(policies[4]->idle_timeout_ns, TIME_NEVER);
	assert_int_equal(session_set_command(&session->channels[4], "now"), 0);
	look(&scene);
	assert_int_equal(session->channels[4].policy->idle_timeout_ns, 60 * S);
	end(&scene);
}

/* One whose time was over while no daemon was there is given anew. */
static void a_restart_warns_again(void **state)
{
	(void)state;
	for (int64_t ago_ns = 59 * S; ago_ns <= 60 * S; ago_ns += S) {
		struct scene scene;
		struct session *session = &scene.entry.session;

		begin(&scene, CRITERION_USER, "bob");
		assert_true(
			config_set(scene.engine.config, 0, SETTING_IDLE_WARNING, 60 * S, "f:2"));
		look(&scene);
		assert_non_null(session_need_notes(session));
		assert_non_null(session_need_channel_notes(&session->channels[0]));
		session->notes->warned_at_ns = world.now_ns - ago_ns;
		session->channels[0].notes->warned_at_ns = world.now_ns - ago_ns;
		policy_forget_warnings(session, world.now_ns);
		assert_true((session->notes->warned_at_ns == 0) == (ago_ns == 60 * S));
		assert_true((session->channels[0].notes->warned_at_ns == 0) == (ago_ns == 60 * S));
		end(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_user_has_their_rule),
		cmocka_unit_test(a_user_without_an_answer_is_spared),
		cmocka_unit_test(a_user_without_a_name_is_believed_late),
		cmocka_unit_test(a_user_without_a_name_is_in_no_group),
		cmocka_unit_test(a_user_of_a_container_is_a_number),
		cmocka_unit_test(what_is_in_a_container_is_not_parked),
		cmocka_unit_test(who_is_asked_for_by_no_rule_is_no_trouble),
		cmocka_unit_test(a_slow_database_is_asked_less),
		cmocka_unit_test(all_groups_count),
		cmocka_unit_test(unknown_groups_spare),
		cmocka_unit_test(a_part_of_the_groups_is_not_all),
		cmocka_unit_test(nameless_groups_are_left_out),
		cmocka_unit_test(what_was_not_hung_up_here_is),
		cmocka_unit_test(a_restart_warns_again),
		cmocka_unit_test(a_session_gets_another_user),
		cmocka_unit_test(each_channel_has_its_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
