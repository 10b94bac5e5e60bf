#include "text/server-arguments.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

/* Letters of options that take an argument: sshd.c, svr-runopts.c. */
static const char sshd_letters[] = "CEbcfghkopu";
static const char dropbear_letters[] = "bdrGTcpPWKIlD";

/* One option, found in words like getopt(3) does. */
struct option_at {
	char letter;
	const char *argument; /* NULL: none */
};

/* Goes to the option after word `*word`, letter `*letter`; false at the end. */
static bool next_option(const struct server_arguments *arguments, const char *with_argument,
			size_t *word, size_t *letter, struct option_at *ret_option)
{
	const char *text;

	for (; *word < arguments->n; (*word)++, *letter = 1) {
		text = arguments->words[*word];
		if (text[0] != '-' || text[1] == '-' || !text[1] || !text[*letter])
			continue;
		ret_option->letter = text[*letter];
		ret_option->argument = NULL;
		(*letter)++;
		if (!strchr(with_argument, ret_option->letter))
			return true;
		if (text[*letter])
			ret_option->argument = text + *letter;
		else if (*word + 1 < arguments->n)
			ret_option->argument = arguments->words[++*word];
		(*word)++;
		*letter = 1;
		return true;
	}
	return false;
}

static void add_word(struct server_arguments *arguments, const char *word)
{
	if (arguments->n == SERVER_ARGUMENTS_MAX)
		arguments->is_cut_off = true;
	else
		arguments->words[arguments->n++] = word;
	arguments->words[arguments->n] = NULL;
}

/* Whether the word before ends in an option whose argument is the next word. */
static bool wants_argument(const char *word)
{
	if (word[0] != '-')
		return false;
	for (size_t i = 1; word[i]; i++)
		if (strchr(sshd_letters, word[i]))
			return word[i + 1] == '\0';
	return false;
}

/* Words of a title, in place. */
static void split_title(struct server_arguments *arguments, char *title)
{
	char *mark = strstr(title, " [listener]");
	char *word, *rest = title;

	if (mark)
		*mark = '\0';
	while ((word = strsep(&rest, " "))) {
		char *last = arguments->n > 0 ? (char *)arguments->words[arguments->n - 1] : NULL;
		const bool is_argument = arguments->n > 1 && last[0] != '-' &&
					 wants_argument(arguments->words[arguments->n - 2]);

		if (!*word)
			continue;
		/* A blank within the argument of an option. */
		if (is_argument && word[0] != '-')
			word[-1] = ' ';
		else
			add_word(arguments, word);
	}
}

static bool is_started_for_each(const struct server_arguments *arguments)
{
	return server_arguments_sshd_flag(arguments, 'i');
}

int server_arguments_split(const char *cmdline, size_t size, struct server_arguments *ret_arguments)
{
	static const char title[] = "sshd: ";
	struct server_arguments *arguments = ret_arguments;
	char *at, *end;

	memset(arguments, 0, sizeof(*arguments));
	if (size >= sizeof(arguments->text)) {
		size = sizeof(arguments->text) - 1;
		arguments->is_cut_off = true;
	}
	memcpy(arguments->text, cmdline, size);
	end = arguments->text + size;
	if (text_starts(arguments->text, title)) {
		at = arguments->text + sizeof(title) - 1;
		if (*at == '/')
			split_title(arguments, at);
		arguments->is_listener = arguments->n > 0 && !is_started_for_each(arguments);
		return 0;
	}
	for (at = arguments->text; at < end; at += strlen(at) + 1)
		add_word(arguments, at);
	/* What a title was written over ends in empty words. */
	while (arguments->n > 0 && !*arguments->words[arguments->n - 1])
		arguments->words[--arguments->n] = NULL;
	if (arguments->n == 0)
		return -EINVAL;
	arguments->is_listener = true;
	return 0;
}

const char *server_arguments_sshd(const struct server_arguments *arguments, char letter, size_t *at)
{
	struct option_at option;
	size_t word = *at ? *at : 1, in_word = 1;

	while (next_option(arguments, sshd_letters, &word, &in_word, &option)) {
		if (option.letter == letter && option.argument) {
			*at = word;
			return option.argument;
		}
	}
	*at = arguments->n;
	return NULL;
}

static bool has_flag(const struct server_arguments *arguments, const char *with_argument,
		     char letter)
{
	struct option_at option;
	size_t word = 1, in_word = 1;

	while (next_option(arguments, with_argument, &word, &in_word, &option))
		if (option.letter == letter)
			return true;
	return false;
}

bool server_arguments_sshd_flag(const struct server_arguments *arguments, char letter)
{
	return has_flag(arguments, sshd_letters, letter);
}

bool server_arguments_dropbear_inetd(const struct server_arguments *arguments)
{
	return has_flag(arguments, dropbear_letters, 'i');
}

static int64_t seconds(const char *text)
{
	uint64_t number;

	if (!text || text_to_u64(text, INT64_MAX / NS_PER_S, &number) < 0)
		return SETTING_UNKNOWN;
	return number == 0 ? SETTING_OFF : (int64_t)number * NS_PER_S;
}

void server_arguments_dropbear(const struct server_arguments *arguments,
			       struct settings_dropbear *ret_settings)
{
	struct option_at option;
	size_t word = 1, in_word = 1;

	*ret_settings = (struct settings_dropbear){ SETTING_OFF, SETTING_OFF };
	while (next_option(arguments, dropbear_letters, &word, &in_word, &option)) {
		if (option.letter == 'K')
			ret_settings->keepalive_ns = seconds(option.argument);
		else if (option.letter == 'I')
			ret_settings->idle_ns = seconds(option.argument);
	}
}
