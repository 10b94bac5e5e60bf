#include "keeper/attributes.h"

#include "keeper/sgr.h"

/* Attributes that libvterm 0.1.4 does not know. */
static bool take_own(struct pen *pen, unsigned number)
{
	if (number == 0 || number == 22)
		pen_set(pen, PEN_FAINT, false);
	if (number == 0 || number == 28)
		pen_set(pen, PEN_CONCEAL, false);
	if (number == 0 || number == 55)
		pen_set(pen, PEN_OVERLINE, false);
	if (number != 2 && number != 8 && number != 53)
		return false;
	pen_set(pen, number == 2 ? PEN_FAINT : number == 8 ? PEN_CONCEAL : PEN_OVERLINE, true);
	return true;
}

/* Attributes on their way to libvterm, as many as one sequence may have. */
struct batch {
	char text[96];
	size_t n;
	unsigned n_numbers;
	bool sets_foreground, sets_background; /* the last colour is ... */
	bool foreground_256, background_256;   /* ... one of 256 below 16 */
};

enum { BATCH_NUMBERS_MOST = 10 }; /* and a colour more: libvterm 0.1.4 has room for 16 */

static void batch_flush(VTerm *vterm, struct pen *pen, struct batch *batch)
{
	if (batch->n_numbers == 0)
		return;
	batch->text[batch->n - 1] = 'm';
	(void)vterm_input_write(vterm, batch->text, batch->n);
	if (batch->sets_foreground)
		pen_set(pen, PEN_FOREGROUND_256, batch->foreground_256);
	if (batch->sets_background)
		pen_set(pen, PEN_BACKGROUND_256, batch->background_256);
	*batch = (struct batch){ .n = 0 };
}

static void batch_add(struct batch *batch, unsigned number, char separator)
{
	char digits[8];
	size_t n = 0;

	if (batch->n == 0) {
		batch->text[batch->n++] = 0x1b;
		batch->text[batch->n++] = '[';
	}
	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		batch->text[batch->n++] = digits[--n];
	batch->text[batch->n++] = separator;
	batch->n_numbers++;
}

static void batch_add_colour(struct batch *batch, const struct sgr *sgr)
{
	const unsigned *n = sgr->numbers;
	const bool is_256 = n[1] == 5 && (n[2] & 255) < 16;

	if (!(sgr->n == 5 && n[1] == 2) && !(sgr->n == 3 && n[1] == 5))
		return;
	batch_add(batch, n[0], ';');
	batch_add(batch, n[1], ';');
	for (size_t i = 2; i < sgr->n; i++)
		batch_add(batch, n[i] & 255, ';');
	if (n[0] == 38) {
		batch->sets_foreground = true;
		batch->foreground_256 = is_256;
	} else {
		batch->sets_background = true;
		batch->background_256 = is_256;
	}
}

/* libvterm would take the colour of underlines (58) for other attributes. */
static void take_attribute(struct pen *pen, const struct sgr *sgr, struct batch *batch)
{
	const unsigned *n = sgr->numbers;

	if (take_own(pen, n[0]) || n[0] > 107 || n[0] == 58 || n[0] == 59)
		return;
	if (n[0] == 38 || n[0] == 48) {
		batch_add_colour(batch, sgr);
		return;
	}
	if (n[0] == 0 || (n[0] >= 30 && n[0] <= 39) || (n[0] >= 90 && n[0] <= 97))
		batch->foreground_256 = false;
	if (n[0] == 0 || (n[0] >= 40 && n[0] <= 49) || n[0] >= 100)
		batch->background_256 = false;
	if (n[0] == 4 && sgr->n > 1) {
		batch_add(batch, 4, ':');
		batch_add(batch, n[1] > 3 ? 1 : n[1], ';');
	} else {
		batch_add(batch, n[0], ';');
	}
}

void attributes_take(VTerm *vterm, struct pen *pen, const char *bytes, size_t n)
{
	struct batch batch = { .n = 0 };
	const char *at = bytes + 2;
	struct sgr sgr;

	while (sgr_next(&at, bytes + n - 1, &sgr)) {
		take_attribute(pen, &sgr, &batch);
		if (batch.n_numbers >= BATCH_NUMBERS_MOST)
			batch_flush(vterm, pen, &batch);
	}
	batch_flush(vterm, pen, &batch);
}
