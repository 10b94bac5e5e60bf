/*
 * What a program has switched on in its terminal, beside what stands on the screen.
 *
 * libvterm carries these modes out but does not tell them.  So every control sequence goes
 * through a second one of its parsers, whose callback notes them here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <vterm.h>

/* The keyboard protocol of kitty: flags of keys, pushed and popped, for each of the two screens on its own. */
#define MODES_KEYS_MOST 8
struct modes_keys {
	uint8_t flags[MODES_KEYS_MOST];
	uint8_t n; /* pushed on the first */
};

struct modes {
	VTerm *parser;
	uint32_t
		private_modes; /* those that are not as at first: a bit for each row of the table */
	bool insert, newline, keypad;
	bool saved_origin;	       /* origin mode, as it was when the cursor was saved */
	int region_top, region_bottom; /* DECSTBM, from 1; 0: the whole screen */
	int cursor_style;	       /* DECSCUSR */
	int other_keys;		       /* modifyOtherKeys of xterm */
	char sets[4];		       /* G0 to G3; 'B': ASCII */
	bool shifted;		       /* SO: G1 */
	struct modes_keys keys[2];     /* main, alternate */
	bool asked_for_keys;	       /* ever */
	bool in_alternate;	       /* set by the screen */
	/* What the last sequence wants beside that. */
	bool clears_scrollback;
	bool soft_reset; /* DECSTR, which changes nothing here */
	int alternate;	 /* 47, which libvterm 0.1.4 does not know: 1 on, -1 off */
};

int modes_init(struct modes *modes);
void modes_deinit(struct modes *modes);

/* One whole sequence; of several modes only the first counts, as for libvterm 0.1.4. */
void modes_sequence(struct modes *modes, const char *bytes, size_t n);

/* Text: shifts between character sets are controls. */
void modes_text(struct modes *modes, const char *bytes, size_t n);

/* A size change takes the scrolling region away, and the cursor that was saved. */
void modes_resized(struct modes *modes);

/* Whether a private mode (DECSET) is on; only for those of the table. */
bool modes_is_on(const struct modes *modes, int number);

/* The first row of the scrolling region, from 0; one that cannot be is the whole screen. */
int modes_region_top(const struct modes *modes, int n_rows);

/* Writes what switches a terminal that is as at first to these modes, and back. The first may move
 * the cursor; character sets come apart, after the last character that is painted. */
void modes_paint(const struct modes *modes, FILE *out);
void modes_paint_sets(const struct modes *modes, FILE *out);

/* Of one screen, while it is shown. Taken back is all that anybody may have pushed. */
void modes_paint_keys(const struct modes *modes, bool in_alternate, FILE *out);
void modes_unpaint_keys(const struct modes *modes, FILE *out);
void modes_unpaint(const struct modes *modes, FILE *out);
