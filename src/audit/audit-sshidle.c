/*
 * Conditions on sshidle.  For one user or address the policy of that case is looked at.  For
 * everybody it is what stands outside of Match, and each value within a Match block that may fit
 * somebody: one block with a longer limit is enough to fail, and is named.
 */
#include <stdio.h>

#include "audit/audit-private.h"
#include "base/text.h"
#include "core/pattern.h"

/* Values as they hold for somebody, and what is asked of them. */
typedef void variant_fn(const struct config_value *values, void *context);

static bool is_case(const struct audit_input *input)
{
	return input->query.user || input->query.address;
}

/* No server found: any may come. */
static bool server_is_there(const struct audit_input *input, const char *list)
{
	for (size_t i = 0; i < input->host->n_servers; i++)
		if (pattern_list_fits(list, policy_server_name(input->host->servers[i].server)) ==
		    PATTERN_FIT)
			return true;
	return input->host->n_servers == 0;
}

/* KIND_N: of any kind. */
static bool may_fit(const struct audit_input *input, const struct config_block *block,
		    enum channel_kind kind)
{
	for (size_t i = 0; i < block->n_criteria; i++) {
		const struct config_criterion *criterion = &block->criteria[i];

		if (criterion->id == CRITERION_KIND && kind < KIND_N &&
		    pattern_list_fits(criterion->list, policy_kind_name(kind)) != PATTERN_FIT)
			return false;
		if (criterion->id == CRITERION_SERVER && !server_is_there(input, criterion->list))
			return false;
		/* Only commands without a terminal have one. */
		if (criterion->id == CRITERION_COMMAND && kind != KIND_EXEC && kind < KIND_N)
			return false;
	}
	return true;
}

static void each_server(const struct audit_input *input, enum channel_kind kind, variant_fn *look,
			void *context)
{
	struct policy_query query = input->query;
	struct config_value values[SETTING_N];
	const size_t n = input->host->n_servers;

	query.kind = kind < KIND_N ? kind : KIND_SHELL;
	for (size_t i = 0; i < (n > 0 ? n : 1); i++) {
		query.server = n > 0 ? input->host->servers[i].server : SERVER_OPENSSH;
		config_merge(input->config, &query, values);
		look(values, context);
	}
}

static void each_variant(const struct audit_input *input, enum channel_kind kind, variant_fn *look,
			 void *context)
{
	struct config_value outside[SETTING_N], values[SETTING_N];

	if (is_case(input)) {
		each_server(input, kind, look, context);
		return;
	}
	config_merge(input->config, NULL, outside);
	look(outside, context);
	for (size_t i = 1; i < input->config->n_blocks; i++) {
		const struct config_block *block = &input->config->blocks[i];

		if (!may_fit(input, block, kind))
			continue;
		for (size_t j = 0; j < SETTING_N; j++)
			values[j] = block->values[j].source ? block->values[j] : outside[j];
		look(values, context);
	}
}

/* Whether there is anything to look at, and somebody who acts on it. */
static enum audit_verdict in_force(const struct audit_input *input, struct audit_result *result)
{
	if (!input->config) {
		audit_add(result, AUDIT_UNKNOWN, (struct audit_place){ 0 },
			  "the configuration of sshidle cannot be read");
		return AUDIT_UNKNOWN;
	}
	if (!input->running) {
		audit_add(result, AUDIT_FAIL, (struct audit_place){ 0 },
			  "sshidled does not run: nothing is ended");
		return AUDIT_FAIL;
	}
	if (input->stale) {
		audit_add(result, AUDIT_FAIL, (struct audit_place){ 0 },
			  "sshidled has not read the configuration as it is now: sshidle reload");
		return AUDIT_FAIL;
	}
	return AUDIT_PASS;
}

enum audit_verdict audit_running(const struct audit_input *input, struct audit_result *result)
{
	const enum audit_verdict verdict = in_force(input, result);

	if (verdict == AUDIT_PASS)
		audit_add(result, AUDIT_PASS, (struct audit_place){ 0 },
			  "sshidled runs with this configuration");
	return verdict;
}

/* -- idle-limit -- */

