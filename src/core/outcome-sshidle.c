/* What sshidled does: the judge's rules (core/judge.h) for a situation instead of a session. */
#include <stdio.h>

#include "base/text.h"
#include "core/config.h"
#include "core/outcome-private.h"

/* A cut is late by at most the larger of these. */
#define LATE_LEAST_NS	 NS_PER_S
#define LATE_PER_HUNDRED 2

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static struct outcome_span late(int64_t limit_ns)
{
	return (struct outcome_span){
		limit_ns,
		outcome_add_ns(limit_ns, most(LATE_LEAST_NS, limit_ns / 100 * LATE_PER_HUNDRED)), 0
	};
}

static struct outcome_effect *add(struct outcome_work *work, enum outcome_mechanism mechanism,
				  const struct policy *policy, struct outcome_span span)
{
	const bool alone = mechanism == MECHANISM_SSHIDLE_IDLE && work->s->busy_beside;
	enum outcome_what what = OUTCOME_CONNECTION_ENDED;
	struct outcome_effect *effect;

	if ((alone ? policy_terminal_action(policy) : policy->idle_action) == ACTION_REPORT)
		what = OUTCOME_REPORTED;
	else if (alone)
		what = OUTCOME_TERMINAL_HUNG_UP;
	effect = outcome_effect_add(work, mechanism, what, span);
	if (what == OUTCOME_CONNECTION_ENDED && policy->idle_action == ACTION_PARK &&
	    work->s->terminal)
		effect->note = "what runs in the terminal is parked; sshidle resume attaches to it";
	return effect;
}

static void add_idle(struct outcome_work *work, const struct policy *policy)
{
	const struct situation *situation = work->s;
	const int64_t limit_ns = policy->idle_timeout_ns;
	struct outcome_effect *effect;
	struct outcome_span span;

	if (limit_ns == TIME_NEVER) {
		outcome_remark(work, "sshidle has no limit for this");
		return;
	}
	if ((policy->counts & USE_BIT(USE_TRAFFIC) && situation->traffic) ||
	    (policy->counts & USE_BIT(USE_OUTPUT) && situation->print_every > 0 &&
	     situation->print_every < limit_ns)) {
		outcome_remark(work, "that is use by the configuration of sshidle");
		return;
	}
	span = late(limit_ns);
	if (policy->counts & USE_BIT(USE_WORK) && situation->works) {
		outcome_remark(work, "work is use by the configuration of sshidle, up to WorkMax");
		if (policy->work_max_ns == TIME_NEVER)
			return;
		span = late(outcome_add_ns(limit_ns, policy->work_max_ns));
	}
	/* Until the connection is full, its output is use. */
	if (situation->flood)
		span.latest_ns = outcome_add_ns(span.latest_ns, FILL_NS);
	/* Input of the other terminal is told apart by this one's access time. */
	if (situation->busy_beside)
		span.latest_ns = outcome_add_ns(span.latest_ns, ATIME_STEP_NS);
	effect = add(work, MECHANISM_SSHIDLE_IDLE, policy, span);
	if (situation->terminal && effect->what != OUTCOME_REPORTED)
		effect->warned_ns = policy_warning_ns(policy);
	(void)snprintf(effect->setting, sizeof(effect->setting), "IdleTimeout %s",
		       outcome_span_text(limit_ns).text);
	(void)text_copy(policy->timeout_source, effect->source, sizeof(effect->source));
	if (situation->kind == KIND_SHELL && situation->works && !effect->note)
		effect->note = "a job in the foreground gets the hang-up of a lost line";
}

/* When a stopped program is proved, by a probe that stands unanswered for half an interval (two of
 * them, where none was answered before), or by a full window.  False: it is not. */
static bool proof(struct outcome_work *work, const struct policy *policy, int64_t promise_ns,
		  struct outcome_span *ret_span)
{
	const int64_t filled_ns = work->s->flood ? FILL_NS : 0;
	const bool probes = outcome_probes(work, ret_span);
	int64_t proved_ns = promise_ns / 2;

	if (!probes && !work->s->flood) {
		outcome_remark(work, "the server sends no probes, so sshidle cannot tell a stopped "
				     "client program from a silent one");
		return false;
	}
	if (probes)
		proved_ns = outcome_add_ns(outcome_add_ns(ret_span->latest_ns, ret_span->latest_ns),
					   policy->client_alive_interval_ns / 2);
	proved_ns = outcome_add_ns(proved_ns, filled_ns + 2 * NS_PER_S);
	*ret_span = late(promise_ns);
	ret_span->latest_ns = most(ret_span->latest_ns, proved_ns);
	return true;
}

static void add_alive(struct outcome_work *work, const struct policy *policy, const char *source)
{
	const struct settings_server *server = work->c->server;
	const int64_t interval_ns = policy->client_alive_interval_ns;
	enum outcome_mechanism mechanism = MECHANISM_SSHIDLE_HOST;
	struct outcome_effect *effect;
	struct outcome_span span;
	int64_t promise_ns;

	if ((!work->s->host_gone && !work->s->program_stopped) || interval_ns <= 0 ||
	    policy->client_alive_count_max == 0)
		return;
	promise_ns = interval_ns < TIME_NEVER / policy->client_alive_count_max
			     ? interval_ns * policy->client_alive_count_max
			     : TIME_NEVER;
	span = late(promise_ns);
	if (work->s->program_stopped) {
		mechanism = MECHANISM_SSHIDLE_PROGRAM;
		if (work->s->print_every > 0 && server->server == SERVER_OPENSSH &&
		    !outcome_sshd_older(&server->openssh, 9, 2)) {
			outcome_remark(work, "without a probe of the server sshidle cannot tell a "
					     "stopped client program from a silent one");
			return;
		}
		if (!proof(work, policy, promise_ns, &span))
			return;
	}
	if (mechanism == MECHANISM_SSHIDLE_HOST)
		work->silent = false;
	effect = add(work, mechanism, policy, span);
	effect->certain = mechanism == MECHANISM_SSHIDLE_HOST ||
			  (work->s->print_every == 0 && outcome_probes(work, &span));
	if (!effect->certain && work->s->flood)
		effect->note =
			"if its machine's buffer is full before the channel's 2 MiB have gone out: "
			"the server sends no probes";
	(void)snprintf(effect->setting, sizeof(effect->setting),
		       "ClientAliveInterval %s, ClientAliveCountMax %u",
		       outcome_span_text(interval_ns).text, policy->client_alive_count_max);
	(void)text_copy(source ? source : "default", effect->source, sizeof(effect->source));
}

void outcome_add_sshidle(struct outcome_work *work)
{
	struct policy_query query = work->c->query;
	struct config_value values[SETTING_N];
	struct policy policy;

	if (!work->c->config)
		return;
	query.kind = work->s->kind;
	query.server = work->c->server->server;
	if (query.local_port == 0 && work->c->server->n_ports > 0)
		query.local_port = work->c->server->ports[0];
	policy_resolve(work->c->config, &query, &policy);
	config_merge(work->c->config, &query, values);
	add_alive(work, &policy, values[SETTING_CLIENT_ALIVE_INTERVAL].source);
	add_idle(work, &policy);
}
