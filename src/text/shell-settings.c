#include "text/shell-settings.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

enum { WORDS_MAX = 8, WORD_BYTES = 256 };

struct word {
	char text[WORD_BYTES];
	bool expands; /* has $ or ` outside of single quotes */
	bool quoted;  /* is no reserved word */
};

/* Where the reader is. */
struct scan {
	const char *at, *end;
	int32_t line;
	int depth;	       /* compound commands around this one */
	int subshells;	       /* what happens in them stays there */
	bool behind_or;	       /* && or || stands before this command */
	char here[WORD_BYTES]; /* end of a here-document that begins in the next line */
	struct word words[WORDS_MAX];
	size_t n;
	int32_t command_line;
};

static char peek(const struct scan *scan, size_t offset)
{
	return (size_t)(scan->end - scan->at) > offset ? scan->at[offset] : '\0';
}

static char take(struct scan *scan)
{
	const char c = scan->at < scan->end ? *scan->at++ : '\0';

	if (c == '\n')
		scan->line++;
	return c;
}

static void put(struct word *word, size_t *length, char c)
{
	if (*length < WORD_BYTES - 1)
		word->text[(*length)++] = c;
}

/* Skips $(...), ${...} and `...`; quotes within are not looked at. */
static void skip_expansion(struct scan *scan)
{
	const char open = peek(scan, 0);
	const char close = open == '(' ? ')' : open == '{' ? '}' : '`';
	int depth = 0;

	if (open != '(' && open != '{' && open != '`')
		return;
	(void)take(scan);
	while (scan->at < scan->end) {
		const char c = take(scan);

		if (c == '\\')
			(void)take(scan);
		else if (c == close && depth-- == 0)
			return;
		else if (c == open && open != '`')
			depth++;
	}
}

static void take_single_quotes(struct scan *scan, struct word *word, size_t *length)
{
	char c;

	while (scan->at < scan->end && (c = take(scan)) != '\'')
		put(word, length, c);
}

static void take_double_quotes(struct scan *scan, struct word *word, size_t *length)
{
	while (scan->at < scan->end) {
		char c = take(scan);

		if (c == '"')
			return;
		if (c == '\\') {
			c = take(scan);
		} else if (c == '$' || c == '`') {
			word->expands = true;
			if (c == '`')
				scan->at--;
			skip_expansion(scan);
			continue;
		}
		put(word, length, c);
	}
}

static bool is_break(char c)
{
	return c == '\0' || strchr(" \t\n;&|()<>", c);
}

static void take_word(struct scan *scan, struct word *ret_word)
{
	size_t length = 0;

	ret_word->expands = ret_word->quoted = false;
	while (scan->at < scan->end && !is_break(peek(scan, 0))) {
		const char c = take(scan);

		if (c == '\'' || c == '"') {
			ret_word->quoted = true;
			if (c == '"')
				take_double_quotes(scan, ret_word, &length);
			else
				take_single_quotes(scan, ret_word, &length);
		} else if (c == '\\') {
			if (peek(scan, 0) == '\n')
				(void)take(scan);
			else
				put(ret_word, &length, take(scan));
		} else if (c == '$' || c == '`') {
			ret_word->expands = true;
			if (c == '`')
				scan->at--;
			skip_expansion(scan);
		} else {
			put(ret_word, &length, c);
		}
	}
	ret_word->text[length] = '\0';
}

static void skip_line(struct scan *scan)
{
	while (scan->at < scan->end && peek(scan, 0) != '\n')
		(void)take(scan);
}

/* Skips a here-document, the lines behind the newline just taken. */
static void skip_here(struct scan *scan)
{
	const size_t length = strlen(scan->here);

	while (length > 0 && scan->at < scan->end) {
		const char *from = scan->at;

		skip_line(scan);
		while (from < scan->at && *from == '\t')
			from++;
		(void)take(scan);
		if ((size_t)(scan->at - from) >= length && memcmp(from, scan->here, length) == 0 &&
		    (from + length == scan->end || from[length] == '\n'))
			break;
	}
	scan->here[0] = '\0';
}

