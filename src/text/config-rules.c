#include "text/config-rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/pattern.h"
#include "text/config-parser.h"

static void refuse_include(void *context, struct config_parser *parser, const char *file,
			   const char *pattern)
{
	(void)context;
	(void)file;
	(void)pattern;
	config_parser_trouble(parser, false, "a temporary rule cannot include files");
}

/* One address and nothing else: with /32 or /128, or without. */
static bool is_single(const char *list)
{
	char text[INET6_ADDRSTRLEN + sizeof("/128")];
	unsigned char address[sizeof(struct in6_addr)];
	char *slash;

	if (strlen(list) >= sizeof(text))
		return false;
	memcpy(text, list, strlen(list) + 1);
	slash = strchr(text, '/');
	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, text, address) == 1)
		return !slash || strcmp(slash, "32") == 0;
	return inet_pton(AF_INET6, text, address) == 1 && (!slash || strcmp(slash, "128") == 0);
}

const char *config_rules_address(const struct config *rules, size_t block)
{
	const struct config_block *from = &rules->blocks[block];

	for (size_t i = 0; i < from->n_criteria; i++)
		if (from->criteria[i].id == CRITERION_ADDRESS && is_single(from->criteria[i].list))
			return from->criteria[i].list;
	return NULL;
}

bool config_rules_concern(const struct config *rules, const char *address)
{
	for (size_t i = 1; i < rules->n_blocks; i++) {
		const char *single = config_rules_address(rules, i);

		if (single && pattern_address_fits(single, address) == PATTERN_FIT)
			return true;
	}
	return false;
}

static void check(const struct config *rules, const char *file, struct config_problems *problems)
{
	for (size_t i = 0; i < SETTING_N; i++)
		if (rules->blocks[0].values[i].source)
			config_problems_add(problems, false,
					    "%s: a temporary rule stands in a Match block",
					    rules->blocks[0].values[i].source);
	if (rules->n_blocks < 2)
		config_problems_add(problems, false, "%s: there is no Match block", file);
	if (rules->n_blocks - 1 > CONFIG_RULES_BLOCKS_MAX)
		config_problems_add(problems, false, "%s: more than %d Match blocks", file,
				    CONFIG_RULES_BLOCKS_MAX);
	for (size_t i = 1; i < rules->n_blocks; i++)
		if (!config_rules_address(rules, i))
			config_problems_add(problems, false,
					    "%s: Match block %zu has no Address that is one single "
					    "address",
					    file, i);
}

int config_rules_parse(const struct config_text *text, struct config_problems *problems,
		       struct config **ret_rules)
{
	static const struct config_include include = { .read = refuse_include };
	const size_t errors = problems->n_errors;
	struct config *rules;
	int r = config_parse(text, &include, problems, &rules);

	if (r < 0)
		return r;
	check(rules, text->file, problems);
	if (problems->n_errors > errors) {
		config_free(rules);
		return -EINVAL;
	}
	*ret_rules = rules;
	return 0;
}
