#include "cli/output.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/duration.h"
#include "base/text.h"

/* A terminal narrower than this is taken for one whose width is not known. */
enum { COLUMNS_LEAST = 20, COLUMNS_DEFAULT = 80 };

static struct {
	bool terminal;
	bool colours;
	bool utf8;
	int json_error; /* why not all of it was printed */
	bool told;	/* that not everything was */
} output;

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

void output_init(void)
{
	const char *terminal = variable("TERM");

	(void)setlocale(LC_CTYPE, "");
	output.utf8 = text_equal(nl_langinfo(CODESET), "UTF-8");
	output.terminal = isatty(STDOUT_FILENO) == 1;
	output.colours = output.terminal && variable("NO_COLOR")[0] == '\0' &&
			 terminal[0] != '\0' && !text_equal(terminal, "dumb");
}

bool output_finish(void)
{
	int error = fflush(stdout) != 0 ? errno : output.json_error;

	if (error == 0 && ferror(stdout))
		error = EIO;
	if (error != 0 && !output.told)
		output_error("cannot write: %s", strerror(error));
	output.told = output.told || error != 0;
	return error == 0;
}

unsigned output_columns(void)
{
	struct winsize size;
	uint64_t columns;

	if (!output.terminal)
		return 0;
	if (text_to_u64(variable("COLUMNS"), 10000, &columns) == 0 && columns >= COLUMNS_LEAST)
		return (unsigned)columns;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_LEAST)
		return size.ws_col;
	return COLUMNS_DEFAULT;
}

const char *output_style(enum output_style style)
{
	static const char *const sequences[] = {
		[STYLE_PLAIN] = "",	    [STYLE_HEAD] = "\033[1m",
		[STYLE_GOOD] = "\033[32m",  [STYLE_ATTENTION] = "\033[33m",
		[STYLE_BAD] = "\033[1;31m", [STYLE_FAINT] = "\033[2m",
	};

	return output.colours ? sequences[style] : "";
}

const char *output_style_end(void)
{
	return output.colours ? "\033[0m" : "";
}

/* One piece without backslashes. */
static void escape_piece(const char *piece, char *ret_text, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	if (output.utf8) {
		text_escape(piece, false, ret_text, size);
		return;
	}
	/* Bytes above ASCII may be controls of the terminal's own character set. */
	for (; *piece != '\0' && used + 4 < size; piece++) {
		const unsigned char byte = (unsigned char)*piece;

		if (byte >= 0x20 && byte < 0x7f) {
			ret_text[used++] = *piece;
			continue;
		}
		memcpy(ret_text + used, (char[]){ '\\', 'x', hex[byte >> 4], hex[byte & 15] }, 4);
		used += 4;
	}
	ret_text[used] = '\0';
}

/* Most cells have nothing to escape. */
static size_t harmless_length(const char *text)
{
	size_t n = 0;

	while (text[n] >= 0x20 && text[n] < 0x7f && text[n] != '\\')
		n++;
	return n;
}

void output_escape(const char *text, char *ret_text, size_t size)
{
	const size_t harmless = harmless_length(text);
	char piece[256];
	size_t used = 0;

	if (text[harmless] == '\0' && harmless < size) {
		memcpy(ret_text, text, harmless + 1);
		return;
	}
	ret_text[0] = '\0';
	while (*text != '\0' && used + 1 < size) {
		size_t length = strcspn(text, "\\");

		if (length == 0) {
			ret_text[used++] = *text++;
			ret_text[used] = '\0';
			continue;
		}
		/* No more than fits, and not within a character. */
		if (length >= sizeof(piece))
			for (length = sizeof(piece) - 1;
			     length > 1 && (text[length] & 0xc0) == 0x80;)
				length--;
		memcpy(piece, text, length);
		piece[length] = '\0';
		escape_piece(piece, ret_text + used, size - used);
		used += strlen(ret_text + used);
		text += length;
	}
}

void output_put(const char *text)
{
	char escaped[4096];

	output_escape(text, escaped, sizeof(escaped));
	(void)fputs(escaped, stdout);
}

/* Bytes of the first character and the columns it takes. */
static size_t measure(const char *text, size_t *ret_columns)
{
	mbstate_t state = { 0 };
	wchar_t character;
	size_t bytes;
	int columns;

	*ret_columns = 1;
	if ((unsigned char)*text < 0x80)
		return 1;
	bytes = mbrtowc(&character, text, strlen(text), &state);
	if (bytes == 0 || bytes == (size_t)-1 || bytes == (size_t)-2)
		return 1;
	columns = wcwidth(character);
	*ret_columns = columns < 0 ? 1 : (size_t)columns;
	return bytes;
}

size_t output_width(const char *text)
{
	size_t width = 0, columns;

	while (*text != '\0') {
		text += measure(text, &columns);
		width += columns;
	}
	return width;
}

void output_shorten(char *text, size_t size, size_t columns)
{
	const char *mark = output.utf8 ? "…" : "~";
	size_t at = 0, width = 0, next;

	if (columns == 0 || output_width(text) <= columns)
		return;
	while (text[at] != '\0') {
		const size_t bytes = measure(text + at, &next);

		if (width + next > columns - 1)
			break;
		width += next;
		at += bytes;
	}
	text[at] = '\0';
	(void)text_append(text, size, "%s", mark);
}

void output_json(const json_t *value, bool one_line)
{
	/* On a terminal even JSON must not move the cursor: some controls are beyond ASCII. */
	size_t flags = JSON_REAL_PRECISION(15) | (output.terminal ? JSON_ENSURE_ASCII : 0);

	flags |= output.terminal && !one_line ? JSON_INDENT(2) : JSON_COMPACT;
	errno = ENOMEM;
	if (json_dumpf(value, stdout, flags) == 0)
		(void)putchar('\n');
	else
		output.json_error = errno;
}

void output_new_json(json_t *value)
{
	output_json(value, false);
	json_decref(value);
}

void output_error_list(const char *format, va_list arguments)
{
	char text[2048], escaped[4096];

	(void)vsnprintf(text, sizeof(text), format, arguments);
	output_escape(text, escaped, sizeof(escaped));
	(void)fprintf(stderr, "sshidle: %s\n", escaped);
}

void output_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	output_error_list(format, arguments);
	va_end(arguments);
}

const char *output_text(const json_t *object, const char *name, const char *none)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && text[0] != '\0' ? text : none;
}

void output_span(const json_t *seconds, const char *none, char *ret_text, size_t size)
{
	const double s = json_number_value(seconds);
	char text[DURATION_TEXT_BYTES];

	if (!json_is_number(seconds) || s >= 9e9) {
		(void)text_copy(none, ret_text, size);
		return;
	}
	/* A tenth is shown only for what is over at once. */
	duration_format(s >= 1 ? (int64_t)s * NS_PER_S : (int64_t)(s * NS_PER_S), text);
	(void)text_copy(text, ret_text, size);
}