struct limit_look {
	const struct profile_condition *condition;
	struct audit_result *result;
	enum channel_kind kind;
	enum audit_verdict verdict;
	struct config_value longest;
};

static void fail_limit(struct limit_look *look, const char *source, const char *text)
{
	look->verdict = AUDIT_FAIL;
	audit_add_sourced(look->result, AUDIT_FAIL, source, "%s", text);
}

static void uses_words(uint32_t uses, char *ret_text, size_t size)
{
	ret_text[0] = '\0';
	for (enum use use = 0; use < USE_N; use++)
		if (uses & USE_BIT(use))
			(void)text_append(ret_text, size, "%s%s", ret_text[0] != '\0' ? "," : "",
					  policy_use_name(use));
}

static void look_at_action(struct limit_look *look, const struct config_value *values)
{
	if (values[SETTING_IDLE_ACTION].number == ACTION_REPORT)
		fail_limit(look, values[SETTING_IDLE_ACTION].source,
			   "IdleAction report: the log tells of it, nothing is ended");
}

static void look_at_uses(struct limit_look *look, const struct config_value *values)
{
	const struct config_value *counts = &values[SETTING_COUNTS_AS_USE + look->kind];
	const uint32_t other = (uint32_t)counts->number & ~look->condition->only_use;
	char all[64], more[64], text[AUDIT_TEXT_BYTES];

	if (look->condition->only_use == 0 || other == 0)
		return;
	uses_words((uint32_t)counts->number, all, sizeof(all));
	uses_words(other, more, sizeof(more));
	(void)snprintf(text, sizeof(text), "CountsAsUse %s=%s: %s keeps a session that nobody uses",
		       policy_kind_name(look->kind), all, more);
	fail_limit(look, counts->source, text);
}

static void look_at_keep(struct limit_look *look, const struct config_value *values)
{
	const struct config_value *most = &values[SETTING_KEEP_MAX];
	char text[AUDIT_TEXT_BYTES];

	if (!look->condition->no_keep || most->number <= look->condition->at_most_ns)
		return;
	(void)snprintf(text, sizeof(text),
		       "KeepMax %s: users may keep their idle sessions so long with sshidle keep",
		       audit_span_text(most->number).text);
	fail_limit(look, most->source, text);
}

static void look_at_limit(const struct config_value *values, void *context)
{
	struct limit_look *look = context;
	const struct config_value *limit = &values[SETTING_IDLE_TIMEOUT + look->kind];
	char text[AUDIT_TEXT_BYTES];

	if (limit->number > look->condition->at_most_ns) {
		(void)snprintf(text, sizeof(text), "IdleTimeout %s=%s, more than %s",
			       policy_kind_name(look->kind), audit_span_text(limit->number).text,
			       audit_span_text(look->condition->at_most_ns).text);
		fail_limit(look, limit->source, text);
	}
	if (limit->number > look->longest.number)
		look->longest = *limit;
	look_at_action(look, values);
	look_at_uses(look, values);
	look_at_keep(look, values);
}

enum audit_verdict audit_idle_limit(const struct audit_input *input,
				    const struct profile_condition *condition,
				    struct audit_result *result)
{
	struct limit_look look = { .condition = condition,
				   .result = result,
				   .verdict = in_force(input, result) };
	char kinds[64] = "";

	if (!input->config)
		return look.verdict;
	for (look.kind = 0; look.kind < KIND_N; look.kind++) {
		if (!(condition->kinds >> look.kind & 1))
			continue;
		(void)text_append(kinds, sizeof(kinds), "%s%s", kinds[0] != '\0' ? ", " : "",
				  policy_kind_name(look.kind));
		each_variant(input, look.kind, look_at_limit, &look);
	}
	if (look.verdict == AUDIT_PASS)
		audit_add_sourced(result, AUDIT_PASS, look.longest.source, "IdleTimeout %s for %s",
				  audit_span_text(look.longest.number).text, kinds);
	return look.verdict;
}

/* -- idle-warning -- */

