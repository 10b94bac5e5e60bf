#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/varlink.h"

static void feed(struct varlink_reader *reader, const char *bytes, size_t n)
{
	assert_int_equal(varlink_reader_feed(reader, bytes, n), 0);
}

static void expect_message(struct varlink_reader *reader, const char *text)
{
	const char *message;
	size_t n;

	assert_int_equal(varlink_reader_next(reader, &message, &n), 1);
	assert_int_equal(n, strlen(text));
	assert_string_equal(message, text);
}

static void expect_none(struct varlink_reader *reader)
{
	const char *message;
	size_t n;

	assert_int_equal(varlink_reader_next(reader, &message, &n), 0);
}

static void test_reader_splits_and_joins(void **state)
{
	struct varlink_reader reader;

	(void)state;
	varlink_reader_init(&reader, 100);
	expect_none(&reader);
	assert_false(varlink_reader_partial(&reader));
	feed(&reader, "", 0);
	feed(&reader, "{}\0{\"a\"", 7);
	expect_message(&reader, "{}");
	expect_none(&reader);
	assert_true(varlink_reader_partial(&reader));
	feed(&reader, ":1}", 3);
	expect_none(&reader);
	feed(&reader, "\0\0x\0", 4);
	expect_message(&reader, "{\"a\":1}");
	expect_message(&reader, "");
	expect_message(&reader, "x");
	expect_none(&reader);
	assert_false(varlink_reader_partial(&reader));
	varlink_reader_deinit(&reader);
}

static void test_reader_byte_by_byte(void **state)
{
	struct varlink_reader reader;
	char message[5000];

	(void)state;
	memset(message, 'a', sizeof(message));
	message[sizeof(message) - 1] = '\0';
	varlink_reader_init(&reader, sizeof(message));
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(message); i++) {
			expect_none(&reader);
			feed(&reader, &message[i], 1);
		}
		expect_message(&reader, message);
	}
	varlink_reader_deinit(&reader);
}

static void test_reader_limit(void **state)
{
	struct varlink_reader reader;
	const char *message;
	size_t n;

	(void)state;
	varlink_reader_init(&reader, 4);
	feed(&reader, "1234", 4);
	expect_none(&reader);
	feed(&reader, "\0", 1);
	expect_message(&reader, "1234");
	feed(&reader, "12345", 5);
	assert_int_equal(varlink_reader_next(&reader, &message, &n), -EMSGSIZE);
	assert_int_equal(varlink_reader_next(&reader, &message, &n), -EMSGSIZE);
	varlink_reader_deinit(&reader);

	varlink_reader_init(&reader, 4);
	feed(&reader, "ok\00012345\0", 9);
	expect_message(&reader, "ok");
	assert_int_equal(varlink_reader_next(&reader, &message, &n), -EMSGSIZE);
	varlink_reader_deinit(&reader);
}

static int parse(const char *text)
{
	json_t *object = NULL;
	int r = varlink_parse(text, strlen(text), &object);

	assert_true((r == 0) == (object != NULL));
	json_decref(object);
	return r;
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int result;
	} rows[] = {
		{ "{}", 0 },
		{ " {\"a\": [1, 2.5, \"x\", null, true]} ", 0 },
		{ "", -EBADMSG },
		{ "{", -EBADMSG },
		{ "{} {}", -EBADMSG },
		{ "{\"a\":1,\"a\":2}", -EBADMSG },
		{ "{\"a\":\"\xff\"}", -EBADMSG },
		{ "{\"a\":\"\\u0000\"}", -EBADMSG },
		{ "{\"a\":99999999999999999999}", -EBADMSG },
		{ "{'a':1}", -EBADMSG },
		{ "GET / HTTP/1.0\r\n", -EBADMSG },
		{ "[]", -ENOMSG },
		{ "1", -ENOMSG },
		{ "\"text\"", -ENOMSG },
		{ "null", -ENOMSG },
		{ "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}", 0 },
		{ "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", -ELOOP },
		{ "[[[[[[[[[[[[[[[[[", -ELOOP },
		{ "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[\"}", 0 },
		{ "{\"a\":\"\\\\\",\"b\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", -ELOOP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(parse(rows[i].text), rows[i].result);
}

/* The wrong field of a call, or "" when there is none. */
static const char *wrong_field(const char *text)
{
	static char field[64];
	struct varlink_call call;
	const char *wrong = "";
	json_t *message;

	assert_int_equal(varlink_parse(text, strlen(text), &message), 0);
	assert_true((varlink_call_parse(message, &call, &wrong) == 0) == (wrong[0] == '\0'));
	(void)snprintf(field, sizeof(field), "%s", wrong);
	json_decref(message);
	return field;
}

static void test_call_wrong(void **state)
{
	(void)state;
	assert_string_equal(wrong_field("{}"), "method");
	assert_string_equal(wrong_field("{\"method\":1}"), "method");
	assert_string_equal(wrong_field("{\"method\":\"List\"}"), "method");
	assert_string_equal(wrong_field("{\"method\":\".List\"}"), "method");
	assert_string_equal(wrong_field("{\"method\":\"io.sshidle.\"}"), "method");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"parameters\":[]}"), "parameters");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"more\":1}"), "more");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"oneway\":\"yes\"}"), "oneway");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"upgrade\":true}"), "upgrade");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"upgrade\":0}"), "upgrade");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"upgrade\":false}"), "");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"id\":1}"), "id");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"more\":true,\"oneway\":true}"),
			    "oneway");
	assert_string_equal(wrong_field("{\"method\":\"a.B\",\"parameters\":null}"), "");
}

