#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "text/config-parser.h"

enum { PROBLEM_BYTES = 1024 };

void config_problems_deinit(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		free(problems->items[i].text);
	free(problems->items);
	*problems = (struct config_problems){ 0 };
}

/* Without memory the text is lost; the count of errors, which decides, is not. */
static void add(struct config_problems *problems, bool notice, const char *text)
{
	struct config_problem *items;
	char *copy;

	problems->n_errors += !notice;
	if (problems->n > CONFIG_PROBLEMS_MAX)
		return;
	if (problems->n == CONFIG_PROBLEMS_MAX)
		text = "there are more problems than are shown here";
	items = reallocarray(problems->items, problems->n + 1, sizeof(*items));
	if (!items)
		return;
	problems->items = items;
	copy = strdup(text);
	if (copy)
		items[problems->n++] = (struct config_problem){ .notice = notice, .text = copy };
}

void config_problems_add(struct config_problems *problems, bool notice, const char *format, ...)
{
	char text[PROBLEM_BYTES];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	add(problems, notice, text);
}

void config_parser_wrong(struct config_parser *parser, const struct config_keyword *keyword,
			 const char *nearest, const char *format, ...)
{
	char text[PROBLEM_BYTES];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (nearest)
		(void)text_append(text, sizeof(text), " (did you mean %s?)", nearest);
	config_problems_add(parser->problems, false, "%s:%u: %s: %s; allowed: %s",
			    parser->shown_file, parser->line, keyword->name, text,
			    keyword->allowed);
}

void config_parser_trouble(struct config_parser *parser, bool notice, const char *format, ...)
{
	char text[PROBLEM_BYTES];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	config_problems_add(parser->problems, notice, "%s:%u: %s%s%s", parser->shown_file,
			    parser->line, parser->keyword ? parser->keyword : "",
			    parser->keyword ? ": " : "", text);
}

const char *config_parser_source(struct config_parser *parser)
{
	char text[CONFIG_FILE_NAME_BYTES + 16];

	if (parser->source)
		return parser->source;
	(void)snprintf(text, sizeof(text), "%s:%u", parser->shown_file, parser->line);
	if (config_add_source(parser->config, text, &parser->source) < 0)
		parser->error = -ENOMEM;
	return parser->source;
}

struct config_quoted config_quote(const char *text, size_t length)
{
	struct config_quoted quoted = { "\"" };
	char part[CONFIG_QUOTED_BYTES];
	const size_t taken = length < sizeof(part) - 1 ? length : sizeof(part) - 1;

	memcpy(part, text, taken);
	part[taken] = '\0';
	/* Room is left for the dots and the closing quote. */
	text_escape(part, false, quoted.text + 1, sizeof(quoted.text) - 5);
	if (length > taken || strlen(quoted.text + 1) < strlen(part))
		(void)text_append(quoted.text, sizeof(quoted.text), "...");
	(void)text_append(quoted.text, sizeof(quoted.text), "\"");
	return quoted;
}

size_t config_word_find(const char *const *words, const char *word)
{
	for (size_t i = 0; words[i]; i++) {
		if (strcasecmp(words[i], word) == 0)
			return i;
	}
	return SIZE_MAX;
}

const char *config_word_nearest(const char *const *words, const char *word)
{
	const size_t length = strlen(word);
	unsigned most = length < 3 ? 1 : length < 7 ? 2 : 3;
	const char *nearest = NULL;

	for (size_t i = 0; words && words[i]; i++) {
		const unsigned distance = text_distance(words[i], word);

		if (distance > 0 && distance <= most && distance < length &&
		    distance < strlen(words[i])) {
			nearest = words[i];
			most = distance - 1;
		}
	}
	return nearest;
}