static void look_at_warning(const struct config_value *values, void *context)
{
	struct limit_look *look = context;
	const struct config_value *warning = &values[SETTING_IDLE_WARNING];
	char text[AUDIT_TEXT_BYTES];

	/* Nobody is warned of an end that never comes. */
	if (values[SETTING_IDLE_TIMEOUT + KIND_SHELL].number == TIME_NEVER)
		return;
	if (warning->number < look->condition->at_least_ns) {
		(void)snprintf(text, sizeof(text), "IdleWarning %s, less than %s",
			       audit_span_text(warning->number).text,
			       audit_span_text(look->condition->at_least_ns).text);
		fail_limit(look, warning->source, text);
	}
	look->longest = *warning;
}

enum audit_verdict audit_idle_warning(const struct audit_input *input,
				      const struct profile_condition *condition,
				      struct audit_result *result)
{
	struct limit_look look = { .condition = condition,
				   .result = result,
				   .verdict = in_force(input, result) };

	if (!input->config)
		return look.verdict;
	each_variant(input, KIND_SHELL, look_at_warning, &look);
	if (look.verdict == AUDIT_PASS && !look.longest.source)
		return AUDIT_NOT_APPLICABLE;
	if (look.verdict == AUDIT_PASS)
		audit_add_sourced(result, AUDIT_PASS, look.longest.source, "IdleWarning %s",
				  audit_span_text(look.longest.number).text);
	return look.verdict;
}

/* -- unresponsive-limit -- */

static void look_at_alive(const struct config_value *values, void *context)
{
	struct limit_look *look = context;
	const struct config_value *interval = &values[SETTING_CLIENT_ALIVE_INTERVAL];
	const struct config_value *count = &values[SETTING_CLIENT_ALIVE_COUNT_MAX];
	const int64_t most_ns = look->condition->at_most_ns;
	char text[AUDIT_TEXT_BYTES];

	look_at_action(look, values);
	if (interval->number == 0 || count->number == 0) {
		(void)snprintf(text, sizeof(text), "%s 0 in sshidle.conf: off",
			       interval->number == 0 ? "ClientAliveInterval"
						     : "ClientAliveCountMax");
		fail_limit(look, (interval->number == 0 ? interval : count)->source, text);
		return;
	}
	if (interval->number > most_ns / count->number) {
		(void)snprintf(text, sizeof(text),
			       "ClientAliveInterval %s x %lld of sshidle, more than %s",
			       audit_span_text(interval->number).text, (long long)count->number,
			       audit_span_text(most_ns).text);
		fail_limit(look, interval->source, text);
		return;
	}
	if (interval->number * count->number > look->longest.number)
		look->longest =
			(struct config_value){ interval->number * count->number, interval->source };
}

enum audit_verdict audit_unresponsive(const struct audit_input *input,
				      const struct profile_condition *condition,
				      struct audit_result *result)
{
	struct limit_look look = { .condition = condition,
				   .result = result,
				   .verdict = in_force(input, result) };

	if (!input->config)
		return look.verdict;
	each_variant(input, KIND_N, look_at_alive, &look);
	if (look.verdict == AUDIT_PASS)
		audit_add_sourced(result, AUDIT_PASS, look.longest.source,
				  "sshidle ends clients that do not answer after %s",
				  audit_span_text(look.longest.number).text);
	return look.verdict;
}

bool audit_ends_unresponsive(const struct audit_input *input)
{
	static const struct profile_condition within_any_time = { .fact = FACT_UNRESPONSIVE_LIMIT,
								  .at_most_ns = INT64_MAX };
	struct audit_detail details[AUDIT_DETAILS_MAX];
	struct audit_result unused = { .details = details };

	return audit_unresponsive(input, &within_any_time, &unused) == AUDIT_PASS;
}

/* -- park -- */

static void look_at_park(const struct config_value *values, void *context)
{
	const char **source = context;

	if (values[SETTING_IDLE_ACTION].number == ACTION_PARK)
		*source = values[SETTING_IDLE_ACTION].source;
}

const char *audit_parks(const struct audit_input *input)
{
	const char *source = NULL;

	if (input->config)
		each_variant(input, KIND_SHELL, look_at_park, &source);
	return source;
}
