/* What the shell, logind and the kernel do. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/outcome-private.h"

#define LOGIND_LATE_NS (2 * NS_PER_S)

/* TCP_RTO_MIN and TCP_RTO_MAX, and the number of doublings between them. */
#define RTO_LEAST_NS (200 * NS_PER_MS)
#define RTO_MOST_NS  (120 * NS_PER_S)
enum { RTO_DOUBLINGS = 9 };

/* The first time-out of a slow line, and rounding. */
#define TCP_LATE_NS (10 * NS_PER_S)

/* dropbear's KEX_REKEY_TIMEOUT. */
#define DROPBEAR_REKEY_NS (8 * 3600 * NS_PER_S)

static const struct settings_tmout *effective_tmout(const struct settings_shell *shell)
{
	const struct settings_tmout *tmout;
	const char *name = strrchr(shell->user_shell, '/');

	if (shell->effective < 0 || (size_t)shell->effective >= shell->n)
		return NULL;
	/* dash and busybox read the variable and do nothing with it. */
	name = name ? name + 1 : shell->user_shell;
	if (text_equal(name, "dash") || text_equal(name, "sh") || text_equal(name, "ash"))
		return NULL;
	tmout = &shell->places[shell->effective];
	return tmout->after_ns > 0 ? tmout : NULL;
}

void outcome_add_shell(struct outcome_work *work)
{
	const struct settings_tmout *tmout = effective_tmout(&work->c->host->shell);
	struct outcome_effect *effect;

	if (!tmout || !work->s->terminal)
		return;
	if (!work->s->prompt) {
		if (!work->s->host_gone && !work->s->program_stopped)
			outcome_remark(work, "TMOUT is looked at by the shell's prompt only");
		return;
	}
	effect = outcome_effect_add(
		work, MECHANISM_TMOUT, OUTCOME_LOGGED_OUT,
		outcome_whole_seconds(tmout->after_ns,
				      outcome_add_ns(tmout->after_ns, WHOLE_SECOND_NS)));
	effect->certain = !tmout->conditional;
	effect->unless = tmout->read_only ? NULL : "the user changes TMOUT";
	(void)snprintf(effect->setting, sizeof(effect->setting), "TMOUT=%lld",
		       (long long)(tmout->after_ns / NS_PER_S));
	(void)snprintf(effect->source, sizeof(effect->source), "%.*s:%d",
		       (int)sizeof(effect->source) - 16, tmout->file, (int)tmout->line);
	if (work->s->tmux)
		effect->note = "the shell within tmux; with the last of its windows tmux ends, and "
			       "then the shell outside has the same time";
	else if (work->s->host_gone || work->s->program_stopped)
		effect->note = "the connection stays until something else ends it";
	else if (work->s->busy_beside)
		effect->note = "the connection and the other terminal stay";
	else
		effect->note = "counted from the prompt, also while something is typed at it";
}

/* session_get_idle_hint() and session_dispatch_stop_on_idle() of logind: a timer of
 * StopIdleSessionSec from the last access time it saw, and at its end the session is idle if the
 * access time is older than the smaller of IdleActionSec and StopIdleSessionSec. */
static void add_stop_idle(struct outcome_work *work)
{
	const struct settings_logind *logind = &work->c->host->logind;
	int64_t idle_ns = logind->stop_idle_session_ns;
	struct outcome_effect *effect;

	if (!work->s->terminal) {
		outcome_remark(work, "StopIdleSessionSec concerns sessions with a terminal only");
		return;
	}
	if (logind->idle_action_ns > 0 && logind->idle_action_ns < idle_ns)
		idle_ns = logind->idle_action_ns;
	effect = outcome_effect_add(
		work, MECHANISM_LOGIND_STOP_IDLE, OUTCOME_SESSION_KILLED,
		(struct outcome_span){ idle_ns - ATIME_STEP_NS,
				       outcome_add_ns(logind->stop_idle_session_ns, LOGIND_LATE_NS),
				       LOGIND_LATE_NS });
	(void)snprintf(effect->setting, sizeof(effect->setting), "StopIdleSessionSec %s%s%s",
		       outcome_span_text(logind->stop_idle_session_ns).text,
		       idle_ns < logind->stop_idle_session_ns ? ", IdleActionSec " : "",
		       idle_ns < logind->stop_idle_session_ns ? outcome_span_text(idle_ns).text
							      : "");
	(void)text_copy(logind->source, effect->source, sizeof(effect->source));
	effect->note =
		"tmux and nohup jobs end with the session; keys that no program reads are no "
		"use to logind";
	if (work->s->busy_beside) {
		effect->certain = false;
		effect->note = "logind watches the first terminal of a connection only; when that "
			       "is idle the busy one is killed with it";
	}
}

static bool word_in(const char *list, const char *word)
{
	const size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += length)
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	return false;
}

void outcome_add_logind(struct outcome_work *work)
{
	const struct settings_logind *logind = &work->c->host->logind;
	const char *user = work->c->query.user;

	/* The other servers register no session: they do not use PAM. */
	if (!logind->running || work->c->server->server != SERVER_OPENSSH) {
		if (work->s->tmux)
			outcome_remark(work, "tmux lives on after the end of the connection");
		return;
	}
	if (logind->stop_idle_session_ns > 0)
		add_stop_idle(work);
	if (!work->s->tmux)
		return;
	if (logind->kill_user_processes && !(user && word_in(logind->kill_exclude, user)))
		outcome_remark(work, "logind kills tmux when the connection ends "
				     "(KillUserProcesses=yes)");
	else
		outcome_remark(work, "tmux lives on after the end of the connection");
}