/* At < or >: skips the redirection, and remembers the end of a here-document. */
static void take_redirection(struct scan *scan)
{
	const bool here = peek(scan, 0) == '<' && peek(scan, 1) == '<' && peek(scan, 2) != '<';
	struct word word;

	while (scan->at < scan->end && strchr("<>&-", peek(scan, 0)))
		(void)take(scan);
	while (peek(scan, 0) == ' ' || peek(scan, 0) == '\t')
		(void)take(scan);
	take_word(scan, &word);
	if (here)
		(void)text_copy(word.text, scan->here, sizeof(scan->here));
}

static void take_parenthesis(struct scan *scan)
{
	if (take(scan) == '(') {
		if (peek(scan, 0) == ')') {
			/* The name of a function. */
			(void)take(scan);
			scan->n = 0;
		} else {
			scan->subshells++;
		}
	} else if (scan->subshells > 0) {
		scan->subshells--;
	} else {
		/* A pattern of `case`. */
		scan->n = 0;
	}
}

static void add_word(struct scan *scan)
{
	static struct word rest;

	if (scan->n == 0)
		scan->command_line = scan->line;
	if (scan->n < WORDS_MAX)
		take_word(scan, &scan->words[scan->n++]);
	else
		take_word(scan, &rest);
}

/* Reads one simple command; its end is ; & | && || or a line end, which is returned (a for &&, o for
 * ||), '\0' at the end of the text. */
static char take_command(struct scan *scan)
{
	char c;

	scan->n = 0;
	while (scan->at < scan->end) {
		c = peek(scan, 0);
		if (c == '\0' || c == ' ' || c == '\t' || c == '\r') {
			(void)take(scan);
		} else if (c == '#') {
			skip_line(scan);
		} else if (c == '<' || c == '>') {
			take_redirection(scan);
		} else if (c == ')' && scan->n > 0 && scan->subshells > 0) {
			/* The command before it is still within. */
			return ';';
		} else if (c == '(' || c == ')') {
			take_parenthesis(scan);
		} else if (c == '\n') {
			(void)take(scan);
			skip_here(scan);
			return c;
		} else if (c == ';' || c == '&' || c == '|') {
			(void)take(scan);
			if (c == ';' || peek(scan, 0) != c)
				return c;
			(void)take(scan);
			return c == '&' ? 'a' : 'o';
		} else {
			add_word(scan);
		}
	}
	return '\0';
}

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words && !text_equal(*words, text))
		words++;
	return *words;
}

/* Takes reserved words off the front of the command; returns the index of its first own word. */
static size_t skip_reserved(struct scan *scan)
{
	static const char *const opens[] = { "if", "while", "until", "{", NULL };
	static const char *const lists[] = { "for", "select", "case", "function", NULL };
	static const char *const goes_on[] = { "then", "do", "else", "elif", "!", "time", NULL };
	static const char *const closes[] = { "fi", "done", "esac", "}", NULL };
	size_t i;

	for (i = 0; i < scan->n && !scan->words[i].quoted; i++) {
		const char *text = scan->words[i].text;

		if (is_one_of(text, opens)) {
			scan->depth++;
		} else if (is_one_of(text, lists)) {
			/* `function x {` opens one only at its brace. */
			if (*text != 'f' || text[1] == 'o')
				scan->depth++;
			else if (scan->n > 2 && text_equal(scan->words[scan->n - 1].text, "{"))
				scan->depth++;
			return scan->n;
		} else if (is_one_of(text, closes)) {
			scan->depth -= scan->depth > 0;
		} else if (!is_one_of(text, goes_on)) {
			break;
		}
	}
	return i;
}

static int64_t value_of(const struct word *word, const char *text)
{
	uint64_t number;

	if (word->expands)
		return SETTING_UNKNOWN;
	if (!*text)
		return SETTING_OFF;
	if (text_to_u64(text, INT64_MAX / NS_PER_S, &number) < 0)
		return SETTING_UNKNOWN;
	return number == 0 ? SETTING_OFF : (int64_t)number * NS_PER_S;
}

/* What one command does to TMOUT. */
struct change {
	int64_t after_ns;
	bool sets, unsets, exports, locks;
};

static struct settings_tmout *last_place(struct settings_shell *shell)
{
	return shell->n > 0 ? &shell->places[shell->n - 1] : NULL;
}