static void test_call(void **state)
{
	static const char text[] =
		"{\"method\":\"io.sshidle.Why\",\"parameters\":{\"id\":41},\"more\":true}";
	const char *field = NULL;
	struct varlink_call call;
	json_t *message;

	(void)state;
	assert_int_equal(varlink_parse(text, sizeof(text) - 1, &message), 0);
	assert_int_equal(varlink_call_parse(message, &call, &field), 0);
	assert_null(field);
	assert_string_equal(call.method, "io.sshidle.Why");
	assert_string_equal(call.name, "Why");
	assert_int_equal(call.interface_bytes, strlen("io.sshidle"));
	assert_int_equal(json_integer_value(json_object_get(call.parameters, "id")), 41);
	assert_true(call.more);
	assert_false(call.oneway);
	json_decref(message);
}

static void expect_text(json_t *message, const char *expected)
{
	char *text;
	size_t n;

	assert_int_equal(varlink_encode(message, &text, &n), 0);
	assert_string_equal(text, expected);
	assert_int_equal(n, strlen(expected) + 1);
	free(text);
}

static void test_messages(void **state)
{
	char *text = NULL;
	size_t n;

	(void)state;
	expect_text(varlink_reply_new(NULL, false), "{\"parameters\":{}}");
	expect_text(varlink_reply_new(json_pack("{s:f}", "idle_s", 0.1), true),
		    "{\"parameters\":{\"idle_s\":0.1},\"continues\":true}");
	expect_text(varlink_error_new("a.B", json_pack("{s:s}", "reason", "no")),
		    "{\"error\":\"a.B\",\"parameters\":{\"reason\":\"no\"}}");
	expect_text(varlink_call_new("a.B", NULL, false), "{\"method\":\"a.B\"}");
	expect_text(varlink_call_new("a.B", json_object(), true),
		    "{\"method\":\"a.B\",\"parameters\":{},\"more\":true}");
	assert_null(varlink_error_new("\xff", json_object()));
	assert_int_equal(varlink_encode(NULL, &text, &n), -ENOMEM);
	assert_null(text);
}

static void test_reply(void **state)
{
	struct varlink_reply reply = { .error = NULL };
	json_t *message = json_pack("{s:s,s:{s:i}}", "error", "a.B", "parameters", "id", 4);

	(void)state;
	assert_int_equal(varlink_reply_parse(message, &reply), 0);
	assert_string_equal(reply.error, "a.B");
	assert_int_equal(json_integer_value(json_object_get(reply.parameters, "id")), 4);
	assert_false(reply.continues);
	assert_int_equal(json_object_set_new(message, "continues", json_integer(1)), 0);
	assert_int_equal(varlink_reply_parse(message, &reply), -EINVAL);
	json_decref(message);
	message = json_array();
	assert_int_equal(varlink_reply_parse(message, &reply), -EINVAL);
	json_decref(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_splits_and_joins),
		cmocka_unit_test(test_reader_byte_by_byte),
		cmocka_unit_test(test_reader_limit),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_call_wrong),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
