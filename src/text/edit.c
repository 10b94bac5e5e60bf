#include "text/edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "text/sshd-file.h"

#define BEGIN "# BEGIN sshidle apply\n"
#define END   "# END sshidle apply\n"

static const char blanks[] = " \t\r";

/* Where the line after `at` begins. */
static const char *line_after(const char *at)
{
	const char *newline = strchr(at, '\n');

	return newline ? newline + 1 : at + strlen(at);
}

/* The first marked block: from its first byte to behind its last. */
static bool find_block(const char *text, const char **ret_from, const char **ret_to)
{
	const char *from = NULL;

	for (const char *at = text; *at; at = line_after(at)) {
		if (text_starts(at, BEGIN))
			from = at;
		if (from && text_starts(at, END)) {
			*ret_from = from;
			*ret_to = at + strlen(END);
			return true;
		}
	}
	return false;
}

bool edit_has_block(const char *text)
{
	const char *from, *to;

	return find_block(text, &from, &to);
}

char *edit_without_blocks(const char *text)
{
	char *copy = strdup(text);
	const char *from, *to;

	while (copy && find_block(copy, &from, &to))
		memmove(copy + (from - copy), to, strlen(to) + 1);
	return copy;
}

static size_t place_of(const char *text, enum edit_place place)
{
	struct sshd_file_cursor cursor = { .at = text, .end = text + strlen(text) };
	struct sshd_file_line line;

	switch (place) {
	case EDIT_TOP:
		return 0;
	case EDIT_BEFORE_MATCH:
		while (sshd_file_next(&cursor, &line))
			if (line.in_match)
				return (size_t)(line.at - text);
		break;
	case EDIT_END:
		break;
	}
	return strlen(text);
}

char *edit_with_block(const char *text, enum edit_place place, const char *lines)
{
	const size_t at = place_of(text, place);
	/* A last line without an end gets one. */
	const char *newline = at > 0 && text[at - 1] != '\n' ? "\n" : "";
	char *result;

	if (asprintf(&result, "%.*s%s%s%s%s%s", (int)at, text, newline, BEGIN, lines, END,
		     text + at) < 0)
		return NULL;
	return result;
}

/* ---- shell variables ---- */

/* A value as it is written, in `line` up to its end; quotes only around all of it. */
static int plain_value(const char *line, char *ret_value, size_t size)
{
	size_t length = strcspn(line, "\n");
	const char quote = *line;

	while (length > 0 && strchr(blanks, line[length - 1]))
		length--;
	if (quote == '"' || quote == '\'') {
		const char *closing = memchr(line + 1, quote, length > 0 ? length - 1 : 0);

		/* Behind it only a comment may follow. */
		if (!closing)
			return -EINVAL;
		line++;
		length = (size_t)(closing - line);
		closing += 1 + strspn(closing + 1, blanks);
		if (*closing && *closing != '\n' && *closing != '#')
			return -EINVAL;
	} else {
		length = strcspn(line, " \t\r\n;#");
	}
	for (size_t i = 0; i < length; i++)
		if (strchr(quote == '\'' ? "\\" : "$`\\\"'", line[i]))
			return -EINVAL;
	if (length >= size)
		return -ENOSPC;
	memcpy(ret_value, line, length);
	ret_value[length] = '\0';
	return 0;
}

int edit_assigned(const char *text, const char *name, char *ret_value, size_t size)
{
	const size_t length = strlen(name);
	int r = 0;

	*ret_value = '\0';
	for (const char *at = text; *at; at = line_after(at)) {
		const char *word = at + strspn(at, " \t");

		if (text_starts(word, "export "))
			word += 7 + strspn(word + 7, " \t");
		if (strncmp(word, name, length) == 0 && word[length] == '=')
			r = plain_value(word + length + 1, ret_value, size);
	}
	return r;
}

int edit_without_options(const char *words, const char *letters, char *ret_words, size_t size)
{
	bool skip = false;

	*ret_words = '\0';
	while (*(words += strspn(words, blanks))) {
		const size_t length = strcspn(words, blanks);
		const bool ours = length >= 2 && words[0] == '-' && strchr(letters, words[1]);

		if (!skip && !ours &&
		    !text_append(ret_words, size, "%s%.*s", *ret_words ? " " : "", (int)length,
				 words))
			return -ENOSPC;
		/* "-K 15" takes the next word, "-K15" does not. */
		skip = !skip && ours && length == 2;
		words += length;
	}
	return 0;
}