static void apply(const struct scan *scan, const struct change *change, const char *file,
		  struct settings_shell *shell)
{
	const bool conditional = scan->depth > 0 || scan->behind_or;
	struct settings_tmout *place = last_place(shell);

	if (scan->subshells > 0 ||
	    !(change->sets || change->unsets || change->exports || change->locks))
		return;
	if (change->sets || change->unsets) {
		if (shell->n == SETTINGS_SHELLS_MAX)
			return;
		place = &shell->places[shell->n++];
		memset(place, 0, sizeof(*place));
		(void)text_copy(file, place->file, sizeof(place->file));
		place->line = scan->command_line;
		place->after_ns = change->unsets ? SETTING_OFF : change->after_ns;
		place->conditional = conditional;
	}
	if (place) {
		place->exported = place->exported || change->exports;
		/* A lock that is not always reached is none. */
		place->read_only =
			place->read_only || (change->locks && (!conditional || place->conditional));
	}
}

/* TMOUT or TMOUT=..., as an argument of a command or before one. */
static bool names_tmout(const struct word *word, struct change *change)
{
	static const char name[] = "TMOUT";
	const char *behind = word->text + sizeof(name) - 1;

	if (!text_starts(word->text, name) || (*behind && *behind != '='))
		return false;
	if (*behind == '=') {
		change->sets = true;
		change->after_ns = value_of(word, behind + 1);
	}
	return true;
}

static bool is_assignment(const struct word *word)
{
	const char *equals = strchr(word->text, '=');

	return equals && equals > word->text &&
	       strspn(word->text,
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") ==
		       (size_t)(equals - word->text);
}

/* export, readonly, declare, typeset, unset with their options. */
static void look_at_builtin(const struct scan *scan, size_t first, struct change *change)
{
	const char *name = scan->words[first].text;
	struct change found = { 0 };
	bool locks = text_equal(name, "readonly"), exports = text_equal(name, "export");
	bool named = false, negated = false;

	for (size_t i = first + 1; i < scan->n; i++) {
		const struct word *word = &scan->words[i];

		if (word->text[0] == '-') {
			locks = locks || strchr(word->text, 'r');
			exports = exports || strchr(word->text, 'x');
			negated = negated || strchr(word->text, 'n') || strchr(word->text, 'f');
		} else if (names_tmout(word, &found)) {
			named = true;
		}
	}
	if (!named || negated)
		return;
	found.unsets = text_equal(name, "unset");
	found.locks = locks;
	found.exports = exports;
	*change = found;
}

static void look_at(const struct scan *scan, size_t first, struct change *change)
{
	static const char *const builtins[] = { "export",  "readonly", "declare",
						"typeset", "unset",    NULL };
	size_t i = first;
	struct change found = { 0 };

	while (i < scan->n && is_assignment(&scan->words[i]))
		(void)names_tmout(&scan->words[i++], &found);
	/* Before a command it is set for that command only. */
	if (i == scan->n)
		*change = found;
	else if (i == first && is_one_of(scan->words[i].text, builtins))
		look_at_builtin(scan, i, change);
}

void shell_settings_parse(const char *text, size_t size, const char *file,
			  struct settings_shell *shell)
{
	struct scan scan = { .at = text, .end = text + size, .line = 1 };
	char ended;

	do {
		struct change change = { 0 };
		size_t first;

		ended = take_command(&scan);
		first = skip_reserved(&scan);
		if (first < scan.n) {
			look_at(&scan, first, &change);
			apply(&scan, &change, file, shell);
		}
		if (scan.n > 0 || ended != '\n')
			scan.behind_or = ended == 'a' || ended == 'o';
	} while (ended);
}

void shell_settings_parse_environment(const char *text, size_t size, const char *file,
				      struct settings_shell *shell)
{
	const size_t before = shell->n;

	shell_settings_parse(text, size, file, shell);
	for (size_t i = before; i < shell->n; i++)
		shell->places[i].exported = true;
}

int shell_settings_effective(const struct settings_shell *shell)
{
	int effective = -1;

	for (size_t i = 0; i < shell->n; i++) {
		if (effective >= 0 && shell->places[effective].read_only)
			break;
		effective = (int)i;
	}
	return effective;
}
