/*
 * Temporary rules: Match blocks that are put before all others for as long as somebody asks for
 * them, and that concern nobody but the asker.
 */
#pragma once

#include "text/config.h"

#define CONFIG_RULES_BLOCKS_MAX 64

/*
 * Parses rules.  As config_parse(), and -EINVAL also unless every setting stands in a Match block
 * that has an Address criterion which is one single address ("127.9.8.7", "2001:db8::7/128"; no
 * pattern, no list, no network), and with Include, without any block, or with too many of them.
 */
int config_rules_parse(const struct config_text *text, struct config_problems *problems,
		       struct config **ret_rules);

/* Whether one of the rules may concern sessions from that address. */
bool config_rules_concern(const struct config *rules, const char *address);

/* The address of a Match block of the rules, 1 to n_blocks - 1; owned by the rules. */
const char *config_rules_address(const struct config *rules, size_t block);
