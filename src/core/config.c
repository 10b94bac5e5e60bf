#include "core/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pattern.h"

static const int64_t defaults[SETTING_N] = {
	[SETTING_IDLE_TIMEOUT + KIND_SHELL] = TIME_NEVER,
	[SETTING_IDLE_TIMEOUT + KIND_SFTP] = TIME_NEVER,
	[SETTING_IDLE_TIMEOUT + KIND_EXEC] = TIME_NEVER,
	[SETTING_IDLE_TIMEOUT + KIND_FORWARD] = TIME_NEVER,
	[SETTING_IDLE_TIMEOUT + KIND_NONE] = TIME_NEVER,
	[SETTING_COUNTS_AS_USE + KIND_SHELL] = USE_BIT(USE_INPUT),
	[SETTING_COUNTS_AS_USE + KIND_SFTP] = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT),
	[SETTING_COUNTS_AS_USE + KIND_EXEC] =
		USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT) | USE_BIT(USE_WORK),
	[SETTING_COUNTS_AS_USE + KIND_FORWARD] = USE_BIT(USE_TRAFFIC),
	[SETTING_COUNTS_AS_USE + KIND_NONE] = 0,
	[SETTING_IDLE_WARNING] = 60 * NS_PER_S,
	[SETTING_IDLE_ACTION] = ACTION_DISCONNECT,
	[SETTING_AFTER_CUT] = AFTER_HANGUP,
	[SETTING_WORK_MAX] = 24 * 3600 * NS_PER_S,
	[SETTING_WORK_THRESHOLD] = 3000,
	[SETTING_KEEP_MAX] = 8 * 3600 * NS_PER_S,
	[SETTING_CLIENT_ALIVE_INTERVAL] = 0,
	[SETTING_CLIENT_ALIVE_COUNT_MAX] = 3,
	[SETTING_PARK_FALLBACK] = ACTION_DISCONNECT,
	[SETTING_PARK_LIFETIME] = 8 * 3600 * NS_PER_S,
	[SETTING_PARK_MAX] = 8,
	[SETTING_PARK_PERMIT_ROOT] = 0,
	[SETTING_MAX_CUTS] = 30,
	[SETTING_MAX_CUTS_SPAN] = 60 * NS_PER_S,
};

int config_new(struct config **ret_config)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	config->blocks = calloc(1, sizeof(*config->blocks));
	if (!config->blocks) {
		free(config);
		return -ENOMEM;
	}
	config->n_blocks = 1;
	*ret_config = config;
	return 0;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_blocks; i++) {
		for (size_t j = 0; j < config->blocks[i].n_criteria; j++)
			free(config->blocks[i].criteria[j].list);
		free(config->blocks[i].criteria);
	}
	for (size_t i = 0; i < config->n_sources; i++)
		free(config->sources[i]);
	for (size_t i = 0; i < CONTROL_N; i++)
		free(config->controls[i]);
	free(config->profile);
	free(config->blocks);
	free(config->sources);
	free(config);
}

