#include "text/procstat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FIELDS                                                                                    \
	"S 7 8 9 34819 11 4194560 1 2 3 4 50 60 70 80 20 0 3 0 12345 1 2 18446744073709551615 0 " \
	"0\n"

static int parse(const char *text, struct procstat *stat)
{
	return procstat_parse(text, strlen(text), stat);
}

static void reads_the_fields(void **state)
{
	struct procstat stat;

	(void)state;
	assert_int_equal(parse("42 (bash) " FIELDS, &stat), 0);
	assert_int_equal(stat.pid, 42);
	assert_int_equal(stat.state, 'S');
	assert_int_equal(stat.parent, 7);
	assert_int_equal(stat.group, 8);
	assert_int_equal(stat.sid, 9);
	assert_int_equal(stat.tty, 3);
	assert_int_equal(stat.cpu_ticks, 110);
	assert_int_equal(stat.reaped_ticks, 150);
	assert_int_equal(stat.n_threads, 3);
	assert_int_equal(stat.start_ticks, 12345);
	assert_string_equal(stat.name, "bash");
}

static void no_name_moves_the_fields(void **state)
{
	static const char *const names[] = { "",	  ")",	      "a) R 1 1 1 0",
					     ") S 1 2 3", "\n) \n(",  "x\n42 (y) Z 1",
					     "((((((((",  ") ) ) ) )" };
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct procstat stat;

		(void)snprintf(text, sizeof(text), "42 (%s) " FIELDS, names[i]);
		assert_int_equal(parse(text, &stat), 0);
		assert_string_equal(stat.name, names[i]);
		assert_int_equal(stat.parent, 7);
		assert_int_equal(stat.start_ticks, 12345);
	}
}

static void long_names_are_cut(void **state)
{
	struct procstat stat;

	(void)state;
	assert_int_equal(parse("42 (kworker/u5:3-events_unbound) " FIELDS, &stat), 0);
	assert_string_equal(stat.name, "kworker/u5:3-ev");
}

static void only_pts_count_as_terminals(void **state)
{
	static const struct {
		const char *device;
		int32_t tty;
	} rows[] = { { "0", -1 },	 { "34816", 0 }, { "34817", 1 },  { "1025", -1 },
		     { "1083454", 318 }, { "-1", -1 },	 { "35071", 255 } };
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct procstat stat;

		(void)snprintf(text, sizeof(text),
			       "1 (x) S 1 1 1 %s -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0",
			       rows[i].device);
		assert_int_equal(parse(text, &stat), 0);
		assert_int_equal(stat.tty, rows[i].tty);
	}
}

static void refuses_what_is_not_a_stat(void **state)
{
	static const char *const texts[] = { "",
					     "42",
					     "42 (",
					     "42 ()",
					     "42 () ",
					     "42 )( S 1",
					     "x (y) S 1",
					     ("0 (y) " FIELDS),
					     "42 (bash) S 1 2 3 4 5 6",
					     ("99999999999 (x) " FIELDS) };
	struct procstat stat = { .pid = -7 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i], &stat), -EINVAL);
	assert_int_equal(stat.pid, -7);
}

static void every_cut_is_refused_or_whole(void **state)
{
	static const char text[] = "42 (ba)sh) " FIELDS;
	struct procstat stat;

	(void)state;
	for (size_t size = 0; size < sizeof(text); size++)
		(void)procstat_parse(text, size, &stat);
}

static void reads_status(void **state)
{
	static const char text[] =
		"Name:\tx\\nUid:\t9\t9\nUmask:\t0022\nUid:\t102\t0\t0\t0\n"
		"NSpid:\t7\nSigCgt:\t00000000000140ef\nNoNewPrivs:\t1\nSeccomp:\t2\n"
		"Seccomp_filters:\t3\n";
	static const char inside[] = "Uid:\t5\nNSpid:\t70\t7\nSigCgt:\t0\n";
	struct procstat_status status;

	(void)state;
	assert_int_equal(procstat_parse_status(text, sizeof(text) - 1, &status), 0);
	assert_int_equal(status.uid, 102);
	assert_int_equal(status.seccomp, 2);
	assert_int_equal(status.caught, 0x140ef);
	assert_true(status.no_new_privs);
	assert_int_equal(status.n_filters, 3);
	assert_false(status.nested);
	assert_int_equal(procstat_parse_status(inside, sizeof(inside) - 1, &status), 0);
	assert_true(status.nested);
	assert_int_equal(procstat_parse_status("Name:\tx\n", 8, &status), -EINVAL);
	assert_int_equal(procstat_parse_status("Uid:\t5", 6, &status), -EINVAL);
	assert_int_equal(procstat_parse_status("Uid:\t5\nSigCgt:\t0", 16, &status), 0);
	assert_int_equal(status.uid, 5);
	assert_int_equal(status.seccomp, 0);
	assert_false(status.no_new_privs);
}

