#include "cli/escape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Keys typed on a slow line may come together. */
enum { TYPED_MOST_BYTES = 16 };

static bool ends_line(char c)
{
	return c == '\r' || c == '\n';
}

/* One character after the escape character. Returns false when it is passed on. */
static bool take_command(struct escape *escape, char c, enum escape_wish *wish)
{
	if (c == '.')
		*wish = ESCAPE_LEAVE;
	else if (c == '?')
		*wish = ESCAPE_HELP;
	else
		return false;
	escape->line_started = false;
	return true;
}

enum escape_wish escape_take(struct escape *escape, const char *bytes, size_t n, char *ret_bytes,
			     size_t *ret_n)
{
	const bool typed = n <= TYPED_MOST_BYTES;
	enum escape_wish wish = ESCAPE_NOTHING;
	size_t used = 0;

	for (size_t i = 0; i < n && wish != ESCAPE_LEAVE; i++) {
		if (escape->held) {
			escape->held = false;
			if (typed && take_command(escape, bytes[i], &wish))
				continue;
			/* Twice: once. */
			if (bytes[i] != escape->character || !typed)
				ret_bytes[used++] = (char)escape->character;
		} else if (typed && !escape->line_started && escape->character >= 0 &&
			   bytes[i] == (char)escape->character) {
			escape->held = true;
			continue;
		}
		ret_bytes[used++] = bytes[i];
		escape->line_started = !ends_line(bytes[i]);
	}
	*ret_n = used;
	return wish;
}

void escape_name(int character, char ret_name[static ESCAPE_NAME_BYTES])
{
	if (character < ' ')
		(void)snprintf(ret_name, ESCAPE_NAME_BYTES, "^%c", (char)(character + '@'));
	else
		(void)snprintf(ret_name, ESCAPE_NAME_BYTES, "%c", (char)character);
}

int escape_parse(const char *text, int *ret_character)
{
	if (text_equal(text, "none"))
		*ret_character = -1;
	else if (strlen(text) == 2 && text[0] == '^' && text[1] >= '@' && text[1] <= '_')
		*ret_character = text[1] - '@';
	else if (strlen(text) == 1 && text[0] > ' ' && text[0] < 0x7f)
		*ret_character = (unsigned char)text[0];
	else
		return -EINVAL;
	return 0;
}
