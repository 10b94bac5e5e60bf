/* The methods, who may call them, and what they answer to wrong parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/fake-world.h"

#define CALL(method, parameters) \
	"{\"method\":\"io.sshidle." method "\",\"parameters\":{" parameters "}}"

enum { ALICE = 1000, BOB = 1001, NOBODY_HERE = 4242 };

static int setup(void **state)
{
	static struct fake_world world;

	fake_world_init(&world, 0);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	fake_world_deinit(*state);
	return 0;
}

/* Frees `reply`. */
static void expect_error(json_t *reply, const char *error, const char *name, const char *value)
{
	assert_non_null(reply);
	assert_string_equal(json_string_value(json_object_get(reply, "error")), error);
	if (name)
		assert_string_equal(json_string_value(json_object_get(
					    json_object_get(reply, "parameters"), name)),
				    value);
	json_decref(reply);
}

static json_t *parameters_of(json_t *reply)
{
	assert_non_null(reply);
	assert_null(json_object_get(reply, "error"));
	return json_object_get(reply, "parameters");
}

static void expect_success(json_t *reply)
{
	assert_non_null(parameters_of(reply));
	json_decref(reply);
}

static void test_service(void **state)
{
	const int fd = fake_world_connect(*state);
	json_t *reply;
	const char *text;

	reply = fake_world_call(*state, fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	text = json_string_value(
		json_array_get(json_object_get(parameters_of(reply), "interfaces"), 1));
	assert_string_equal(text, "io.sshidle");
	json_decref(reply);
	reply = fake_world_call(*state, fd,
				"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
				"\"parameters\":{\"interface\":\"io.sshidle\"}}");
	text = json_string_value(json_object_get(parameters_of(reply), "description"));
	assert_non_null(strstr(text, "\ninterface io.sshidle\n"));
	assert_non_null(
		strstr(text, "\nmethod Keep(id: int, duration_s: int) -> (until: ?string)\n"));
	json_decref(reply);
	reply = fake_world_call(*state, fd,
				"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
				"\"parameters\":{\"interface\":\"org.varlink.service\"}}");
	text = json_string_value(json_object_get(parameters_of(reply), "description"));
	assert_non_null(strstr(text, "\nerror ExpectedMore ()\n"));
	json_decref(reply);
	(void)close(fd);
}

static void test_unknown(void **state)
{
	const int fd = fake_world_connect(*state);

	expect_error(fake_world_call(*state, fd, "{\"method\":\"io.sshidle.Lost\"}"),
		     "org.varlink.service.MethodNotFound", "method", "io.sshidle.Lost");
	expect_error(fake_world_call(*state, fd, "{\"method\":\"io.sshidl.List\"}"),
		     "org.varlink.service.InterfaceNotFound", "interface", "io.sshidl");
	expect_error(fake_world_call(*state, fd,
				     "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
				     "\"parameters\":{\"interface\":\"io.ssh\"}}"),
		     "org.varlink.service.InterfaceNotFound", "interface", "io.ssh");
	expect_error(fake_world_call(*state, fd, "{\"method\":\"io.sshidle.Events\"}"),
		     "org.varlink.service.ExpectedMore", NULL, NULL);
	(void)close(fd);
}

static void test_invalid_parameters(void **state)
{
	static const struct {
		const char *call, *parameter;
	} rows[] = {
		{ CALL("List", "\"all\":true"), "all" },
		{ CALL("Why", ""), "id" },
		{ CALL("Why", "\"id\":\"41\""), "id" },
		{ CALL("Why", "\"id\":41.5"), "id" },
		{ CALL("Why", "\"id\":41,\"tty\":\"pts/3\""), "tty" },
		{ CALL("Why", "\"id\":41,\"verbose\":true"), "verbose" },
		{ CALL("Cut", ""), "id" },
		{ CALL("Cut", "\"id\":null"), "id" },
		{ CALL("Cut", "\"id\":41,\"message\":5"), "message" },
		{ CALL("Keep", "\"id\":41"), "duration_s" },
		{ CALL("Keep", "\"id\":41,\"duration_s\":-1"), "duration_s" },
		{ CALL("Keep", "\"id\":41,\"duration_s\":1e3"), "duration_s" },
		{ "{\"method\":\"io.sshidle.List\",\"upgrade\":true}", "upgrade" },
		{ "{\"method\":\"io.sshidle.List\",\"parameters\":7}", "parameters" },
		{ "{\"method\":\"List\"}", "method" },
		{ "{\"id\":41}", "id" },
		{ "{}", "method" },
	};
	const int fd = fake_world_connect(*state);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(fake_world_call(*state, fd, rows[i].call),
			     "org.varlink.service.InvalidParameter", "parameter",
			     rows[i].parameter);
	expect_success(fake_world_call(*state, fd, CALL("Why", "\"id\":null,\"tty\":\"pts/3\"")));
	(void)close(fd);
}

static void test_not_varlink(void **state)
{
	static const struct {
		const char *text, *parameter;
	} rows[] = {
		{ "GET / HTTP/1.0\r\n\r\n", "message: not JSON" },
		{ "", "message: not JSON" },
		{ "{\"method\":\"io.sshidle.List\"", "message: not JSON" },
		{ "[]", "message: not an object" },
		{ "{\"a\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", "message: nested too deeply" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int fd = fake_world_connect(*state);

		expect_error(fake_world_call(*state, fd, rows[i].text),
			     "org.varlink.service.InvalidParameter", "parameter",
			     rows[i].parameter);
		assert_true(fake_world_ended(*state, fd));
		(void)close(fd);
	}
}

static size_t count_sessions(struct fake_world *world, int fd)
{
	json_t *reply = fake_world_call(world, fd, CALL("List", ""));
	const size_t n = json_array_size(json_object_get(parameters_of(reply), "sessions"));

	json_decref(reply);
	return n;
}

static long long count_status(struct fake_world *world, int fd)
{
	json_t *reply = fake_world_call(world, fd, CALL("Status", ""));
	const long long n = json_integer_value(json_object_get(parameters_of(reply), "sessions"));

	json_decref(reply);
	return n;
}

static void test_visible(void **state)
{
	static const struct {
		uid_t uid;
		size_t n;
	} rows[] = { { 0, 8 }, { ALICE, 1 }, { BOB, 1 }, { NOBODY_HERE, 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int fd = fake_world_connect_as(*state, rows[i].uid);

		assert_int_equal(count_sessions(*state, fd), rows[i].n);
		assert_int_equal(count_status(*state, fd), rows[i].n);
		(void)close(fd);
	}
}

/* Each line says the same as the session in List. */
static void test_overview(void **state)
{
	const int fd = fake_world_connect_as(*state, 0);
	json_t *list = fake_world_call(*state, fd, CALL("List", ""));
	json_t *overview = fake_world_call(*state, fd, CALL("Overview", ""));
	const json_t *sessions = json_object_get(parameters_of(list), "sessions");
	json_t *lines = json_object_get(parameters_of(overview), "sessions"), *line, *value;
	const char *key;
	size_t i;

	assert_int_equal(json_array_size(lines), json_array_size(sessions));
	json_array_foreach (lines, i, line) {
		assert_int_equal(json_object_size(line), 12);
		json_object_foreach (line, key, value)
			assert_true(json_equal(value,
					       json_object_get(json_array_get(sessions, i), key)));
	}
	json_decref(list);
	json_decref(overview);
	(void)close(fd);
}

static void test_list(void **state)
{
	const int fd = fake_world_connect_as(*state, 0);
	json_t *reply = fake_world_call(*state, fd, CALL("List", ""));
	const json_t *sessions = json_object_get(parameters_of(reply), "sessions");
	const json_t *alice = json_array_get(sessions, 0), *unknown = json_array_get(sessions, 3);
	const json_t *evil = json_array_get(sessions, 4), *root = json_array_get(sessions, 2);
	const json_t *kept = json_array_get(sessions, 5);
	const json_t *silent = json_array_get(sessions, 6), *stopped = json_array_get(sessions, 7);

	assert_int_equal(json_integer_value(json_object_get(alice, "id")), 41);
	assert_string_equal(json_string_value(json_object_get(alice, "user")), "alice");
	assert_string_equal(json_string_value(json_object_get(alice, "state")), "warned");
	assert_true(json_number_value(json_object_get(alice, "idle_s")) == 843);
	assert_true(json_number_value(json_object_get(alice, "limit_s")) == 900);
	assert_true(json_number_value(json_object_get(alice, "ends_in_s")) == 57);
	assert_string_equal(json_string_value(json_array_get(json_object_get(alice, "tty"), 0)),
			    "pts/3");
	assert_true(json_is_null(json_object_get(unknown, "user")));
	assert_true(json_is_null(json_object_get(unknown, "uid")));
	assert_true(json_is_null(json_object_get(root, "limit_s")));
	assert_true(json_is_null(json_object_get(root, "ends_in_s")));
	assert_string_equal(json_string_value(json_object_get(root, "state")), "unlimited");
	assert_string_equal(json_string_value(json_object_get(evil, "user")), "ev\\x1b[31mil\\xff");
	assert_string_equal(json_string_value(json_object_get(evil, "state")), "reported");
	assert_string_equal(json_string_value(json_object_get(kept, "user")), "日本語");
	assert_string_equal(json_string_value(json_object_get(kept, "state")), "kept");
	assert_true(json_is_string(json_object_get(kept, "kept_until")));
	assert_true(json_number_value(json_object_get(alice, "alive_limit_s")) == 45);
	assert_true(json_number_value(json_object_get(alice, "host_heard_s")) == 3);
	assert_true(json_number_value(json_object_get(alice, "program_heard_s")) == 4);
	assert_int_equal(json_integer_value(json_object_get(alice, "pings_unanswered")), 0);
	assert_string_equal(json_string_value(json_object_get(silent, "state")), "unanswered");
	assert_int_equal(json_integer_value(json_object_get(silent, "pings_unanswered")), 12);
	assert_true(json_number_value(json_object_get(silent, "ends_in_s")) == 12);
	assert_string_equal(json_string_value(json_object_get(stopped, "state")), "unanswered");
	assert_int_equal(json_integer_value(json_object_get(stopped, "probes_unanswered")), 2);
	json_decref(reply);
	(void)close(fd);
}

static void expect_why(struct fake_world *world, int fd, const char *call, int id)
{
	json_t *reply = fake_world_call(world, fd, call);
	const json_t *explanation = json_object_get(parameters_of(reply), "explanation");
	const json_t *session = json_object_get(explanation, "session");

	assert_int_equal(json_integer_value(json_object_get(session, "id")), id);
	assert_true(json_array_size(json_object_get(explanation, "facts")) > 0);
	assert_true(json_array_size(json_object_get(explanation, "channels")) > 0);
	assert_true(json_string_length(json_object_get(explanation, "next")) > 0);
	json_decref(reply);
}

/* A container has terminals with the same numbers. */
static void test_why_two_terminals(void **state)
{
	struct fake_world *world = *state;
	const int root = fake_world_connect_as(*state, 0);
	const int bob = fake_world_connect_as(*state, 1001);
	struct session *session = &world->engine.sessions[1];
	const int32_t tty = session->channels[0].facts.tty;

	session->channels[0].facts.tty = 3;
	expect_why(*state, bob, CALL("Why", "\"tty\":\"pts/3\""), 42);
	expect_why(*state, root, CALL("Why", "\"tty\":\"pts/3\""), 41);
	session->channels[0].facts.tty = tty;
	(void)close(root);
	(void)close(bob);
}

static void test_why(void **state)
{
	const int root = fake_world_connect_as(*state, 0);
	const int alice = fake_world_connect_as(*state, ALICE);

	expect_why(*state, root, CALL("Why", "\"id\":43"), 43);
	expect_why(*state, root, CALL("Why", "\"tty\":\"pts/5\""), 42);
	expect_why(*state, root, CALL("Why", "\"tty\":\"/dev/pts/6\""), 46);
	expect_why(*state, alice, CALL("Why", "\"id\":41"), 41);
	expect_error(fake_world_call(*state, alice, CALL("Why", "\"id\":42")),
		     "io.sshidle.NoSuchSession", NULL, NULL);
	expect_error(fake_world_call(*state, alice, CALL("Why", "\"tty\":\"pts/4\"")),
		     "io.sshidle.NoSuchSession", "tty", "pts/4");
	expect_error(fake_world_call(*state, root, CALL("Why", "\"tty\":\"tty1\"")),
		     "io.sshidle.NoSuchSession", "tty", "tty1");
	expect_error(fake_world_call(*state, root, CALL("Why", "\"id\":-1")),
		     "io.sshidle.NoSuchSession", NULL, NULL);
	expect_error(fake_world_call(*state, root, CALL("Why", "\"id\":4294967337")),
		     "io.sshidle.NoSuchSession", NULL, NULL);
	(void)close(root);
	(void)close(alice);
}

static void test_cut(void **state)
{
	struct fake_world *world = *state;
	const int alice = fake_world_connect_as(world, ALICE);
	const int bob = fake_world_connect_as(world, BOB);
	const int member = fake_world_connect_as(world, NOBODY_HERE);

	TAILQ_LAST(&world->control->clients, control_clients)->sees_all = true;
	expect_error(fake_world_call(world, bob, CALL("Cut", "\"id\":41")),
		     "io.sshidle.NoSuchSession", NULL, NULL);
	expect_error(fake_world_call(world, member, CALL("Cut", "\"id\":41")),
		     "io.sshidle.NotAllowed", "reason",
		     "only root and the session's owner may end it");
	assert_int_equal(world->engine.cut_id, 0);
	expect_success(fake_world_call(world, alice,
				       CALL("Cut", "\"id\":41,\"message\":\"go \\u001b[2J\"")));
	assert_int_equal(world->engine.cut_id, 41);
	assert_string_equal(world->engine.who, "alice");
	assert_string_equal(world->engine.message, "go \033[2J");
	expect_error(fake_world_call(world, alice, CALL("Cut", "\"id\":41")), "io.sshidle.Failed",
		     "reason", "the session is being ended already");
	(void)close(alice);
	(void)close(bob);
	(void)close(member);
}

static void test_cut_as_root(void **state)
{
	struct fake_world *world = *state;
	const int root = fake_world_connect_as(world, 0);
	char call[600];

	(void)snprintf(call, sizeof(call), CALL("Cut", "\"id\":42,\"message\":\"%0300d\""), 0);
	expect_error(fake_world_call(world, root, call), "org.varlink.service.InvalidParameter",
		     "parameter", "message");
	fake_world_say(
		world, root,
		"{\"method\":\"io.sshidle.Cut\",\"oneway\":true,\"parameters\":{\"id\":44}}");
	assert_true(fake_world_silent(world, root));
	assert_int_equal(world->engine.cut_id, 44);
	assert_string_equal(world->engine.who, "root");
	assert_string_equal(world->engine.message, "");
	fake_world_say(world, root, "{\"method\":\"io.sshidle.List\",\"oneway\":true}");
	fake_world_say(world, root, "{\"method\":\"io.sshidle.Lost\",\"oneway\":true}");
	assert_true(fake_world_silent(world, root));
	(void)close(root);
}

static void test_keep(void **state)
{
	struct fake_world *world = *state;
	const int alice = fake_world_connect_as(world, ALICE);
	const int root = fake_world_connect_as(world, 0);
	json_t *reply;

	reply = fake_world_call(world, alice, CALL("Keep", "\"id\":41,\"duration_s\":28801"));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(reply, "parameters"), "most_s")),
		FAKE_KEEP_MAX_S);
	expect_error(reply, "io.sshidle.TooLong", NULL, NULL);
	reply = fake_world_call(world, alice, CALL("Keep", "\"id\":41,\"duration_s\":28800"));
	assert_true(json_is_string(json_object_get(parameters_of(reply), "until")));
	json_decref(reply);
	assert_true(world->engine.kept_until_ns == FAKE_NOW_NS + 28800 * NS_PER_S);
	expect_success(
		fake_world_call(world, root, CALL("Keep", "\"id\":41,\"duration_s\":999999")));
	assert_true(world->engine.kept_until_ns == FAKE_NOW_NS + 999999 * NS_PER_S);
	expect_error(fake_world_call(world, root,
				     CALL("Keep", "\"id\":41,\"duration_s\":9223372036854775807")),
		     "io.sshidle.TooLong", NULL, NULL);
	reply = fake_world_call(world, alice, CALL("Keep", "\"id\":41,\"duration_s\":0"));
	assert_true(json_is_null(json_object_get(parameters_of(reply), "until")));
	json_decref(reply);
	assert_true(world->engine.kept_until_ns == 0);
	(void)close(alice);
	(void)close(root);
}

