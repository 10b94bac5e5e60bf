#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "keeper/backlog.h"
#include "keeper/same.h"

enum { SCROLLBACK_BYTES = 600 * 1024, N_LINES = 200000 };

static const char *make_line(int i, const char *format)
{
	static char line[128];

	(void)snprintf(line, sizeof(line), format, i, i % 256);
	return line;
}

/* The same lines onto one screen directly and onto the other through the backlog. */
static void check_lines(const char *before, const char *format, bool wants_less)
{
	struct history_reader readers[2];
	struct backlog backlog = { .bytes = NULL };
	struct screen one, other;
	size_t n;

	assert_int_equal(screen_init(&one, 24, 80, SCROLLBACK_BYTES), 0);
	assert_int_equal(screen_init(&other, 24, 80, SCROLLBACK_BYTES), 0);
	screen_feed(&one, before, strlen(before));
	screen_feed(&other, before, strlen(before));
	for (int i = 0; i < N_LINES; i++) {
		const char *line = make_line(i, format);

		screen_feed(&one, line, strlen(line));
		backlog_add(&backlog, &other, line, strlen(line));
		assert_true(backlog.used - backlog.at <= 2 * SCROLLBACK_BYTES + sizeof(line) + 128);
	}
	n = backlog.used - backlog.at;
	assert_true(n > 0);
	assert_false(backlog_settle(&backlog, &other, SIZE_MAX));
	assert_null(same_screens(&one, &other));
	assert_int_equal(wants_less, backlog.n_left_out > 0);
	/* What scrolled off is the same, as far as it is kept. */
	n = one.history.n_lines < other.history.n_lines ? one.history.n_lines
							: other.history.n_lines;
	assert_true(!wants_less || n > 5000);
	history_read(&one.history, n, &readers[0]);
	history_read(&other.history, n, &readers[1]);
	for (; n > 0; n--) {
		struct cell a, b;
		bool more = true;

		assert_true(history_next_line(&readers[0]) && history_next_line(&readers[1]));
		while (more) {
			more = history_next_cell(&readers[0], &a);
			assert_int_equal(more, history_next_cell(&readers[1], &b));
			/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*): as above. */
			assert_true(!more || memcmp(&a, &b, sizeof(a)) == 0);
		}
	}
	backlog_deinit(&backlog);
	screen_deinit(&one);
	screen_deinit(&other);
}

static void test_lines(void **state)
{
	(void)state;
	check_lines("", "%d the quick brown fox\r\n", true);
	check_lines("\033[?2004h\033[44m",
		    "\033[38;5;%2$dm%1$d\033[1m the quick\033[m brown fox\r\n", true);
	check_lines("", "%d \xe6\xbc\xa2\xe5\xad\x97\tthe quick brown fox\r\n", true);
}

/* Where what scrolls off or is drawn cannot be left out, it is not. */
static void test_others(void **state)
{
	(void)state;
	check_lines("\033[2;20r", "%d the quick brown fox\r\n", false);
	check_lines("", "%d the quick\033[K brown fox\r\n", false);
	check_lines("", "%d the quick brown fox\n", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
