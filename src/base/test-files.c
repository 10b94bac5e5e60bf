#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fake-directory.h"
#include "base/files.h"

static char place[] = "/tmp/test-files-XXXXXX";

static const char *const directories[] = { "d", "d/e", "d/.hidden", "w", "w/x", "w/x*" };
static const char *const names[] = {
	"d/b.conf", "d/a.conf",		"d/.c.conf",	"d/e/a.conf",
	"d/a.txt",  "d/.hidden/a.conf", "w/x/one.conf", "w/x*/two.conf"
};

enum {
	DIRECTORIES_N = sizeof(directories) / sizeof(*directories),
	NAMES_N = sizeof(names) / sizeof(*names)
};

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(place) || chdir(place) < 0)
		return -1;
	for (size_t i = 0; i < DIRECTORIES_N; i++)
		if (mkdir(directories[i], 0700) < 0)
			return -1;
	for (size_t i = 0; i < NAMES_N; i++)
		(void)close(open(names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return symlink("nowhere", "d/link.conf") < 0 ? -1 : symlink("loop", "w/loop");
}

static int clear(void **state)
{
	(void)state;
	(void)unlink("d/link.conf");
	(void)unlink("w/loop");
	for (size_t i = 0; i < NAMES_N; i++)
		(void)unlink(names[i]);
	for (size_t i = DIRECTORIES_N; i-- > 0;)
		(void)rmdir(directories[i]);
	return chdir("/") == 0 ? rmdir(place) : -1;
}

/* glob(3) itself says what there is where nothing fails. */
static void it_finds_what_glob_finds(void **state)
{
	static const char *const patterns[] = {
		"d/*.conf",    "d/.*.conf",	"d/a.conf",	"d/link.conf",
		"d/[ab].*",    "d/?.conf",	"*/*/*.conf",	"*/x/one.conf",
		"*/none.conf", "none/*",	"d/a.conf/*",	"d/*/",
		"./d//*.txt",  "w/x\\*/*.conf", "w/*/two.conf", "w/*/*.conf",
		"w/loop",      "d/none",	"d/.hidden/*",	"/tm[p]/../tmp/none*x",
		"*",	       "d/[.conf",	"d/*[!a].conf", "",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		struct files files;
		glob_t found = { 0 };
		const int status = glob(patterns[i], 0, NULL, &found);

		assert_int_equal(files_find(patterns[i], &files), 0);
		if (files.n != (status == 0 ? found.gl_pathc : 0))
			fail_msg("%s: %zu", patterns[i], files.n);
		for (size_t n = 0; n < files.n; n++)
			assert_string_equal(files.paths[n], found.gl_pathv[n]);
		files_deinit(&files);
		globfree(&found);
	}
}

static void what_glob_finds_and_it_does_not(void **state)
{
	char longest[302] = "d/";
	struct files files = { 0 };

	(void)state;
	assert_int_equal(files_find("d\\/a.conf", &files), 0);
	assert_int_equal(files.n, 0);
	memset(longest + 2, 'x', sizeof(longest) - 3);
	assert_int_equal(files_find(longest, &files), -ENAMETOOLONG);
}

static void half_a_list_is_an_error(void **state)
{
	struct files files = { 0 };

	(void)state;
	for (int at = 1; at <= 3; at++) {
		fake_directory_fail_at(at);
		assert_int_equal(files_find("d/*.conf", &files), -EIO);
		assert_null(files.paths);
	}
	/* Below one that the pattern finds. */
	fake_directory_fail_at(12);
	assert_int_equal(files_find("*/*/*.conf", &files), -EIO);
	fake_directory_fail_at(0);
	assert_int_equal(files_find("d/*.conf", &files), 0);
	assert_int_equal(files.n, 3);
	files_deinit(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_finds_what_glob_finds),
		cmocka_unit_test(what_glob_finds_and_it_does_not),
		cmocka_unit_test(half_a_list_is_an_error),
	};

	return cmocka_run_group_tests(tests, make, clear);
}
