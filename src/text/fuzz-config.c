/* Any bytes: a clear refusal, or a configuration that survives printing and parsing. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/config-rules.h"
#include "text/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void include(void *context, struct config_parser *parser, const char *file,
		    const char *pattern)
{
	static const char part[] = "Include x\nMatch Kind sftp\nIdleTimeout 77s\n";

	(void)context;
	(void)file;
	config_parser_file(parser, pattern, part, sizeof(part) - 1);
}

static void include_nothing(void *context, struct config_parser *parser, const char *file,
			    const char *pattern)
{
	(void)context;
	(void)parser;
	(void)file;
	(void)pattern;
}

static void reparse(const struct config *config)
{
	struct config_problems problems = { 0 };
	struct config *again;
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return;
	config_print(config, file);
	(void)fclose(file);
	assert(config_parse(&(struct config_text){ "g", text, size }, NULL, &problems, &again) ==
	       0);
	assert(config_shortest_limit(config) == config_shortest_limit(again));
	assert(!config->profile == !again->profile);
	config_problems_deinit(&problems);
	config_free(again);
	free(text);
}

/* Whoever asks for rules can ask for those of one address each. */
static void rules(const char *text, size_t size)
{
	struct config_problems problems = { 0 };
	struct config *parsed;

	if (config_rules_parse(&(struct config_text){ "r", text, size }, &problems, &parsed) == 0) {
		assert(parsed->n_blocks > 1 && parsed->n_blocks <= CONFIG_RULES_BLOCKS_MAX + 1);
		for (size_t block = 1; block < parsed->n_blocks; block++)
			assert(config_rules_address(parsed, block));
		(void)config_rules_concern(parsed, "10.0.0.7");
		config_free(parsed);
	} else {
		assert(problems.n_errors > 0);
	}
	config_problems_deinit(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy_query query = { .user = "alice", .address = "10.0.0.7" };
	const struct config_include includes[] = { { .read = include },
						   { .read = include_nothing } };

	for (int i = 0; i < 2; i++) {
		struct config_problems problems = { 0 };
		struct config *config;
		struct policy policy;

		if (config_parse(&(struct config_text){ "f", (const char *)data, size },
				 &includes[i], &problems, &config) == 0) {
			policy_resolve(config, &query, &policy);
			reparse(config);
			config_free(config);
		} else {
			assert(problems.n_errors > 0);
		}
		config_problems_deinit(&problems);
	}
	rules((const char *)data, size);
	return 0;
}