static void test_reload(void **state)
{
	struct fake_world *world = *state;
	const int alice = fake_world_connect_as(world, ALICE);
	const int root = fake_world_connect_as(world, 0);
	json_t *reply;

	expect_error(fake_world_call(world, alice, CALL("Reload", "")), "io.sshidle.NotAllowed",
		     "reason", "only root may do this");
	expect_success(fake_world_call(world, root, CALL("Reload", "")));
	world->engine.config_wrong = true;
	reply = fake_world_call(world, root, CALL("Reload", ""));
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(reply, "parameters"), "problems")),
		2);
	expect_error(reply, "io.sshidle.ConfigurationWrong", NULL, NULL);
	(void)close(alice);
	(void)close(root);
}

#define RULES(text)                                                                                \
	"{\"method\":\"io.sshidle.TemporaryRules\",\"more\":true,\"parameters\":{\"text\":\"" text \
	"\"}}"

static void test_temporary_rules(void **state)
{
	struct fake_world *world = *state;
	const int alice = fake_world_connect_as(world, ALICE);
	const int root = fake_world_connect_as(world, 0);
	const int other = fake_world_connect_as(world, 0);
	json_t *reply;

	expect_error(fake_world_call(world, alice, RULES("x")), "io.sshidle.NotAllowed", "reason",
		     "only root may do this");
	expect_error(fake_world_call(world, root, CALL("TemporaryRules", "\"text\":\"x\"")),
		     "org.varlink.service.ExpectedMore", NULL, NULL);
	reply = fake_world_call(world, root, RULES("wrong"));
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(reply, "parameters"), "problems")),
		1);
	expect_error(reply, "io.sshidle.RulesWrong", NULL, NULL);
	assert_string_equal(world->engine.rules, "");
	reply = fake_world_call(world, root, RULES("x"));
	assert_true(json_is_true(json_object_get(reply, "continues")));
	expect_success(reply);
	assert_non_null(strstr(world->engine.rules, "of root (process "));
	expect_error(fake_world_call(world, other, RULES("y")), "io.sshidle.RulesWrong", NULL,
		     NULL);
	reply = fake_world_call(world, alice, CALL("Status", ""));
	assert_int_equal(json_array_size(json_object_get(parameters_of(reply), "temporary_rules")),
			 1);
	json_decref(reply);
	(void)close(alice);
	(void)close(other);
	(void)close(root);
}

