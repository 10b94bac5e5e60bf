#include "core/policy.h"

#include "core/config.h"

const char *const policy_server_words[SERVER_N + 1] = {
	[SERVER_OPENSSH] = "openssh",
	[SERVER_DROPBEAR] = "dropbear",
	[SERVER_TINYSSH] = "tinyssh",
};

const char *const policy_kind_words[KIND_N + 1] = {
	[KIND_SHELL] = "shell",	    [KIND_SFTP] = "sftp", [KIND_EXEC] = "exec",
	[KIND_FORWARD] = "forward", [KIND_NONE] = "none",
};

const struct policy policy_none = {
	.idle_timeout_ns = TIME_NEVER,
	.work_max_ns = TIME_NEVER,
	.park_lifetime_ns = TIME_NEVER,
	.idle_action = ACTION_REPORT,
	.park_fallback = ACTION_REPORT,
	.after_cut = AFTER_LEAVE,
	.timeout_source = "default",
	.client_alive_source = "default",
};

static const char *const use_names[USE_N] = {
	[USE_INPUT] = "input",
	[USE_OUTPUT] = "output",
	[USE_WORK] = "work",
	[USE_TRAFFIC] = "traffic",
};

bool policy_equal(const struct policy *a, const struct policy *b)
{
	return a->idle_timeout_ns == b->idle_timeout_ns &&
	       a->idle_warning_ns == b->idle_warning_ns && a->work_max_ns == b->work_max_ns &&
	       a->keep_max_ns == b->keep_max_ns &&
	       a->client_alive_interval_ns == b->client_alive_interval_ns &&
	       a->client_alive_count_max == b->client_alive_count_max &&
	       a->work_threshold_ppm == b->work_threshold_ppm && a->counts == b->counts &&
	       a->idle_action == b->idle_action && a->park_fallback == b->park_fallback &&
	       a->after_cut == b->after_cut && a->park_lifetime_ns == b->park_lifetime_ns &&
	       a->park_max == b->park_max && a->park_permit_root == b->park_permit_root &&
	       a->timeout_source == b->timeout_source &&
	       a->client_alive_source == b->client_alive_source;
}

const char *policy_server_name(enum server_id server)
{
	return server < SERVER_N ? policy_server_words[server] : "unknown";
}

const char *policy_kind_name(enum channel_kind kind)
{
	return kind < KIND_N ? policy_kind_words[kind] : "unknown";
}

const char *policy_use_name(enum use use)
{
	return use < USE_N ? use_names[use] : "unknown";
}

void policy_resolve(const struct config *config, const struct policy_query *query,
		    struct policy *ret_policy)
{
	struct config_value values[SETTING_N];
	const size_t kind = query->kind < KIND_N ? query->kind : KIND_SHELL;
	const struct config_value *timeout = &values[SETTING_IDLE_TIMEOUT + kind];

	config_merge(config, query, values);
	*ret_policy = (struct policy){
		.idle_timeout_ns = timeout->number,
		.timeout_source = timeout->source,
		.idle_warning_ns = values[SETTING_IDLE_WARNING].number,
		.work_max_ns = values[SETTING_WORK_MAX].number,
		.keep_max_ns = values[SETTING_KEEP_MAX].number,
		.client_alive_interval_ns = values[SETTING_CLIENT_ALIVE_INTERVAL].number,
		.client_alive_count_max = (uint32_t)values[SETTING_CLIENT_ALIVE_COUNT_MAX].number,
		.work_threshold_ppm = (uint32_t)values[SETTING_WORK_THRESHOLD].number,
		.counts = (uint32_t)values[SETTING_COUNTS_AS_USE + kind].number,
		.idle_action = (enum idle_action)values[SETTING_IDLE_ACTION].number,
		.client_alive_source = values[SETTING_CLIENT_ALIVE_INTERVAL].source,
		.park_fallback = (enum idle_action)values[SETTING_PARK_FALLBACK].number,
		.after_cut = (enum after_cut)values[SETTING_AFTER_CUT].number,
		.park_lifetime_ns = values[SETTING_PARK_LIFETIME].number,
		.park_max = (uint32_t)values[SETTING_PARK_MAX].number,
		.park_permit_root = values[SETTING_PARK_PERMIT_ROOT].number != 0,
	};
}

int64_t policy_alive_limit_ns(const struct policy *policy)
{
	int64_t limit_ns;

	if (policy->client_alive_interval_ns == 0 || policy->client_alive_count_max == 0 ||
	    __builtin_mul_overflow(policy->client_alive_interval_ns, policy->client_alive_count_max,
				   &limit_ns))
		return TIME_NEVER;
	return limit_ns > POLICY_ALIVE_MOST_NS ? TIME_NEVER : limit_ns;
}

enum idle_action policy_terminal_action(const struct policy *policy)
{
	return policy->idle_action == ACTION_PARK ? policy->park_fallback : policy->idle_action;
}

int64_t policy_warning_ns(const struct policy *policy)
{
	int64_t half_ns = policy->idle_timeout_ns / 2;

	return policy->idle_warning_ns < half_ns ? policy->idle_warning_ns : half_ns;
}
