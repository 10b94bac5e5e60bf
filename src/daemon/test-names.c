#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/names.h"

#define N 100

static bool no_memory;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return no_memory ? NULL : __real_reallocarray(old, n, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Whatever others come and go meanwhile, in any order. */
static void each_is_there_once(void **state)
{
	struct names names = { 0 };
	const char *taken[N];
	char text[16];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		(void)snprintf(text, sizeof(text), "user%zu", i * 37 % N);
		taken[i] = names_take(&names, text);
		assert_string_equal(taken[i], text);
		assert_ptr_equal(names_take(&names, text), taken[i]);
	}
	assert_int_equal(names.n, N);
	for (size_t i = 0; i < N; i++)
		names_drop(&names, taken[i]);
	assert_int_equal(names.n, N);
	for (size_t i = 0; i < N; i++) {
		(void)snprintf(text, sizeof(text), "user%zu", i * 37 % N);
		assert_string_equal(taken[i], text);
		names_drop(&names, taken[i]);
		assert_int_equal(names.n, N - 1 - i);
	}
	names_deinit(&names);
}

/* As of a user that is not known yet. */
static void the_empty_one_is_none(void **state)
{
	struct names names = { 0 };

	(void)state;
	assert_string_equal(names_take(&names, ""), "");
	names_drop(&names, "");
	assert_int_equal(names.n, 0);
	names_deinit(&names);
}

static void without_memory_there_is_no_new_one(void **state)
{
	struct names names = { 0 };
	const char *alice = names_take(&names, "alice");

	(void)state;
	no_memory = true;
	assert_ptr_equal(names_take(&names, "alice"), alice);
	assert_null(names_take(&names, "bob"));
	no_memory = false;
	names_drop(&names, alice);
	assert_int_equal(names.n, 1);
	names_drop(&names, alice);
	assert_int_equal(names.n, 0);
	names_deinit(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_there_once),
		cmocka_unit_test(the_empty_one_is_none),
		cmocka_unit_test(without_memory_there_is_no_new_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
