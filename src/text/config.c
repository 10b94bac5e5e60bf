#include "text/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "text/config-parser.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Ends at a quote of its kind, or at a blank outside of quotes. NULL: a quote stays open. */
static char *take_word(char *from, char *to)
{
	char quote = '\0';

	for (; *from != '\0'; from++) {
		const char next = from[1];

		if (*from == '\\' &&
		    (next == '\'' || next == '"' || next == '\\' || (quote == '\0' && next == ' ')))
			*to++ = *++from;
		else if (quote == '\0' && is_space(*from))
			break;
		else if (quote == '\0' && (*from == '"' || *from == '\''))
			quote = *from;
		else if (quote != '\0' && *from == quote)
			quote = '\0';
		else
			*to++ = *from;
	}
	if (quote != '\0')
		return NULL;
	from += *from != '\0';
	*to = '\0';
	return from;
}

/* As argv_split() of OpenSSH; the words take the place of the text. NULL, or what is wrong. */
static const char *split_words(char *text, struct config_words *ret_words)
{
	ret_words->n = 0;
	for (;;) {
		char *rest;

		while (is_space(*text))
			text++;
		if (*text == '\0' || *text == '#')
			return NULL;
		if (ret_words->n == CONFIG_WORDS_MAX)
			return "too many arguments";
		rest = take_word(text, text);
		if (!rest)
			return "a quote is not closed";
		ret_words->items[ret_words->n++] = text;
		text = rest;
	}
}

/* The keyword ends at a blank or at one `=`, around which blanks may stand. Returns what
 * follows. */
static char *split_keyword(char *text)
{
	char *end = text + strcspn(text, " \t=");
	char *rest = end + strspn(end, " \t");

	if (*rest == '=')
		rest++;
	if (rest > end)
		*end = '\0';
	return rest;
}

static const struct config_keyword *find_keyword(const char *name)
{
	for (size_t i = 0; i < config_keyword_table_n; i++) {
		if (strcasecmp(config_keyword_table[i].name, name) == 0)
			return &config_keyword_table[i];
	}
	return NULL;
}

static void tell_unknown(struct config_parser *parser, const char *name)
{
	size_t n;
	const char *const *names = config_keywords(&n);
	const char *nearest = config_word_nearest(names, name);
	const struct config_quoted quoted = config_quote(name, strlen(name));
	char all[512] = "";

	if (nearest) {
		config_parser_trouble(parser, false, "unknown keyword %s (did you mean %s?)",
				      quoted.text, nearest);
		return;
	}
	for (size_t i = 0; i < n; i++)
		(void)text_append(all, sizeof(all), "%s%s", i > 0 ? ", " : "", names[i]);
	config_parser_trouble(parser, false, "unknown keyword %s; allowed: %s", quoted.text, all);
}

static void parse_line(struct config_parser *parser, char *text)
{
	const struct config_keyword *keyword;
	struct config_words words;
	const char *wrong;
	char *rest;

	text += strspn(text, " \t");
	if (*text == '\0' || *text == '#')
		return;
	rest = split_keyword(text);
	keyword = find_keyword(text);
	if (!keyword) {
		tell_unknown(parser, text);
		return;
	}
	parser->keyword = keyword->name;
	wrong = split_words(rest, &words);
	if (!wrong && words.n == 0)
		wrong = "the argument is missing";
	if (!wrong && keyword->global_only && parser->block != 0)
		wrong = "cannot stand inside of a Match block";
	if (wrong)
		config_parser_wrong(parser, keyword, NULL, "%s", wrong);
	else
		keyword->read(parser, keyword, &words);
}

/* Text that people cannot see on their screen is refused, so what -T and messages show is true. */
static bool is_clean(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == '\x7f')
			return false;
	}
	return true;
}

static void take_line(struct config_parser *parser, const char *text, size_t length)
{
	auto_free char *line = NULL;

	while (length > 0 && (is_space(text[length - 1]) || text[length - 1] == '\r'))
		length--;
	parser->line++;
	parser->source = NULL;
	parser->keyword = NULL;
	if (!is_clean(text, length)) {
		config_parser_trouble(parser, false, "there is a control character in this line");
		return;
	}
	line = strndup(text, length);
	if (line)
		parse_line(parser, line);
	else
		parser->error = -ENOMEM;
}

/* A Match ends with its file.  What follows in the block that stood before is said after the
 * blocks of that file, so it goes to a new block with the same criteria: else it would come
 * before them. */
static void resume_block(struct config_parser *parser, size_t n_blocks_before)
{
	if (parser->block == 0 || parser->config->n_blocks == n_blocks_before)
		return;
	if (config_add_block(parser->config, parser->block, &parser->block) < 0)
		parser->error = -ENOMEM;
}

void config_parser_file(struct config_parser *parser, const char *file, const char *text,
			size_t length)
{
	struct config_parser inner = *parser;
	const char *const end = length > 0 ? text + length : text;
	const size_t n_blocks = parser->config->n_blocks;

	inner.file = file;
	inner.line = 0;
	inner.base = parser->block;
	text_escape(file, false, inner.shown_file, sizeof(inner.shown_file));
	if (inner.n_files++ == CONFIG_FILES_MAX)
		config_parser_trouble(parser, false, "more than %d files in all", CONFIG_FILES_MAX);
	while (text < end && inner.error == 0 && inner.n_files <= CONFIG_FILES_MAX) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;

		take_line(&inner, text, (size_t)(stop - text));
		text = stop + 1;
	}
	parser->n_files = inner.n_files;
	parser->error = inner.error;
	resume_block(parser, n_blocks);
}

void config_read_include(struct config_parser *parser, const struct config_keyword *keyword,
			 const struct config_words *words)
{
	(void)keyword;
	if (parser->depth >= CONFIG_DEPTH_MAX) {
		config_parser_trouble(parser, false, "more than %d files deep", CONFIG_DEPTH_MAX);
		return;
	}
	parser->depth++;
	for (size_t i = 0; i < words->n && parser->include; i++) {
		if (parser->n_files <= CONFIG_FILES_MAX)
			parser->include->read(parser->include->context, parser, parser->file,
					      words->items[i]);
	}
	parser->depth--;
}

int config_parse(const struct config_text *text, const struct config_include *include,
		 struct config_problems *problems, struct config **ret_config)
{
	const size_t errors = problems->n_errors;
	struct config_parser parser = { .problems = problems, .include = include };
	int r = config_new(&parser.config);

	if (r < 0)
		return r;
	config_parser_file(&parser, text->file, text->bytes, text->length);
	r = parser.error;
	if (r == 0 && problems->n_errors > errors)
		r = -EINVAL;
	if (r < 0) {
		config_free(parser.config);
		return r;
	}
	config_check(parser.config, problems);
	*ret_config = parser.config;
	return 0;
}
