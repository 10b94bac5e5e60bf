#include "keeper/modes.h"

#include <errno.h>
#include <string.h>

/* Of the modes of one group only one can be on. */
enum group { GROUP_NONE, GROUP_MOUSE, GROUP_MOUSE_FORM };

/* DECSET. Those that only concern a short moment (1048, 2026) or the screen itself (47, 1047, 1049)
 * are not among them. */
static const struct {
	int number;
	enum group group;
	bool at_first;
} table[] = {
	{ 1, GROUP_NONE, false },	   /* cursor keys send SS3 */
	{ 5, GROUP_NONE, false },	   /* reverse screen */
	{ 6, GROUP_NONE, false },	   /* origin */
	{ 7, GROUP_NONE, true },	   /* autowrap */
	{ 9, GROUP_MOUSE, false },	   /* mouse: presses */
	{ 25, GROUP_NONE, true },	   /* cursor visible */
	{ 45, GROUP_NONE, false },	   /* reverse wrap */
	{ 69, GROUP_NONE, false },	   /* left and right margins */
	{ 1000, GROUP_MOUSE, false },	   /* mouse: presses and releases */
	{ 1002, GROUP_MOUSE, false },	   /* mouse: and dragging */
	{ 1003, GROUP_MOUSE, false },	   /* mouse: any motion */
	{ 1004, GROUP_NONE, false },	   /* focus */
	{ 1005, GROUP_MOUSE_FORM, false }, /* mouse: UTF-8 */
	{ 1006, GROUP_MOUSE_FORM, false }, /* mouse: SGR */
	{ 1007, GROUP_NONE, false },	   /* wheel sends cursor keys */
	{ 1015, GROUP_MOUSE_FORM, false }, /* mouse: urxvt */
	{ 1016, GROUP_MOUSE_FORM, false }, /* mouse: pixels */
	{ 1036, GROUP_NONE, true },	   /* Meta sends ESC */
	{ 1039, GROUP_NONE, true },	   /* Alt sends ESC */
	{ 2004, GROUP_NONE, false },	   /* bracketed paste */
	{ 2031, GROUP_NONE, false },	   /* told of dark and light */
	{ 2048, GROUP_NONE, false },	   /* told of size changes */
};

#define N_TABLE ((int)(sizeof(table) / sizeof(table[0])))

static void set_at_first(struct modes *modes)
{
	modes->private_modes = 0;
	modes->insert = modes->newline = modes->keypad = modes->shifted = false;
	modes->saved_origin = false;
	modes->region_top = modes->region_bottom = 0;
	modes->cursor_style = modes->other_keys = 0;
	memset(modes->sets, 'B', sizeof(modes->sets));
	memset(modes->keys, 0, sizeof(modes->keys));
}

static void set_private(struct modes *modes, int number, bool on)
{
	enum group group = GROUP_NONE;

	if (number == 47)
		modes->alternate = on ? 1 : -1;
	if ((number == 1048 || number == 1049) && on)
		modes->saved_origin = modes_is_on(modes, 6);
	for (int i = 0; i < N_TABLE; i++)
		if (table[i].number == number)
			group = table[i].group;
	for (int i = 0; i < N_TABLE; i++) {
		const bool is_it = table[i].number == number;

		if (!is_it && (group == GROUP_NONE || table[i].group != group))
			continue;
		if ((is_it && on) == table[i].at_first)
			modes->private_modes &= ~(UINT32_C(1) << i);
		else
			modes->private_modes |= UINT32_C(1) << i;
	}
	/* DECNKM is the same as ESC = and ESC >. */
	if (number == 66)
		modes->keypad = on;
}

static void set_ansi(struct modes *modes, int number, bool on)
{
	if (number == 4)
		modes->insert = on;
	else if (number == 20)
		modes->newline = on;
}

static int argument(const long *arguments, int n, int i)
{
	return i < n && !CSI_ARG_IS_MISSING(arguments[i]) ? (int)CSI_ARG(arguments[i]) : 0;
}

/* A last row of 0 is none, as libvterm has it. */
static void take_region(struct modes *modes, const long *arguments, int n)
{
	const bool none = n > 1 && CSI_ARG(arguments[1]) == 0;

	modes->region_top = none ? 0 : argument(arguments, n, 0);
	modes->region_bottom = none ? 0 : argument(arguments, n, 1);
}

