#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/pids.h"
#include "cli/multiplexers.h"

/* What the one process there is says of its name: NULL with that errno, which may be 0. */
static const char *name;
static int error;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int __wrap_pids_each(pids_look_fn *look, void *context);
char *__wrap_fgets(char *text, int size, FILE *file);

int __wrap_pids_each(pids_look_fn *look, void *context)
{
	return look(context, (int32_t)getpid());
}

char *__wrap_fgets(char *text, int size, FILE *file)
{
	(void)file;
	if (name) {
		(void)snprintf(text, (size_t)size, "%s\n", name);
		return text;
	}
	if (error != 0)
		errno = error;
	return NULL;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static const struct {
	const char *name;
	int error;
	int64_t want;
} rows[] = {
	{ "tmux: server", 0, 1 }, { "screen", 0, 1 },  { "SCREEN", 0, 0 }, { "tmux: client", 0, 0 },
	{ NULL, ESRCH, 0 },	  { NULL, EIO, -EIO }, { NULL, 0, 0 },
};

static void each_is_told_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		name = rows[i].name;
		error = rows[i].error;
		/* Of whatever went before. */
		errno = ENOTTY;
		assert_int_equal(multiplexers_count(), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_told_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
