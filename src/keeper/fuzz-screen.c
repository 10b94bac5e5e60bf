/* libFuzzer harness: what a program prints, onto a screen, painted, onto another one, which must
 * then be the same.  The first bytes are the size, and the size to change to. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/paint.h"
#include "keeper/same.h"

enum { HEAD_BYTES = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_answer(const char *bytes, size_t n, void *user)
{
	(void)bytes;
	*(size_t *)user += n;
}

/* Once a program has used other character sets, libvterm does not join marks in the last column. */
static bool may_differ(const uint8_t *data, size_t size)
{
	static const char choose[] = "()*+NO";
	bool beyond_ascii = false, sets = false;

	for (size_t i = HEAD_BYTES; i < size; i++) {
		beyond_ascii = beyond_ascii || data[i] >= 0x80;
		sets = sets || data[i] == 0x0e || data[i] == 0x0f ||
		       (data[i - 1] == 0x1b && memchr(choose, data[i], sizeof(choose) - 1));
	}
	return beyond_ascii && sets;
}

static void paint_and_compare(const struct screen *screen, bool compare)
{
	struct paint_text text;
	struct screen other;
	const char *difference;

	if (screen_init(&other, screen->main.n_rows, screen->main.n_columns, 4096) < 0 ||
	    paint_whole(screen, PAINT_AGAIN, SIZE_MAX, &text) < 0)
		abort();
	screen_feed(&other, text.bytes, text.n);
	difference = same_screens(screen, &other);
	if (difference && compare) {
		(void)fprintf(stderr, "differs: %s\n", difference);
		abort();
	}
	paint_text_deinit(&text);
	screen_deinit(&other);
}

/* Byte by byte it must come to the same. Not so for marks that join a character in the last column:
 * libvterm knows them only when they come with it. */
static void feed_and_compare(const struct screen *screen, const uint8_t *data, size_t size)
{
	struct screen other;
	const char *difference;

	for (size_t i = HEAD_BYTES; i < size; i++)
		if (data[i] >= 0x80)
			return;
	if (screen_init(&other, data[0] % 32, data[1] % 64, 4096) < 0)
		abort();
	for (size_t i = HEAD_BYTES; i < size; i++)
		screen_feed(&other, (const char *)data + i, 1);
	difference = same_screens(screen, &other);
	if (difference) {
		(void)fprintf(stderr, "byte by byte differs: %s\n", difference);
		abort();
	}
	screen_deinit(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct paint_text text;
	struct screen screen;
	size_t piece, n_answers = 0;

	if (size < HEAD_BYTES)
		return 0;
	if (screen_init(&screen, data[0] % 32, data[1] % 64, 4096) < 0)
		abort();
	screen.answers = true;
	screen.answer = take_answer;
	screen.user = &n_answers;
	piece = data[2] > 0 ? data[2] : 1;
	for (size_t at = HEAD_BYTES; at < size; at += piece)
		screen_feed(&screen, (const char *)data + at,
			    size - at < piece ? size - at : piece);
	feed_and_compare(&screen, data, size);
	paint_and_compare(&screen, !may_differ(data, size));
	if (screen_resize(&screen, data[3] % 32, data[4] % 64) < 0)
		abort();
	paint_and_compare(&screen, !may_differ(data, size));
	if (paint_leave(&screen, false, &text) < 0)
		abort();
	paint_text_deinit(&text);
	screen_deinit(&screen);
	return 0;
}
