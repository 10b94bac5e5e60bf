/* A server that could not be read is not one that is not there. */
#include "native/listener.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fake-proc.h"
#include "native/manager.h"

static struct settings_host host;

static void half_a_list_has_no_servers(void **state)
{
	(void)state;
	assert_true(listener_look(&host) >= 0);
	/* The second read finds the end, or more. */
	for (int number = 1; number <= 2; number++) {
		fake_proc_fail_at(number);
		assert_int_equal(listener_look(&host), -EIO);
		fake_proc_fail_at(number);
		assert_int_equal(listener_find(&host), -EIO);
		fake_proc_fail_at(number);
		assert_int_equal(manager_find_sockets(&host), -EIO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_list_has_no_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
