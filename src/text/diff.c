#include "text/diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Longer texts are shown as taken away and put in as a whole. */
enum { LINES_MAX = 2048, CONTEXT = 3 };

struct line {
	const char *text;
	size_t length;
};

struct lines {
	struct line *rows;
	size_t n;
};

/* What becomes of one line. */
struct step {
	char mark; /* ' ', '-', '+' */
	const struct line *line;
};

static int split(const char *text, struct lines *ret_lines)
{
	size_t n = 0;

	for (const char *at = text; *at; at++)
		n += *at == '\n' || !at[1];
	ret_lines->rows = calloc(n + 1, sizeof(*ret_lines->rows));
	if (!ret_lines->rows)
		return -ENOMEM;
	ret_lines->n = 0;
	while (*text) {
		const size_t length = strcspn(text, "\n");

		ret_lines->rows[ret_lines->n++] = (struct line){ text, length };
		text += length + (text[length] == '\n');
	}
	return 0;
}

static bool equal(const struct line *a, const struct line *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Lengths of the longest common subsequences of all ends: row `i`, column `j`. */
static uint16_t *common(const struct lines *a, const struct lines *b)
{
	const size_t width = b->n + 1;
	uint16_t *table = calloc((a->n + 1) * width, sizeof(*table));

	for (size_t i = a->n; table && i-- > 0;) {
		for (size_t j = b->n; j-- > 0;) {
			const uint16_t down = table[(i + 1) * width + j];
			const uint16_t right = table[i * width + j + 1];

			if (equal(&a->rows[i], &b->rows[j]))
				table[i * width + j] = table[(i + 1) * width + j + 1] + 1;
			else
				table[i * width + j] = down > right ? down : right;
		}
	}
	return table;
}

/* Room for all lines of both in `steps`. */
static size_t walk(const struct lines *a, const struct lines *b, const uint16_t *table,
		   struct step *steps)
{
	const size_t width = b->n + 1;
	size_t i = 0, j = 0, n = 0;

	while (i < a->n || j < b->n) {
		if (table && i < a->n && j < b->n && equal(&a->rows[i], &b->rows[j])) {
			steps[n++] = (struct step){ ' ', &a->rows[i++] };
			j++;
		} else if (i < a->n && (!table || j == b->n ||
					table[(i + 1) * width + j] >= table[i * width + j + 1])) {
			steps[n++] = (struct step){ '-', &a->rows[i++] };
		} else {
			steps[n++] = (struct step){ '+', &b->rows[j++] };
		}
	}
	return n;
}

/* The end of the group of changes that begins at `from`: up to CONTEXT equal lines behind the last
 * one, changes nearer than two contexts in the same group. */
static size_t group_end(const struct step *steps, size_t n, size_t from)
{
	size_t last = from;

	for (size_t i = from; i < n && i <= last + 2 * CONTEXT; i++)
		if (steps[i].mark != ' ')
			last = i;
	return last + CONTEXT + 1 < n ? last + CONTEXT + 1 : n;
}

/* diff's way to number an empty range: the line before it. */
static void print_range(FILE *file, char mark, size_t before, size_t count)
{
	(void)fprintf(file, "%c%zu", mark, count > 0 ? before + 1 : before);
	if (count != 1)
		(void)fprintf(file, ",%zu", count);
}

static void print_group(FILE *file, const struct step *steps, size_t from, size_t to)
{
	size_t old_before = 0, new_before = 0, old_count = 0, new_count = 0;

	for (size_t i = 0; i < to; i++) {
		const bool is_old = steps[i].mark != '+', is_new = steps[i].mark != '-';

		*(i < from ? &old_before : &old_count) += is_old;
		*(i < from ? &new_before : &new_count) += is_new;
	}
	(void)fputs("@@ ", file);
	print_range(file, '-', old_before, old_count);
	(void)fputc(' ', file);
	print_range(file, '+', new_before, new_count);
	(void)fputs(" @@\n", file);
	for (size_t i = from; i < to; i++)
		(void)fprintf(file, "%c%.*s\n", steps[i].mark, (int)steps[i].line->length,
			      steps[i].line->text);
}

static void print_groups(FILE *file, const struct step *steps, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t from, to;

		if (steps[i].mark == ' ') {
			i++;
			continue;
		}
		from = i > CONTEXT ? i - CONTEXT : 0;
		to = group_end(steps, n, i);
		print_group(file, steps, from, to);
		i = to;
	}
}

int diff_print(const char *name, const char *old_text, const char *new_text, FILE *file)
{
	struct lines a = { 0 }, b = { 0 };
	auto_free uint16_t *table = NULL;
	auto_free struct step *steps = NULL;
	int r = split(old_text ? old_text : "", &a);

	r = r < 0 ? r : split(new_text ? new_text : "", &b);
	if (r < 0 || (!old_text && !new_text))
		goto done;
	if (old_text && new_text && strcmp(old_text, new_text) == 0)
		goto done;
	steps = calloc(a.n + b.n + 1, sizeof(*steps));
	if (a.n <= LINES_MAX && b.n <= LINES_MAX)
		table = common(&a, &b);
	if (!steps) {
		r = -ENOMEM;
		goto done;
	}
	(void)fprintf(file, "--- %s\n+++ %s\n", old_text ? name : "/dev/null",
		      new_text ? name : "/dev/null");
	print_groups(file, steps, walk(&a, &b, table, steps));
done:
	free(a.rows);
	free(b.rows);
	return r;
}
