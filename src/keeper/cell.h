/* One place on a screen. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <vterm.h>

enum pen_bit {
	PEN_BOLD = 1 << 0,
	PEN_ITALIC = 1 << 1,
	PEN_BLINK = 1 << 2,
	PEN_REVERSE = 1 << 3,
	PEN_STRIKE = 1 << 4,
	PEN_FAINT = 1 << 5,
	PEN_CONCEAL = 1 << 6,
	PEN_OVERLINE = 1 << 7,
	PEN_UNDERLINE_SHIFT = 8, /* two bits: VTERM_UNDERLINE_... */
	PEN_UNDERLINE = 3 << 8,
	/* Set as one of 256 (38;5;1), not as one of 8 (31): terminals may make those bright. */
	PEN_FOREGROUND_256 = 1 << 10,
	PEN_BACKGROUND_256 = 1 << 11,
};

/* The default colours are all zero but for their mark, so that equal pens are equal bytes. */
struct pen {
	VTermColor foreground, background;
	uint16_t bits; /* enum pen_bit */
	uint16_t unused;
};

struct cell {
	uint32_t chars[VTERM_MAX_CHARS_PER_CELL]; /* the first 0: erased; fewer end with a 0 */
	struct pen pen;
	uint32_t width; /* 1, 2, or 0: the right half of a wide character */
};

static inline struct pen pen_plain(void)
{
	struct pen pen;

	memset(&pen, 0, sizeof(pen));
	pen.foreground.type = VTERM_COLOR_DEFAULT_FG;
	pen.background.type = VTERM_COLOR_DEFAULT_BG;
	return pen;
}

static inline void pen_set(struct pen *pen, enum pen_bit bit, bool on)
{
	pen->bits = (uint16_t)(on ? pen->bits | bit : pen->bits & ~bit);
}

static inline bool pen_equal(const struct pen *a, const struct pen *b)
{
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*): see struct pen. */
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Nothing is to be seen there, whatever the foreground. */
static inline bool cell_is_blank(const struct cell *cell)
{
	return cell->chars[0] == 0 && cell->pen.bits == 0 &&
	       VTERM_COLOR_IS_DEFAULT_BG(&cell->pen.background) && cell->width == 1;
}