int config_add_block(struct config *config, size_t parent, size_t *ret_block)
{
	struct config_block *blocks;
	const size_t block = config->n_blocks;

	assert(parent < block);
	blocks = reallocarray(config->blocks, block + 1, sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	config->blocks = blocks;
	memset(&blocks[block], 0, sizeof(blocks[block]));
	config->n_blocks++;
	for (size_t i = 0; i < blocks[parent].n_criteria; i++) {
		const struct config_criterion *from = &blocks[parent].criteria[i];
		const int r = config_add_criterion(config, block, from->id, from->list);

		if (r < 0)
			return r;
	}
	*ret_block = block;
	return 0;
}

int config_add_criterion(struct config *config, size_t block, enum config_criterion_id id,
			 const char *list)
{
	struct config_block *b = &config->blocks[block];
	struct config_criterion *criteria;
	char *copy;

	criteria = reallocarray(b->criteria, b->n_criteria + 1, sizeof(*criteria));
	if (!criteria)
		return -ENOMEM;
	b->criteria = criteria;
	copy = strdup(list);
	if (!copy)
		return -ENOMEM;
	criteria[b->n_criteria++] = (struct config_criterion){ .id = id, .list = copy };
	return 0;
}

int config_add_source(struct config *config, const char *source, const char **ret_source)
{
	char **sources;
	char *copy;

	sources = reallocarray(config->sources, config->n_sources + 1, sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	config->sources = sources;
	copy = strdup(source);
	if (!copy)
		return -ENOMEM;
	sources[config->n_sources++] = copy;
	*ret_source = copy;
	return 0;
}

bool config_set(struct config *config, size_t block, size_t setting, int64_t number,
		const char *source)
{
	struct config_value *value = &config->blocks[block].values[setting];

	if (value->source)
		return false;
	*value = (struct config_value){ .number = number, .source = source };
	return true;
}

static int copy_values(struct config *config, const struct config_value *from, size_t block)
{
	struct config_value *to = config->blocks[block].values;

	for (size_t i = 0; i < SETTING_N; i++) {
		int r;

		if (!from[i].source)
			continue;
		to[i].number = from[i].number;
		r = config_add_source(config, from[i].source, &to[i].source);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The Match blocks, behind those that are there. */
static int copy_blocks(struct config *config, const struct config *from)
{
	int r = 0;

	for (size_t i = 1; r == 0 && i < from->n_blocks; i++) {
		const struct config_block *block = &from->blocks[i];
		size_t copy;

		r = config_add_block(config, 0, &copy);
		for (size_t j = 0; r == 0 && j < block->n_criteria; j++)
			r = config_add_criterion(config, copy, block->criteria[j].id,
						 block->criteria[j].list);
		if (r == 0)
			r = copy_values(config, block->values, copy);
	}
	return r;
}

static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int copy_profile(struct config *joined, const struct config *config)
{
	int r = copy_text(config->profile, &joined->profile);

	if (r == 0 && config->profile_source)
		r = config_add_source(joined, config->profile_source, &joined->profile_source);
	for (size_t i = 0; i < CONTROL_N && r == 0; i++)
		r = copy_text(config->controls[i], &joined->controls[i]);
	return r;
}

int config_join(const struct config *first, const struct config *config, struct config **ret_config)
{
	struct config *joined;
	int r = config_new(&joined);

	if (r < 0)
		return r;
	r = copy_values(joined, config->blocks[0].values, 0);
	if (r == 0)
		r = copy_profile(joined, config);
	if (r == 0)
		r = copy_blocks(joined, first);
	if (r == 0)
		r = copy_blocks(joined, config);
	if (r < 0) {
		config_free(joined);
		return r;
	}
	*ret_config = joined;
	return 0;
}

bool config_asks(const struct config *config, enum config_criterion_id id)
{
	for (size_t i = 0; i < config->n_blocks; i++)
		for (size_t j = 0; j < config->blocks[i].n_criteria; j++)
			if (config->blocks[i].criteria[j].id == id)
				return true;
	return false;
}

int64_t config_default(size_t setting)
{
	return defaults[setting];
}

/* One group that is excluded is enough to fail, as with sshd. */
static bool group_fits(const char *list, const struct policy_query *query)
{
	bool fits = false;

	for (size_t i = 0; i < query->n_groups; i++) {
		switch (pattern_list_fits(list, query->groups[i])) {
		case PATTERN_NEGATED_FIT:
			return false;
		case PATTERN_FIT:
			fits = true;
			break;
		case PATTERN_NO_FIT:
			break;
		}
	}
	return fits;
}

static bool port_fits(const char *list, uint16_t port)
{
	struct pattern_entry entry;

	if (port == 0)
		return false;
	while (pattern_next(&list, &entry)) {
		unsigned number = 0;

		for (size_t i = 0; i < entry.length && number <= UINT16_MAX; i++)
			number = number * 10 + (unsigned)(entry.text[i] - '0');
		if (number == port)
			return true;
	}
	return false;
}

static bool criterion_fits(const struct config_criterion *criterion,
			   const struct policy_query *query)
{
	const char *list = criterion->list;

	switch (criterion->id) {
	case CRITERION_USER:
		return pattern_list_fits(list, query->user) == PATTERN_FIT;
	case CRITERION_GROUP:
		return group_fits(list, query);
	case CRITERION_ADDRESS:
		return pattern_address_fits(list, query->address) == PATTERN_FIT;
	case CRITERION_LOCAL_PORT:
		return port_fits(list, query->local_port);
	case CRITERION_SERVER:
		return query->server < SERVER_N &&
		       pattern_list_fits(list, policy_server_name(query->server)) == PATTERN_FIT;
	case CRITERION_KIND:
		return query->kind < KIND_N &&
		       pattern_list_fits(list, policy_kind_name(query->kind)) == PATTERN_FIT;
	case CRITERION_COMMAND:
		return query->command && *query->command != '\0' &&
		       pattern_list_fits(list, query->command) == PATTERN_FIT;
	case CRITERION_N:
		break;
	}
	return false;
}

static bool block_fits(const struct config_block *block, const struct policy_query *query)
{
	for (size_t i = 0; i < block->n_criteria; i++) {
		if (!criterion_fits(&block->criteria[i], query))
			return false;
	}
	return true;
}

/* It asks for something of the user or the command that is not known. */
static bool asks_unknown(const struct config_criterion *criterion, const struct policy_query *query)
{
	if (criterion->id == CRITERION_GROUP)
		return !query->user || query->groups_unknown;
	if (criterion->id == CRITERION_COMMAND)
		return query->command_unknown;
	return criterion->id == CRITERION_USER && !query->user;
}

/* A block that might fit if the user, the groups and the command were known. */
static bool block_may_fit(const struct config_block *block, const struct policy_query *query)
{
	bool may_fit = false;

	for (size_t i = 0; i < block->n_criteria; i++) {
		const struct config_criterion *criterion = &block->criteria[i];

		if (asks_unknown(criterion, query))
			may_fit = true;
		else if (!criterion_fits(criterion, query))
			return false;
	}
	return may_fit;
}

/* 0 switches it off and spares most; else more is longer. */
static bool alive_spares(size_t setting, int64_t number, int64_t than)
{
	if (setting != SETTING_CLIENT_ALIVE_INTERVAL && setting != SETTING_CLIENT_ALIVE_COUNT_MAX)
		return false;
	return than != 0 && (number == 0 || number > than);
}

/* More is longer, or more that is kept. */
static bool more_spares(size_t setting)
{
	return setting < SETTING_IDLE_TIMEOUT + KIND_N || setting == SETTING_AFTER_CUT ||
	       setting == SETTING_WORK_MAX || setting == SETTING_KEEP_MAX ||
	       setting == SETTING_PARK_LIFETIME || setting == SETTING_PARK_MAX;
}

/* What keeps more of the session: nothing done, its work kept, nothing kept. */
static bool action_spares(size_t setting, int64_t number, int64_t than)
{
	if (setting != SETTING_IDLE_ACTION && setting != SETTING_PARK_FALLBACK)
		return false;
	return number == ACTION_REPORT || (number == ACTION_PARK && than == ACTION_DISCONNECT);
}

/* Unknown is not idle: where it depends on what is not known, the value that spares the session longer. */
static void merge_lenient(const struct config_block *block, struct config_value *values)
{
	for (size_t i = 0; i < SETTING_N; i++) {
		const struct config_value *value = &block->values[i];
		bool is_use = i >= SETTING_COUNTS_AS_USE && i < SETTING_COUNTS_AS_USE + KIND_N;

		if (!value->source)
			continue;
		if ((more_spares(i) && value->number > values[i].number) ||
		    (i == SETTING_WORK_THRESHOLD && value->number < values[i].number) ||
		    action_spares(i, value->number, values[i].number) ||
		    alive_spares(i, value->number, values[i].number))
			values[i] = *value;
		if (is_use)
			values[i].number |= value->number;
	}
}

static void merge_block(const struct config_block *block, struct config_value *values)
{
	for (size_t i = 0; i < SETTING_N; i++) {
		if (!values[i].source)
			values[i] = block->values[i];
	}
}

void config_merge(const struct config *config, const struct policy_query *query,
		  struct config_value ret_values[static SETTING_N])
{
	memset(ret_values, 0, SETTING_N * sizeof(ret_values[0]));
	for (size_t i = 1; config && query && i < config->n_blocks; i++) {
		if (block_fits(&config->blocks[i], query))
			merge_block(&config->blocks[i], ret_values);
	}
	if (config)
		merge_block(&config->blocks[0], ret_values);
	for (size_t i = 0; i < SETTING_N; i++) {
		if (!ret_values[i].source)
			ret_values[i] = (struct config_value){ defaults[i], "default" };
	}
	for (size_t i = 1; config && query && i < config->n_blocks; i++) {
		if (block_may_fit(&config->blocks[i], query))
			merge_lenient(&config->blocks[i], ret_values);
	}
}

void config_max_cuts(const struct config *config, uint32_t *ret_n, int64_t *ret_span_ns)
{
	struct config_value values[SETTING_N];

	config_merge(config, NULL, values);
	*ret_n = (uint32_t)values[SETTING_MAX_CUTS].number;
	*ret_span_ns = values[SETTING_MAX_CUTS_SPAN].number;
}

int64_t config_shortest_limit(const struct config *config)
{
	int64_t shortest = TIME_NEVER;

	for (size_t i = 0; config && i < config->n_blocks; i++) {
		const struct config_value *values = config->blocks[i].values;

		for (size_t kind = 0; kind < KIND_N; kind++) {
			const struct config_value *value = &values[SETTING_IDLE_TIMEOUT + kind];

			if (value->source && value->number < shortest)
				shortest = value->number;
		}
	}
	return shortest;
}
