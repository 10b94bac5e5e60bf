/* Changes to other people's files: what is put in, and that taking it away gives back every byte. */
#include "text/edit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/diff.h"

#define BLOCK "# BEGIN sshidle apply\nX 1\n# END sshidle apply\n"

static void test_blocks(void **state)
{
	static const struct {
		enum edit_place place;
		const char *text, *want;
	} rows[] = {
		{ EDIT_TOP, "", BLOCK },
		{ EDIT_TOP, "A 1\nB\n", BLOCK "A 1\nB\n" },
		{ EDIT_END, "A 1\nB\n", "A 1\nB\n" BLOCK },
		{ EDIT_BEFORE_MATCH, "A 1\n#Match x\n\tmatch all\nMatch all\n",
		  "A 1\n#Match x\n" BLOCK "\tmatch all\nMatch all\n" },
		{ EDIT_BEFORE_MATCH, "A 1\n", "A 1\n" BLOCK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *with = edit_with_block(rows[i].text, rows[i].place, "X 1\n"), *without;

		assert_string_equal(with, rows[i].want);
		assert_true(edit_has_block(with));
		without = edit_without_blocks(with);
		assert_string_equal(without, rows[i].text);
		assert_false(edit_has_block(without));
		free(with);
		free(without);
	}
}

static void test_block_without_line_end(void **state)
{
	char *with = edit_with_block("A", EDIT_END, "X 1\n");

	(void)state;
	assert_string_equal(with, "A\n" BLOCK);
	free(with);
}

/* Half a block is somebody's text. */
static void test_torn_block(void **state)
{
	static const char torn[] = "# BEGIN sshidle apply\nX 1\n# END sshidle";
	char *same = edit_without_blocks(torn);

	(void)state;
	assert_false(edit_has_block(torn));
	assert_string_equal(same, torn);
	free(same);
}

static void test_assigned(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *want;
	} rows[] = {
		{ "A=\"-b /etc/issue.net\"\n", 0, "-b /etc/issue.net" },
		{ "A='-w'\nA=-s # x\n", 0, "-s" },
		{ "#A=1\nAB=2\nexport A=3;\n", 0, "3" },
		{ "A=\"\"\n", 0, "" },
		{ "A=", 0, "" },
		{ "A=\"-w\" # why\n", 0, "-w" },
		{ "", 0, "" },
		{ "A=\"$A -w\"\n", -EINVAL, NULL },
		{ "A=`x`\n", -EINVAL, NULL },
		{ "A=\"-w\n-s\"\n", -EINVAL, NULL },
		{ "A=\"-w\" B=2\n", -EINVAL, NULL },
		{ "A=\"0123456789012345678901234567890123456789\"\n", -ENOSPC, NULL },
	};
	char value[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(edit_assigned(rows[i].text, "A", value, sizeof(value)), rows[i].r);
		if (rows[i].want)
			assert_string_equal(value, rows[i].want);
	}
}

static void test_options(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "-w -K 15 -s", "-w -s" },
		{ "-K15 -I 300", "" },
		{ " -b  /x -I300 -w ", "-b /x -w" },
		{ "-K", "" },
	};
	char words[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(edit_without_options(rows[i][0], "KI", words, sizeof(words)), 0);
		assert_string_equal(words, rows[i][1]);
	}
	assert_int_equal(edit_without_options("-K 5 -I 9", "K", words, sizeof(words)), 0);
	assert_string_equal(words, "-I 9");
	assert_int_equal(edit_without_options("0123456789012345678901234567890123", "K", words, 32),
			 -ENOSPC);
}

static const char uci[] = "# x\nconfig dropbear main\n\toption enable '1'\n"
			  "\toption SSHKeepAlive \"300\"\n\nconfig other\n"
			  "\toption SSHKeepAlive 1\nconfig 'dropbear'\n\tlist x y";

static void test_uci(void **state)
{
	struct edit_uci option = { "dropbear", "SSHKeepAlive", "15" };
	char *set = edit_uci_set(uci, &option), *again, *back, *all;
	char value[32];

	(void)state;
	assert_string_equal(set, "# x\nconfig dropbear main\n\toption SSHKeepAlive '15'\n"
				 "\toption enable '1'\n\nconfig other\n\toption SSHKeepAlive 1\n"
				 "config 'dropbear'\n\toption SSHKeepAlive '15'\n\tlist x y");
	assert_int_equal(edit_uci_get(uci, &option, 0, value, sizeof(value)), 0);
	assert_string_equal(value, "300");
	assert_int_equal(edit_uci_get(uci, &option, 1, value, sizeof(value)), -ENOENT);
	assert_int_equal(edit_uci_get(uci, &option, 2, value, sizeof(value)), -ERANGE);
	again = edit_uci_set(set, &option);
	assert_string_equal(again, set);
	option.value = "300";
	back = edit_uci_set_in(set, &option, 0);
	option.value = NULL;
	all = edit_uci_set_in(back, &option, 1);
	assert_int_equal(edit_uci_get(all, &option, 0, value, sizeof(value)), 0);
	assert_string_equal(value, "300");
	assert_int_equal(edit_uci_get(all, &option, 1, value, sizeof(value)), -ENOENT);
	free(set);
	free(again);
	free(back);
	free(all);
}

static void diff(const char *old_text, const char *new_text, const char *want)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_int_equal(diff_print("/f", old_text, new_text, file), 0);
	(void)fclose(file);
	assert_string_equal(text, want);
	free(text);
}

static void test_diff(void **state)
{
	(void)state;
	diff("a\n", "a\n", "");
	diff(NULL, NULL, "");
	diff(NULL, "a\nb\n", "--- /dev/null\n+++ /f\n@@ -0,0 +1,2 @@\n+a\n+b\n");
	diff("a\n", NULL, "--- /f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
	diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
	     "--- /f\n+++ /f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n");
	/* Two groups, as diff -u makes them. */
	diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "a\n1\n2\n3\n4\n5\n6\n7\n8\n9\nb\n",
	     "--- /f\n+++ /f\n@@ -1,3 +1,4 @@\n+a\n 1\n 2\n 3\n@@ -7,3 +8,4 @@\n 7\n 8\n 9\n+b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),	   cmocka_unit_test(test_block_without_line_end),
		cmocka_unit_test(test_torn_block), cmocka_unit_test(test_assigned),
		cmocka_unit_test(test_options),	   cmocka_unit_test(test_uci),
		cmocka_unit_test(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
