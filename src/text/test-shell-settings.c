/* TMOUT in shell files: what is set, where, and how surely. */
#include "text/shell-settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* One place: "LINE SECONDS FLAGS" with r read-only, x exported, c conditional; -1 off, -2 unknown. */
struct row {
	const char *text;
	size_t n;
	struct {
		int line;
		int64_t seconds;
		const char *flags;
	} places[3];
	int effective;
};

static const struct row rows[] = {
	{ "TMOUT=600\n", 1, { { 1, 600, "" } }, 0 },
	{ "export TMOUT=600", 1, { { 1, 600, "x" } }, 0 },
	{ "readonly TMOUT='600'", 1, { { 1, 600, "r" } }, 0 },
	{ "TMOUT=600; readonly TMOUT; export TMOUT\n", 1, { { 1, 600, "rx" } }, 0 },
	{ "\nTMOUT=600\nreadonly TMOUT\nTMOUT=0\n", 2, { { 2, 600, "r" }, { 4, -1, "" } }, 0 },
	{ "declare -xr TMOUT=\"60\"", 1, { { 1, 60, "rx" } }, 0 },
	{ "typeset -r TMOUT=60", 1, { { 1, 60, "r" } }, 0 },
	{ "TMOUT=60\nunset TMOUT\n", 2, { { 1, 60, "" }, { 2, -1, "" } }, 1 },
	{ "TMOUT=0", 1, { { 1, -1, "" } }, 0 },
	{ "TMOUT=", 1, { { 1, -1, "" } }, 0 },
	{ "TMOUT=$((5 * 60))", 1, { { 1, -2, "" } }, 0 },
	{ "TMOUT=\"${TMOUT:-300}\"", 1, { { 1, -2, "" } }, 0 },
	{ "TMOUT=`cat x`", 1, { { 1, -2, "" } }, 0 },
	{ "TMOUT=5m", 1, { { 1, -2, "" } }, 0 },
	{ "if [ \"$PS1\" ]; then TMOUT=9; fi\nTMOUT=8", 2, { { 1, 9, "c" }, { 2, 8, "" } }, 1 },
	{ "[ -z \"$PS1\" ] || TMOUT=9\n", 1, { { 1, 9, "c" } }, 0 },
	{ "test x &&\n  TMOUT=9\nTMOUT=7\n", 2, { { 2, 9, "c" }, { 3, 7, "" } }, 1 },
	{ "case $- in\n*i*) export TMOUT=9;;\nesac\n", 1, { { 2, 9, "xc" } }, 0 },
	{ "f() { TMOUT=9; }\n", 1, { { 1, 9, "c" } }, 0 },
	{ "function f {\nTMOUT=9\n}\nTMOUT=1", 2, { { 2, 9, "c" }, { 4, 1, "" } }, 1 },
	{ "for i in a; do\nTMOUT=9\ndone\nTMOUT=1", 2, { { 2, 9, "c" }, { 4, 1, "" } }, 1 },
	{ "TMOUT=9\nif x; then readonly TMOUT; fi", 1, { { 1, 9, "" } }, 0 },
	{ "A=1 TMOUT=9", 1, { { 1, 9, "" } }, 0 },
	/* Not of the shell that reads it. */
	{ "TMOUT=9 bash", 0, { { 0 } }, -1 },
	{ "(TMOUT=9)", 0, { { 0 } }, -1 },
	{ "# TMOUT=9\necho TMOUT=9\necho 'x\nTMOUT=9\n'", 0, { { 0 } }, -1 },
	{ "cat <<EOF\nTMOUT=9\nEOF\nTMOUT=8", 1, { { 4, 8, "" } }, 0 },
	{ "cat <<-'END' >x\n\tTMOUT=9\n\tEND\n", 0, { { 0 } }, -1 },
	{ "MYTMOUT=9\nTMOUTS=9\nexport -n TMOUT=9\nunset -f TMOUT", 0, { { 0 } }, -1 },
	{ "x=$(TMOUT=9; echo)\n", 0, { { 0 } }, -1 },
	{ "echo a \\\nTMOUT=9", 0, { { 0 } }, -1 },
	{ "TMOUT=9\\\n0", 1, { { 1, 90, "" } }, 0 },
	{ "", 0, { { 0 } }, -1 },
};

static void test_rows(void **state)
{
	static struct settings_shell shell;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];

		memset(&shell, 0, sizeof(shell));
		shell_settings_parse(row->text, strlen(row->text), "f", &shell);
		if (shell.n != row->n)
			fail_msg("%s: %zu places", row->text, shell.n);
		for (size_t n = 0; n < row->n; n++) {
			const struct settings_tmout *place = &shell.places[n];
			const int64_t seconds = row->places[n].seconds;
			const char *flags = row->places[n].flags;

			if (place->line != row->places[n].line ||
			    place->after_ns != (seconds < 0 ? seconds : seconds * NS_PER_S) ||
			    place->read_only != !!strchr(flags, 'r') ||
			    place->exported != !!strchr(flags, 'x') ||
			    place->conditional != !!strchr(flags, 'c'))
				fail_msg(
					"%s: place %zu: line %d, %lld ns, read-only %d, exported %d, "
					"conditional %d",
					row->text, n, place->line, (long long)place->after_ns,
					place->read_only, place->exported, place->conditional);
			assert_string_equal(place->file, "f");
		}
		assert_int_equal(shell_settings_effective(&shell), row->effective);
	}
}

static void test_files_in_a_row(void **state)
{
	static struct settings_shell shell;
	static const char environment[] = "# x\nTMOUT=100\n", profile[] = "readonly TMOUT\n",
			  late[] = "TMOUT=5\n";

	(void)state;
	memset(&shell, 0, sizeof(shell));
	shell_settings_parse_environment(environment, strlen(environment), "e", &shell);
	assert_true(shell.places[0].exported);
	shell_settings_parse(profile, strlen(profile), "p", &shell);
	shell_settings_parse(late, strlen(late), "l", &shell);
	assert_int_equal(shell.n, 2);
	assert_true(shell.places[0].read_only);
	assert_int_equal(shell_settings_effective(&shell), 0);
}

static void test_many(void **state)
{
	static struct settings_shell shell;

	(void)state;
	memset(&shell, 0, sizeof(shell));
	for (int i = 0; i < 2 * SETTINGS_SHELLS_MAX; i++)
		shell_settings_parse("TMOUT=1\n", 8, "f", &shell);
	assert_int_equal(shell.n, SETTINGS_SHELLS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_files_in_a_row),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