/* Without leader and intermediate. */
static void take_plain(struct modes *modes, char command, const long *arguments, int n)
{
	switch (command) {
	case 'h':
	case 'l':
		set_ansi(modes, argument(arguments, n, 0), command == 'h');
		break;
	case 'r':
		take_region(modes, arguments, n);
		break;
	case 'J':
		modes->clears_scrollback = argument(arguments, n, 0) == 3;
		break;
	default:
		break;
	}
}

static void push_keys(struct modes_keys *keys, int flags)
{
	if (keys->n == MODES_KEYS_MOST - 1)
		memmove(keys->flags, keys->flags + 1, keys->n);
	else
		keys->n++;
	keys->flags[keys->n] = (uint8_t)flags;
}

static void pop_keys(struct modes_keys *keys, int n)
{
	if (n > keys->n)
		*keys = (struct modes_keys){ .n = 0 };
	else
		keys->n = (uint8_t)(keys->n - n);
}

/* CSI > FLAGS u, CSI < N u, CSI = FLAGS ; HOW u. */
static void take_keys(struct modes *modes, char leader, const long *arguments, int n)
{
	struct modes_keys *keys = &modes->keys[modes->in_alternate];
	const int first = argument(arguments, n, 0), how = argument(arguments, n, 1);
	uint8_t *flags = &keys->flags[keys->n];

	modes->asked_for_keys = true;
	if (leader == '>')
		push_keys(keys, first & 0x1f);
	else if (leader == '<')
		pop_keys(keys, first > 0 ? first : 1);
	else
		*flags = (uint8_t)((how == 2   ? *flags | first
				    : how == 3 ? *flags & ~first
					       : first) &
				   0x1f);
}

/* The only character there; of several, one that means nothing. */
static char only(const char *text)
{
	if (!text || text[0] == '\0')
		return '\0';
	return text[1] == '\0' ? text[0] : '~';
}

static int on_csi(const char *leader, const long arguments[], int n, const char *intermediate,
		  char command, void *user)
{
	struct modes *modes = user;
	const char first = only(leader), between = only(intermediate);

	if (first == '\0' && between == '\0')
		take_plain(modes, command, arguments, n);
	else if (first == '?' && between == '\0' && (command == 'h' || command == 'l'))
		set_private(modes, argument(arguments, n, 0), command == 'h');
	else if (first == '>' && between == '\0' && command == 'm')
		modes->other_keys = argument(arguments, n, 0) == 4 ? argument(arguments, n, 1) : 0;
	else if (first != '\0' && strchr("<=>", first) && between == '\0' && command == 'u')
		take_keys(modes, first, arguments, n);
	else if (first == '\0' && between == ' ' && command == 'q')
		modes->cursor_style = argument(arguments, n, 0);
	else if (first == '\0' && between == '!' && command == 'p')
		modes->soft_reset = true;
	return 1;
}

static int on_escape(const char *bytes, size_t n, void *user)
{
	static const char designators[] = "()*+";
	struct modes *modes = user;
	const char *set = memchr(designators, bytes[0], sizeof(designators) - 1);

	if (n == 1 && bytes[0] == 'c')
		set_at_first(modes);
	else if (n == 1 && bytes[0] == '7')
		modes->saved_origin = modes_is_on(modes, 6);
	else if (n == 1 && (bytes[0] == '=' || bytes[0] == '>'))
		modes->keypad = bytes[0] == '=';
	else if (n == 2 && set && bytes[1] >= '0' && bytes[1] <= '~')
		modes->sets[set - designators] = bytes[1];
	return 1;
}

static int on_control(unsigned char control, void *user)
{
	struct modes *modes = user;

	if (control == 0x0e || control == 0x0f)
		modes->shifted = control == 0x0e;
	return 1;
}

static int on_text(const char *bytes, size_t n, void *user)
{
	(void)bytes;
	(void)user;
	return (int)n;
}

static const VTermParserCallbacks callbacks = {
	.text = on_text,
	.control = on_control,
	.escape = on_escape,
	.csi = on_csi,
};

int modes_init(struct modes *modes)
{
	*modes = (struct modes){ .parser = vterm_new(2, 2) };
	if (!modes->parser)
		return -ENOMEM;
	vterm_set_utf8(modes->parser, 1);
	vterm_parser_set_callbacks(modes->parser, &callbacks, modes);
	set_at_first(modes);
	return 0;
}

