/* What procd says of its services, as `ubus call service list` prints it. */
#include "text/procd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RUNS(cmdline, pid, text) runs(cmdline, sizeof(cmdline) - 1, pid, text)

static const char two[] =
	"{ \"dropbear\": { \"script\": \"/etc/init.d/dropbear\", \"instances\": {"
	" \"instance1\": { \"running\": true, \"pid\": 735, \"command\": [ \"/usr/sbin/dropbear\","
	" \"-F\", \"-K\", \"300\" ], \"term_timeout\": 5 },"
	" \"instance2\": { \"running\": true, \"pid\": 736, \"command\": [ \"/usr/sbin/dropbear\","
	" \"-F\", \"-K\", \"15\" ], \"term_timeout\": 5 },"
	" \"instance3\": { \"running\": false, \"command\": [ \"/usr/sbin/dropbear\" ] } },"
	" \"triggers\": [ ] } }";

static int runs(const char *cmdline, size_t size, int32_t pid, const char *text)
{
	struct server_arguments arguments;

	assert_int_equal(server_arguments_split(cmdline, size, &arguments), 0);
	return procd_has_command(text, pid, &arguments);
}

static void test_instances(void **state)
{
	(void)state;
	assert_int_equal(RUNS("/usr/sbin/dropbear\0-F\0-K\0"
			      "300\0",
			      735, two),
			 1);
	assert_int_equal(RUNS("/usr/sbin/dropbear\0-F\0-K\0"
			      "300\0",
			      736, two),
			 0);
	assert_int_equal(RUNS("/usr/sbin/dropbear\0-F\0-K\0"
			      "15\0",
			      736, two),
			 1);
	assert_int_equal(RUNS("/usr/sbin/dropbear\0-F\0-K\0"
			      "15\0-s\0",
			      736, two),
			 0);
	assert_int_equal(RUNS("/usr/sbin/dropbear\0-F\0", 736, two), 0);
	assert_int_equal(RUNS("/usr/sbin/dropbear\0", 737, two), -ENOENT);
}

static void test_other_texts(void **state)
{
	(void)state;
	assert_int_equal(RUNS("x\0", 1, "{}"), -ENOENT);
	assert_int_equal(RUNS("x\0", 1, "{\"a\": {\"instances\": {\"b\": {\"pid\": 1}}}}"), 0);
	assert_int_equal(
		RUNS("x\0", 1,
		     "{\"a\": 1, \"b\": {\"instances\": {\"c\": {\"pid\": 1, \"command\": [\"x\"]}}}}"),
		1);
	assert_int_equal(
		RUNS("x\0", 1, "{\"a\": {\"instances\": {\"b\": {\"pid\": 1, \"command\": [1]}}}}"),
		0);
	assert_int_equal(RUNS("x\0", 1, "[]"), -EBADMSG);
	assert_int_equal(RUNS("x\0", 1, "Syntax: dropbear [command]"), -EBADMSG);
	assert_int_equal(RUNS("x\0", 1, ""), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instances),
		cmocka_unit_test(test_other_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
