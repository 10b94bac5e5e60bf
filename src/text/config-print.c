/* -T: the configuration as text that is parsed again to the same. */
#include <stdio.h>
#include <string.h>

#include "text/config-parser.h"

/* How many places of the settings belong to a keyword. */
static size_t places(const struct config_keyword *keyword)
{
	switch (keyword->setting) {
	case SETTING_IDLE_TIMEOUT:
	case SETTING_COUNTS_AS_USE:
		return KIND_N;
	}
	return 1;
}

static const char *first_source(const struct config_keyword *keyword,
				const struct config_value *values)
{
	for (size_t i = 0; keyword->print && i < places(keyword); i++) {
		if (values[keyword->setting + i].source)
			return values[keyword->setting + i].source;
	}
	return NULL;
}

static void print_values(const struct config_value *values, const char *indent, FILE *file)
{
	for (size_t i = 0; i < config_keyword_table_n; i++) {
		const struct config_keyword *keyword = &config_keyword_table[i];

		if (!first_source(keyword, values))
			continue;
		(void)fprintf(file, "%s%s", indent, keyword->name);
		keyword->print(keyword, values, KIND_N, file);
		(void)fputc('\n', file);
	}
}

static void print_quoted(const char *word, FILE *file)
{
	if (*word != '\0' && !strpbrk(word, " \t\"'\\#")) {
		(void)fputs(word, file);
		return;
	}
	(void)fputc('"', file);
	for (; *word != '\0'; word++) {
		if (strchr("\"'\\", *word))
			(void)fputc('\\', file);
		(void)fputc(*word, file);
	}
	(void)fputc('"', file);
}

static void print_match(const struct config_block *block, FILE *file)
{
	(void)fputs("Match", file);
	for (size_t i = 0; i < block->n_criteria; i++) {
		(void)fprintf(file, " %s ", config_criterion_name(block->criteria[i].id));
		print_quoted(block->criteria[i].list, file);
	}
	(void)fputs(block->n_criteria == 0 ? " all\n" : "\n", file);
}

/* The one value that is no number. */
static void print_profile(const struct config *config, const char *behind, FILE *file)
{
	if (!config || !config->profile)
		return;
	(void)fputs("Profile ", file);
	print_quoted(config->profile, file);
	(void)fprintf(file, "%s%s\n", behind, *behind == '\0' ? "" : config->profile_source);
}

void config_print(const struct config *config, FILE *file)
{
	struct config_value values[SETTING_N];

	config_merge(config, NULL, values);
	print_values(values, "", file);
	print_profile(config, "", file);
	for (size_t i = 1; i < config->n_blocks; i++) {
		print_match(&config->blocks[i], file);
		print_values(config->blocks[i].values, "\t", file);
	}
}

void config_print_case(const struct config *config, const struct policy_query *query, FILE *file)
{
	const enum channel_kind kind = query->kind < KIND_N ? query->kind : KIND_SHELL;
	struct config_value values[SETTING_N];

	config_merge(config, query, values);
	for (size_t i = 0; i < config_keyword_table_n; i++) {
		const struct config_keyword *keyword = &config_keyword_table[i];
		const size_t place = places(keyword) > 1 ? kind : 0;

		if (!keyword->print)
			continue;
		(void)fputs(keyword->name, file);
		keyword->print(keyword, values, kind, file);
		(void)fprintf(file, "  # %s\n", values[keyword->setting + place].source);
	}
	print_profile(config, "  # ", file);
}
