/* libFuzzer harness: what a program prints, onto a screen, painted, onto another one, which must
 * then be the same.  The first bytes are the size, and the size to change to. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "keeper/paint.h"
#include "keeper/same.h"

enum { HEAD_BYTES = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_answer(const char *bytes, size_t n, void *user)
{
	(void)bytes;
	*(size_t *)user += n;
}

static void paint_and_compare(const struct screen *screen)
{
	struct paint_text text;
	struct screen other;
	const char *difference;

	if (screen_init(&other, screen->main.n_rows, screen->main.n_columns, 4096) < 0 ||
	    paint_whole(screen, PAINT_AGAIN, SIZE_MAX, &text) < 0)
		abort();
	screen_feed(&other, text.bytes, text.n);
	difference = same_screens(screen, &other);
	if (difference) {
		(void)fprintf(stderr, "differs: %s\n", difference);
		abort();
	}
	paint_text_deinit(&text);
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
	paint_and_compare(&screen);
	if (screen_resize(&screen, data[3] % 32, data[4] % 64) < 0)
		abort();
	paint_and_compare(&screen);
	if (paint_leave(&screen, false, &text) < 0)
		abort();
	paint_text_deinit(&text);
	screen_deinit(&screen);
	return 0;
}