/* tcp_model_timeout() of the kernel: so long after the first retransmission the next time-out
 * gives up. */
static struct outcome_span retransmission(const struct settings_tcp *tcp)
{
	const int32_t doublings = tcp->retries2 < RTO_DOUBLINGS ? tcp->retries2 : RTO_DOUBLINGS;
	const int64_t model_ns = ((INT64_C(2) << doublings) - 1) * RTO_LEAST_NS +
				 (tcp->retries2 - doublings) * RTO_MOST_NS;

	const int64_t over_ns = model_ns < RTO_MOST_NS ? model_ns : RTO_MOST_NS;

	return (struct outcome_span){ model_ns, model_ns + over_ns + TCP_LATE_NS, 0 };
}

/* When the server first sends something that nobody acknowledges. False: it does not. */
static bool first_output(const struct outcome_work *work, struct outcome_span *ret_first)
{
	struct outcome_span first = { TIME_NEVER, TIME_NEVER, 0 }, probe;

	if (work->s->print_every > 0 || work->s->flood)
		first = (struct outcome_span){ 0, work->s->print_every, 0 };
	else if (outcome_probes(work, &probe))
		first = probe;
	/* A shell that logs out and a channel that is closed tell the client. */
	for (size_t i = 0; i < work->out->n; i++) {
		const struct outcome_effect *effect = &work->out->effects[i];

		if ((effect->what != OUTCOME_LOGGED_OUT &&
		     effect->what != OUTCOME_CHANNEL_CLOSED) ||
		    !effect->certain)
			continue;
		if (effect->earliest_ns < first.earliest_ns)
			first.earliest_ns = effect->earliest_ns;
		if (effect->latest_ns < first.latest_ns)
			first.latest_ns = effect->latest_ns;
	}
	*ret_first = first;
	return first.latest_ns != TIME_NEVER;
}

static void add_retransmission(struct outcome_work *work, const struct outcome_span *first)
{
	const struct settings_tcp *tcp = &work->c->host->tcp;
	const struct outcome_span takes = retransmission(tcp);
	struct outcome_effect *effect = outcome_effect_add(
		work, MECHANISM_TCP_RETRANSMISSION, OUTCOME_CONNECTION_ENDED,
		(struct outcome_span){ outcome_add_ns(first->earliest_ns, takes.earliest_ns),
				       outcome_add_ns(first->latest_ns, takes.latest_ns), 0 });

	(void)snprintf(effect->setting, sizeof(effect->setting), "net.ipv4.tcp_retries2 %d",
		       (int)tcp->retries2);
	(void)text_copy("sysctl", effect->source, sizeof(effect->source));
	effect->note = "the kernel gives up sending";
}

static void add_keepalive(struct outcome_work *work, int64_t end_ns)
{
	const struct settings_tcp *tcp = &work->c->host->tcp;
	struct outcome_effect *effect = outcome_effect_add(
		work, MECHANISM_TCP_KEEPALIVE, OUTCOME_CONNECTION_ENDED,
		outcome_whole_seconds(end_ns, outcome_add_ns(end_ns, WHOLE_SECOND_NS)));

	(void)snprintf(effect->setting, sizeof(effect->setting),
		       "TCPKeepAlive yes, net.ipv4.tcp_keepalive_time %lld",
		       (long long)(tcp->keepalive_time_ns / NS_PER_S));
	(void)text_copy("sysctl", effect->source, sizeof(effect->source));
}

/* dropbear begins a key exchange every 8 h, and what it sends is lost. */
static void add_rekey(struct outcome_work *work)
{
	const struct outcome_span takes = retransmission(&work->c->host->tcp);
	struct outcome_effect *effect = outcome_effect_add(
		work, MECHANISM_DROPBEAR_REKEY, OUTCOME_CONNECTION_ENDED,
		(struct outcome_span){ takes.earliest_ns,
				       outcome_add_ns(DROPBEAR_REKEY_NS, takes.latest_ns), 0 });

	(void)text_copy("new keys every 8 h", effect->setting, sizeof(effect->setting));
	(void)text_copy("built into dropbear", effect->source, sizeof(effect->source));
	effect->note = "what it then sends is not acknowledged, and the kernel gives up";
}

void outcome_add_tcp(struct outcome_work *work)
{
	const struct settings_tcp *tcp = &work->c->host->tcp;
	const enum server_id server = work->c->server->server;
	const bool keepalive = server == SERVER_OPENSSH && work->c->server->openssh.tcp_keepalive &&
			       tcp->keepalive_time_ns > 0 && tcp->keepalive_interval_ns > 0;
	struct outcome_span first;
	int64_t end_ns = TIME_NEVER;

	if (!work->s->host_gone || work->c->server->trouble[0] != '\0')
		return;
	if (keepalive)
		end_ns =
			tcp->keepalive_time_ns + tcp->keepalive_interval_ns * tcp->keepalive_probes;
	if (first_output(work, &first) && first.earliest_ns < end_ns) {
		if (tcp->retries2 > 0)
			add_retransmission(work, &first);
		return;
	}
	if (keepalive)
		add_keepalive(work, end_ns);
	else if (server == SERVER_DROPBEAR && tcp->retries2 > 0)
		add_rekey(work);
	work->silent = !keepalive;
}