/* However the connection ends. */
static void test_temporary_rules_go(void **state)
{
	struct fake_world *world = *state;
	int root = fake_world_connect_as(world, 0);

	expect_success(fake_world_call(world, root, RULES("x")));
	(void)close(root);
	fake_world_turn(world);
	assert_string_equal(world->engine.rules, "");

	root = fake_world_connect_as(world, 0);
	expect_success(fake_world_call(world, root, RULES("x")));
	assert_int_equal(shutdown(root, SHUT_WR), 0);
	fake_world_turn(world);
	assert_string_equal(world->engine.rules, "");
	assert_true(fake_world_ended(world, root));
	(void)close(root);

	root = fake_world_connect_as(world, 0);
	expect_success(fake_world_call(world, root, RULES("x")));
	fake_world_say(world, root, CALL("Status", ""));
	assert_true(fake_world_ended(world, root));
	assert_string_equal(world->engine.rules, "");
	(void)close(root);
}

static void test_configuration(void **state)
{
	struct fake_world *world = *state;
	const int alice = fake_world_connect_as(world, ALICE);
	const int root = fake_world_connect_as(world, 0);
	json_t *reply = fake_world_call(world, root, CALL("Configuration", ""));

	assert_string_equal(json_string_value(json_object_get(parameters_of(reply), "text")),
			    "IdleTimeout 15m\n");
	json_decref(reply);
	expect_error(fake_world_call(world, alice, CALL("Configuration", "")),
		     "io.sshidle.NotAllowed", NULL, NULL);
	(void)close(alice);
	(void)close(root);
}

/* Who we really are is what the kernel says. */
static void test_peer(void **state)
{
	struct fake_world *world = *state;
	const int fd = fake_world_connect(world);
	const struct control_client *client = TAILQ_FIRST(&world->control->clients);

	assert_int_equal(client->uid, geteuid());
	assert_true(client->sees_all);
	(void)close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_service),
		TEST(test_unknown),
		TEST(test_invalid_parameters),
		TEST(test_not_varlink),
		TEST(test_visible),
		TEST(test_list),
		TEST(test_overview),
		TEST(test_why),
		TEST(test_why_two_terminals),
		TEST(test_cut),
		TEST(test_cut_as_root),
		TEST(test_keep),
		TEST(test_reload),
		TEST(test_peer),
		TEST(test_temporary_rules),
		TEST(test_temporary_rules_go),
		TEST(test_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