static void reads_io(void **state)
{
	static const char text[] = "rchar: 18446744073709551615\nwchar: 12\nsyscr: 1\n";
	struct procstat_io io;

	(void)state;
	assert_int_equal(procstat_parse_io(text, sizeof(text) - 1, &io), 0);
	assert_true(io.rchar == UINT64_MAX);
	assert_int_equal(io.wchar, 12);
	assert_int_equal(procstat_parse_io(text, 20, &io), -EINVAL);
	assert_int_equal(procstat_parse_io("rchar: 99999999999999999999\nwchar: 1\n", 37, &io),
			 -EINVAL);
}

static void reads_flags_and_the_last_pid(void **state)
{
	static const char loadavg[] = "0.17 0.04 0.01 1/93 7840\n";
	uint32_t flags;
	int32_t pid;

	(void)state;
	assert_int_equal(procstat_parse_fdinfo("pos:\t0\nflags:\t02004002\n", 23, &flags), 0);
	assert_int_equal(flags, 02004002);
	assert_int_equal(procstat_parse_fdinfo("flags:\t9\n", 9, &flags), -EINVAL);
	assert_int_equal(procstat_parse_last_pid(loadavg, sizeof(loadavg) - 1, &pid), 0);
	assert_int_equal(pid, 7840);
	assert_int_equal(procstat_parse_last_pid("7841\n", 5, &pid), 0);
	assert_int_equal(pid, 7841);
	assert_int_equal(procstat_parse_last_pid("", 0, &pid), -EINVAL);
	assert_int_equal(procstat_parse_last_pid("0.1 x\n", 6, &pid), -EINVAL);
}

static void the_number_of_a_terminal(void **state)
{
	static const char master[] =
		"pos:\t0\nflags:\t02104002\nmnt_id:\t24\nino:\t2\ntty-index:\t3\n";
	int32_t tty = -1;

	(void)state;
	assert_int_equal(procstat_parse_tty_index(master, strlen(master), &tty), 0);
	assert_int_equal(tty, 3);
	assert_int_equal(procstat_parse_tty_index("pos:\t0\n", 7, &tty), -EINVAL);
	assert_int_equal(procstat_parse_tty_index("tty-index:\t-1\n", 14, &tty), -EINVAL);
	assert_int_equal(procstat_parse_tty_index("tty-index:\t99999999999\n", 23, &tty), -EINVAL);
	assert_int_equal(tty, 3);
}

static void tells_links_apart(void **state)
{
	static const struct {
		const char *text;
		enum procstat_target target;
		uint64_t inode;
	} rows[] = {
		{ "socket:[123]", TARGET_SOCKET, 123 },	   { "pipe:[45]", TARGET_PIPE, 45 },
		{ "/dev/ptmx", TARGET_MASTER, 0 },	   { "/dev/pts/ptmx", TARGET_MASTER, 0 },
		{ "/dev/pts/3", TARGET_OTHER, 0 },	   { "socket:[]", TARGET_OTHER, 0 },
		{ "socket:[12]x", TARGET_OTHER, 0 },	   { "/tmp/socket:[12]", TARGET_OTHER, 0 },
		{ "anon_inode:[pidfd]", TARGET_OTHER, 0 }, { "", TARGET_OTHER, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t inode = 9;

		assert_int_equal(procstat_parse_link(rows[i].text, &inode), rows[i].target);
		assert_int_equal(inode, rows[i].inode);
	}
}

#define COMMAND(text, size, want)                                              \
	do {                                                                   \
		char command_[size];                                           \
		procstat_join_command(text, sizeof(text) - 1, command_, size); \
		assert_string_equal(command_, want);                           \
	} while (0)

static void joins_commands(void **state)
{
	(void)state;
	COMMAND("sleep\0"
		"100\0",
		64, "sleep 100");
	COMMAND("bash\0-c\0make -j2\0", 64, "make -j2");
	COMMAND("/bin/sh\0-c\0echo $1\0x\0y\0", 64, "echo $1");
	COMMAND("python3\0-c\0print()\0", 64, "python3 -c print()");
	COMMAND("-bash\0", 64, "-bash");
	COMMAND("bash\0-c\0", 64, "bash -c");
	COMMAND("bash\0-c", 64, "bash -c");
	COMMAND("", 64, "");
	COMMAND("\0\0\0", 64, "");
	COMMAND("a\0\0b\0", 64, "a  b");
	COMMAND("make all", 5, "make");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_fields),
		cmocka_unit_test(no_name_moves_the_fields),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(only_pts_count_as_terminals),
		cmocka_unit_test(refuses_what_is_not_a_stat),
		cmocka_unit_test(every_cut_is_refused_or_whole),
		cmocka_unit_test(reads_status),
		cmocka_unit_test(reads_io),
		cmocka_unit_test(reads_flags_and_the_last_pid),
		cmocka_unit_test(the_number_of_a_terminal),
		cmocka_unit_test(tells_links_apart),
		cmocka_unit_test(joins_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
