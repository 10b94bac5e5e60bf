/* The Match line. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "core/pattern.h"
#include "text/config-parser.h"

enum { PORT_BYTES = 8, CRITERION_ALL = CRITERION_N, CRITERION_WORDS_N };

static const char *const criterion_words[CRITERION_WORDS_N + 1] = {
	[CRITERION_USER] = "User",	 [CRITERION_GROUP] = "Group",
	[CRITERION_ADDRESS] = "Address", [CRITERION_LOCAL_PORT] = "LocalPort",
	[CRITERION_SERVER] = "Server",	 [CRITERION_KIND] = "Kind",
	[CRITERION_COMMAND] = "Command", [CRITERION_ALL] = "all",
};

const char *config_criterion_name(enum config_criterion_id id)
{
	return criterion_words[id];
}

const char *const *config_criteria(size_t *ret_n)
{
	*ret_n = CRITERION_WORDS_N;
	return criterion_words;
}

static const char *port_wrong(const struct pattern_entry *entry)
{
	char text[PORT_BYTES];
	uint64_t port;

	if (entry->negated || entry->length >= sizeof(text))
		return "is not a port from 1 to 65535";
	memcpy(text, entry->text, entry->length);
	text[entry->length] = '\0';
	if (text_to_u64(text, UINT16_MAX, &port) < 0 || port == 0)
		return "is not a port from 1 to 65535";
	return NULL;
}

/* Of a fixed set of words an entry must fit one at least. */
static const char *word_wrong(const struct pattern_entry *entry, const char *const *words,
			      const char *wrong)
{
	for (size_t i = 0; words[i]; i++) {
		if (pattern_fits(entry, words[i]))
			return NULL;
	}
	return wrong;
}

static const char *entry_wrong(enum config_criterion_id id, const struct pattern_entry *entry)
{
	if (entry->length == 0)
		return "is empty";
	switch (id) {
	case CRITERION_ADDRESS:
		return pattern_address_wrong(entry);
	case CRITERION_LOCAL_PORT:
		return port_wrong(entry);
	case CRITERION_SERVER:
		return word_wrong(entry, policy_server_words,
				  "is none of openssh, dropbear, tinyssh");
	case CRITERION_KIND:
		return word_wrong(entry, policy_kind_words,
				  "is none of shell, sftp, exec, forward, none");
	case CRITERION_USER:
	case CRITERION_GROUP:
	case CRITERION_COMMAND:
	case CRITERION_N:
		break;
	}
	return NULL;
}

/* Tells what is wrong with a list. */
static bool list_is_right(struct config_parser *parser, const struct config_keyword *keyword,
			  enum config_criterion_id id, const char *list)
{
	bool right = true, negated_only = true;
	struct pattern_entry entry;

	for (const char *rest = list; pattern_next(&rest, &entry);) {
		const char *wrong = entry_wrong(id, &entry);

		negated_only = negated_only && entry.negated;
		if (!wrong)
			continue;
		config_parser_wrong(parser, keyword, NULL, "%s: %s %s", criterion_words[id],
				    config_quote(entry.text, entry.length).text, wrong);
		right = false;
	}
	if (right && negated_only)
		config_parser_trouble(parser, true,
				      "%s: a list with negations only never fits; put *, before %s",
				      criterion_words[id], config_quote(list, strlen(list)).text);
	return right;
}

/* One criterion, as "User alice" (two words) or "User=alice". Returns the words it took, 0:
 * wrong. */
static size_t read_criterion(struct config_parser *parser, const struct config_keyword *keyword,
			     char *const *words, size_t n)
{
	char *equals = strchr(words[0], '=');
	const char *list = equals ? equals + 1 : n > 1 ? words[1] : NULL;
	size_t id;

	if (equals)
		*equals = '\0';
	id = config_word_find(criterion_words, words[0]);
	if (id == CRITERION_ALL) {
		config_parser_wrong(parser, keyword, NULL, "all cannot stand beside others");
		return 0;
	}
	if (id == SIZE_MAX) {
		config_parser_wrong(parser, keyword, config_word_nearest(criterion_words, words[0]),
				    "unknown criterion %s",
				    config_quote(words[0], strlen(words[0])).text);
		return 0;
	}
	if (!list) {
		config_parser_wrong(parser, keyword, NULL, "%s lacks its list",
				    criterion_words[id]);
		return 0;
	}
	if (list_is_right(parser, keyword, (enum config_criterion_id)id, list) &&
	    config_add_criterion(parser->config, parser->block, (enum config_criterion_id)id,
				 list) < 0)
		parser->error = -ENOMEM;
	return equals ? 1 : 2;
}

void config_read_match(struct config_parser *parser, const struct config_keyword *keyword,
		       const struct config_words *words)
{
	/* A wrong line gets its block too: what follows belongs to it and is checked there. */
	if (config_add_block(parser->config, parser->base, &parser->block) < 0) {
		parser->error = -ENOMEM;
		return;
	}
	if (words->n == 1 && strcasecmp(words->items[0], "all") == 0)
		return;
	for (size_t i = 0; i < words->n;) {
		const size_t taken =
			read_criterion(parser, keyword, words->items + i, words->n - i);

		if (taken == 0)
			return;
		i += taken;
	}
}
