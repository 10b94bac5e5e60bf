#include "keeper/backlog.h"

#include <stdlib.h>

enum {
	LEAST_BYTES = 512 * 1024,  /* half of what is held at most, if the scrollback is less */
	BEHIND_BYTES = 128 * 1024, /* looked at behind the cut: a screenful of lines */
	LINE_BYTES = 4096,
	SLICE_BYTES = 1024 * 1024,
};

void backlog_deinit(struct backlog *backlog)
{
	free(backlog->bytes);
	backlog->bytes = NULL;
	backlog->at = backlog->used = backlog->room = 0;
}

bool backlog_settle(struct backlog *backlog, struct screen *screen, size_t most)
{
	const size_t there = backlog->used - backlog->at, n = there < most ? there : most;

	if (n > 0)
		screen_feed(screen, backlog->bytes + backlog->at, n);
	backlog->at += n;
	if (backlog->at < backlog->used)
		return true;
	backlog_deinit(backlog);
	return false;
}

/* The end of an attribute (CSI ... m) that begins at an ESC; NULL: it is something else. */
static const char *end_of_attribute(const char *at, const char *end)
{
	if (end - at < 3 || at[1] != '[')
		return NULL;
	for (at += 2; at < end && ((*at >= '0' && *at <= '9') || *at == ';' || *at == ':'); at++)
		;
	return at < end && *at == 'm' ? at + 1 : NULL;
}

/* Nothing but text, line ends and attributes. Counts the lines. */
static bool is_lines(const char *at, const char *end, size_t *ret_lines)
{
	size_t lines = 0;

	while (at < end) {
		const unsigned char c = (unsigned char)*at;

		if (c == 0x1b) {
			at = end_of_attribute(at, end);
			if (!at)
				return false;
			continue;
		}
		if (c < ' ' && c != '\n' && c != '\r' && c != '\t')
			return false;
		lines += c == '\n';
		at++;
	}
	*ret_lines = lines;
	return true;
}

static bool screen_only_scrolls(const struct screen *screen)
{
	const struct modes *modes = &screen->modes;
	const char *held;
	size_t n;

	return !screen->in_alternate && !modes->insert && !modes->shifted &&
	       modes->sets[0] == 'B' && modes->region_top == 0 && modes->region_bottom == 0 &&
	       !modes_is_on(modes, 6) && gate_held(&screen->gate, &held, &n) == 0 && n == 0;
}

/* The end of the last whole line before `most`; 0: there is none near. */
static size_t find_cut(const char *bytes, size_t most)
{
	for (size_t at = most; at > 1 && at + LINE_BYTES > most; at--)
		if (bytes[at - 2] == '\r' && bytes[at - 1] == '\n')
			return at;
	return 0;
}

static size_t leave_out(const struct backlog *backlog, struct screen *screen, size_t most)
{
	static const char clear[] = "\033[H\033[2J";
	const char *bytes = backlog->bytes + backlog->at;
	const size_t cut = find_cut(bytes, most), behind = find_cut(bytes + cut, BEHIND_BYTES);
	size_t lines, lines_behind;

	if (cut == 0 || !screen_only_scrolls(screen) || !is_lines(bytes, bytes + cut, &lines) ||
	    !is_lines(bytes + cut, bytes + cut + behind, &lines_behind) ||
	    lines_behind <= (size_t)screen->main.n_rows)
		return 0;
	for (const char *at = bytes; (at = memchr(at, 0x1b, (size_t)(bytes + cut - at))) != NULL;) {
		const char *end = end_of_attribute(at, bytes + cut);

		screen_feed(screen, at, (size_t)(end - at));
		at = end;
	}
	history_clear(&screen->history);
	screen->history.n_ever += lines;
	screen_feed(screen, clear, sizeof(clear) - 1);
	return cut;
}

static void make_room(struct backlog *backlog, struct screen *screen, size_t half)
{
	const size_t left_out = leave_out(backlog, screen, half);

	backlog->at += left_out;
	backlog->n_left_out += left_out;
	if (left_out == 0)
		(void)backlog_settle(backlog, screen, SLICE_BYTES);
}

void backlog_add(struct backlog *backlog, struct screen *screen, const char *bytes, size_t n)
{
	const size_t most = screen->history.most_bytes,
		     half = most > LEAST_BYTES ? most : LEAST_BYTES;

	if (n == 0)
		return;
	if (backlog->used - backlog->at + n > 2 * half)
		make_room(backlog, screen, half);
	if (backlog->at > 0 && backlog->used + n > backlog->room) {
		backlog->used -= backlog->at;
		memmove(backlog->bytes, backlog->bytes + backlog->at, backlog->used);
		backlog->at = 0;
	}
	if (backlog->used + n > backlog->room) {
		const size_t room = 2 * (backlog->used + n);
		char *larger = realloc(backlog->bytes, room);

		if (!larger) {
			(void)backlog_settle(backlog, screen, SIZE_MAX);
			screen_feed(screen, bytes, n);
			return;
		}
		backlog->bytes = larger;
		backlog->room = room;
	}
	memcpy(backlog->bytes + backlog->used, bytes, n);
	backlog->used += n;
}