void modes_deinit(struct modes *modes)
{
	if (modes->parser)
		vterm_free(modes->parser);
	modes->parser = NULL;
}

void modes_sequence(struct modes *modes, const char *bytes, size_t n)
{
	modes->clears_scrollback = modes->soft_reset = false;
	modes->alternate = 0;
	(void)vterm_input_write(modes->parser, bytes, n);
}

void modes_text(struct modes *modes, const char *bytes, size_t n)
{
	const char *out = memrchr(bytes, 0x0e, n), *in = memrchr(bytes, 0x0f, n);

	if (out || in)
		modes->shifted = out > in;
}

void modes_resized(struct modes *modes)
{
	modes->region_top = modes->region_bottom = 0;
	modes->saved_origin = false;
	/* They are pushed anew. */
	memset(modes->keys, 0, sizeof(modes->keys));
}

bool modes_is_on(const struct modes *modes, int number)
{
	for (int i = 0; i < N_TABLE; i++)
		if (table[i].number == number)
			return table[i].at_first != (modes->private_modes >> i & 1);
	return false;
}

int modes_region_top(const struct modes *modes, int n_rows)
{
	const int top = modes->region_top > 0 ? modes->region_top - 1 : 0;
	int bottom = modes->region_bottom > 0 ? modes->region_bottom : n_rows;

	bottom = bottom < n_rows ? bottom : n_rows;
	return top < bottom ? top : 0;
}

static void put_region(const struct modes *modes, FILE *out)
{
	if (modes->region_bottom > 0)
		(void)fprintf(out, "\033[%d;%dr", modes->region_top, modes->region_bottom);
	else if (modes->region_top > 0)
		(void)fprintf(out, "\033[%dr", modes->region_top);
}

void modes_paint(const struct modes *modes, FILE *out)
{
	put_region(modes, out);
	for (int i = 0; i < N_TABLE; i++)
		if (modes->private_modes >> i & 1)
			(void)fprintf(out, "\033[?%d%c", table[i].number,
				      table[i].at_first ? 'l' : 'h');
	if (modes->insert)
		(void)fputs("\033[4h", out);
	if (modes->newline)
		(void)fputs("\033[20h", out);
	if (modes->keypad)
		(void)fputs("\033=", out);
	if (modes->cursor_style > 0)
		(void)fprintf(out, "\033[%d q", modes->cursor_style);
	if (modes->other_keys > 0)
		(void)fprintf(out, "\033[>4;%dm", modes->other_keys);
}

void modes_paint_sets(const struct modes *modes, FILE *out)
{
	for (int i = 0; i < 4; i++)
		if (modes->sets[i] != 'B')
			(void)fprintf(out, "\033%c%c", "()*+"[i], modes -> sets[i]);
	if (modes->shifted)
		(void)fputc(0x0e, out);
}

void modes_paint_keys(const struct modes *modes, bool in_alternate, FILE *out)
{
	const struct modes_keys *keys = &modes->keys[in_alternate];

	if (keys->flags[0] != 0)
		(void)fprintf(out, "\033[=%uu", keys->flags[0]);
	for (unsigned i = 1; i <= keys->n; i++)
		(void)fprintf(out, "\033[>%uu", keys->flags[i]);
}

void modes_unpaint_keys(const struct modes *modes, FILE *out)
{
	if (modes->asked_for_keys)
		(void)fputs("\033[<99u\033[=0u", out);
}

void modes_unpaint(const struct modes *modes, FILE *out)
{
	for (int i = 0; i < N_TABLE; i++)
		if (modes->private_modes >> i & 1)
			(void)fprintf(out, "\033[?%d%c", table[i].number,
				      table[i].at_first ? 'h' : 'l');
	if (modes->insert)
		(void)fputs("\033[4l", out);
	if (modes->newline)
		(void)fputs("\033[20l", out);
	if (modes->keypad)
		(void)fputs("\033>", out);
	if (modes->cursor_style > 0)
		(void)fputs("\033[0 q", out);
	if (modes->other_keys > 0)
		(void)fputs("\033[>4m", out);
	for (int i = 0; i < 4; i++)
		if (modes->sets[i] != 'B')
			(void)fprintf(out, "\033%cB", "()*+"[i]);
	if (modes->shifted)
		(void)fputc(0x0f, out);
	if (modes->region_bottom > 0 || modes->region_top > 0)
		(void)fputs("\033[r", out);
}
