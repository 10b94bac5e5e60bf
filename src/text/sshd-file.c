#include "text/sshd-file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Where patterns of Include without a `/` at the front are looked for, whatever the main file is
 * (sshd_config(5)). */
#define INCLUDE_DIRECTORY "/etc/ssh"

static const char blanks[] = " \t\r";

/* One line without its end; false when there is nothing on it. */
static bool take_line(const char *text, size_t length, struct sshd_file_line *line)
{
	size_t i = 0, n = 0;

	while (i < length && text[i] && strchr(blanks, text[i]))
		i++;
	if (i == length || text[i] == '#')
		return false;
	for (; i < length && text[i] && !strchr(" \t\r=", text[i]); i++)
		if (n < sizeof(line->keyword) - 1)
			line->keyword[n++] = (char)tolower((unsigned char)text[i]);
	line->keyword[n] = '\0';
	while (i < length && text[i] && strchr(blanks, text[i]))
		i++;
	if (i < length && text[i] == '=')
		i++;
	while (i < length && text[i] && strchr(blanks, text[i]))
		i++;
	length -= i;
	while (length > 0 && text[i + length - 1] && strchr(blanks, text[i + length - 1]))
		length--;
	if (length >= sizeof(line->value))
		length = sizeof(line->value) - 1;
	memcpy(line->value, text + i, length);
	line->value[length] = '\0';
	return n > 0;
}

bool sshd_file_next(struct sshd_file_cursor *cursor, struct sshd_file_line *ret_line)
{
	while (cursor->at < cursor->end) {
		const char *from = cursor->at;
		const char *newline = memchr(from, '\n', (size_t)(cursor->end - from));

		cursor->at = newline ? newline + 1 : cursor->end;
		cursor->number++;
		if (!take_line(from, (size_t)((newline ? newline : cursor->end) - from), ret_line))
			continue;
		if (text_equal(ret_line->keyword, "match"))
			cursor->in_match = true;
		ret_line->at = from;
		ret_line->number = cursor->number;
		ret_line->in_match = cursor->in_match;
		return true;
	}
	return false;
}

bool sshd_file_argument(const char **value, char *ret_argument, size_t size)
{
	const char *at = *value + strspn(*value, blanks);
	char quote = '\0';
	size_t n = 0;

	if (!*at || *at == '#')
		return false;
	for (; *at && (quote || !strchr(blanks, *at)); at++) {
		if (*at == quote)
			quote = '\0';
		else if (!quote && (*at == '"' || *at == '\''))
			quote = *at;
		else if (n < size - 1)
			ret_argument[n++] = *at;
	}
	ret_argument[n] = '\0';
	*value = at;
	return true;
}

/* "/etc/ssh/sshd_config.d/" of "/etc/ssh/sshd_config.d/" "*.conf". */
static bool is_directory_of(const char *pattern, char *ret_directory, size_t size)
{
	const char *slash = strrchr(pattern, '/');
	int n;

	if (!slash || !text_equal(slash, "/*.conf") || slash == pattern ||
	    strcspn(pattern, "*?[") < (size_t)(slash - pattern))
		return false;
	n = snprintf(ret_directory, size, "%s%.*s", *pattern == '/' ? "" : INCLUDE_DIRECTORY "/",
		     (int)(slash - pattern), pattern);
	return n > 0 && (size_t)n < size;
}

bool sshd_file_drop_ins(const char *text, size_t size, char *ret_directory, size_t directory_size)
{
	struct sshd_file_cursor cursor = { .at = text, .end = text + size };
	struct sshd_file_line line;

	while (sshd_file_next(&cursor, &line) && !line.in_match) {
		char pattern[SSHD_FILE_VALUE_BYTES];
		const char *value = line.value;

		if (!text_equal(line.keyword, "include"))
			continue;
		while (sshd_file_argument(&value, pattern, sizeof(pattern)))
			if (is_directory_of(pattern, ret_directory, directory_size))
				return true;
	}
	return false;
}