/* ---- UCI ---- */

/* The next word of a line of UCI, quotes removed. */
static bool uci_word(const char **at, char *ret_word, size_t size)
{
	const char *from = *at + strspn(*at, blanks);
	char quote = '\0';
	size_t n = 0;

	if (!*from || *from == '\n' || *from == '#')
		return false;
	if (*from == '\'' || *from == '"')
		quote = *from++;
	while (*from && *from != '\n' && (quote ? *from != quote : !strchr(blanks, *from))) {
		if (n < size - 1)
			ret_word[n++] = *from;
		from++;
	}
	ret_word[n] = '\0';
	*at = from + (quote && *from == quote);
	return true;
}

/* One line of UCI: its first three words. */
struct uci_line {
	char words[3][128];
	size_t n;
};

static void uci_parse(const char *at, struct uci_line *ret_line)
{
	ret_line->n = 0;
	while (ret_line->n < 3 && uci_word(&at, ret_line->words[ret_line->n], 128))
		ret_line->n++;
}

static bool is_section(const struct uci_line *line)
{
	return line->n >= 2 && text_equal(line->words[0], "config");
}

static bool is_option(const struct uci_line *line, const char *name)
{
	return line->n >= 2 && text_equal(line->words[0], "option") &&
	       text_equal(line->words[1], name);
}

int edit_uci_get(const char *text, const struct edit_uci *option, size_t section, char *ret_value,
		 size_t size)
{
	size_t n = 0;
	bool within = false, found = false;
	struct uci_line line;

	for (const char *at = text; *at; at = line_after(at)) {
		uci_parse(at, &line);
		if (is_section(&line)) {
			within = text_equal(line.words[1], option->type) && n++ == section;
			found = found || within;
		} else if (within && is_option(&line, option->name)) {
			return line.n == 3 && text_copy(line.words[2], ret_value, size) ? 0
											: -ENOSPC;
		}
	}
	return found ? -ENOENT : -ERANGE;
}

/* Copies a file line by line; the option of the chosen sections is left out, and stands anew behind
 * the head of the section. SIZE_MAX: all sections. */
static void uci_write(const char *text, const struct edit_uci *option, size_t section, FILE *file)
{
	bool within = false;
	struct uci_line line;
	size_t n = 0;

	for (const char *at = text; *at; at = line_after(at)) {
		const size_t length = (size_t)(line_after(at) - at);

		uci_parse(at, &line);
		if (within && is_option(&line, option->name))
			continue;
		(void)fwrite(at, 1, length, file);
		if (!is_section(&line))
			continue;
		within = text_equal(line.words[1], option->type) &&
			 (n++ == section || section == SIZE_MAX);
		if (within && option->value)
			(void)fprintf(file, "%s\toption %s '%s'\n",
				      at[length - 1] == '\n' ? "" : "\n", option->name,
				      option->value);
	}
}

/* Whether a section has the value already: then its line stays where it is. */
static bool uci_has(const char *text, const struct edit_uci *option, size_t section)
{
	char value[128];
	const int r = edit_uci_get(text, option, section, value, sizeof(value));

	return option->value ? r == 0 && text_equal(value, option->value) : r == -ENOENT;
}

char *edit_uci_set_in(const char *text, const struct edit_uci *option, size_t section)
{
	char *result = NULL;
	size_t size;
	FILE *file;

	if (uci_has(text, option, section))
		return strdup(text);
	file = open_memstream(&result, &size);
	if (!file)
		return NULL;
	uci_write(text, option, section, file);
	if (fclose(file) != 0) {
		free(result);
		return NULL;
	}
	return result;
}

char *edit_uci_set(const char *text, const struct edit_uci *option)
{
	char *result = strdup(text), *next, value[128];

	for (size_t i = 0;
	     result && edit_uci_get(result, option, i, value, sizeof(value)) != -ERANGE; i++) {
		next = edit_uci_set_in(result, option, i);
		free(result);
		result = next;
	}
	return result;
}
