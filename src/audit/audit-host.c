/* Conditions on what else decides on a host: the servers' own settings, shells, logind. */
#include <stdlib.h>
#include <string.h>

#include "audit/audit-private.h"
#include "core/outcome.h"

static const struct audit_place nowhere = { 0 };

/* Nothing that listens: nothing to compare, which must not read as a pass. */
static enum audit_verdict no_servers(struct audit_result *result, const char *which)
{
	audit_add(result, AUDIT_NOT_APPLICABLE, nowhere, "no %s server was found", which);
	return AUDIT_NOT_APPLICABLE;
}

static enum audit_verdict no_settings(const struct settings_server *server,
				      struct audit_result *result)
{
	audit_add(result, AUDIT_UNKNOWN, nowhere, "%s: its settings cannot be read: %s",
		  audit_server_name(server).text, server->trouble);
	return AUDIT_UNKNOWN;
}

/* -- servers.unresponsive-limit -- */

/* What the server's own means do to a client that stopped: the first end that is certain. */
static const struct outcome_effect *own_end(const struct audit_input *input,
					    const struct settings_server *server,
					    enum outcome_situation situation,
					    struct outcome *ret_outcome)
{
	const struct outcome_case outcome_case = { .host = input->host,
						   .server = server,
						   .query = input->query };

	outcome_compute(&outcome_case, situation, ret_outcome);
	for (size_t i = 0; i < ret_outcome->n; i++)
		if (ret_outcome->effects[i].certain &&
		    ret_outcome->effects[i].latest_ns < TIME_NEVER)
			return &ret_outcome->effects[i];
	return NULL;
}

static enum audit_verdict server_unresponsive(const struct audit_input *input,
					      const struct settings_server *server, int64_t most_ns,
					      struct audit_result *result)
{
	struct outcome *outcome = malloc(sizeof(*outcome));
	const struct outcome_effect *end;
	enum audit_verdict verdict = AUDIT_FAIL;

	if (!outcome)
		return AUDIT_UNKNOWN;
	end = own_end(input, server, SITUATION_STOPPED_SILENT, outcome);
	if (!end) {
		audit_add(result, AUDIT_FAIL, nowhere,
			  "%s never gives up a client that stopped answering",
			  audit_server_name(server).text);
	} else {
		const struct audit_place place = { .file = end->source,
						   .keyword = "ClientAliveInterval" };

		verdict = end->latest_ns <= most_ns ? AUDIT_PASS : AUDIT_FAIL;
		audit_add(result, verdict, place,
			  "%s gives up a client that stopped answering after %s (%s)%s%s",
			  audit_server_name(server).text, audit_span_text(end->latest_ns).text,
			  end->setting, verdict == AUDIT_FAIL ? ", more than " : "",
			  verdict == AUDIT_FAIL ? audit_span_text(most_ns).text : "");
	}
	free(outcome);
	return verdict;
}

enum audit_verdict audit_servers_unresponsive(const struct audit_input *input,
					      const struct profile_condition *condition,
					      struct audit_result *result)
{
	enum audit_verdict verdict = AUDIT_NOT_APPLICABLE;

	if (input->host->n_servers == 0)
		return no_servers(result, "SSH");
	for (size_t i = 0; i < input->host->n_servers; i++) {
		const struct settings_server *server = &input->host->servers[i];

		verdict = audit_both(verdict,
				     server->trouble[0] != '\0'
					     ? no_settings(server, result)
					     : server_unresponsive(input, server,
								   condition->at_most_ns, result));
	}
	return verdict;
}

/* -- openssh.client-alive -- */

static enum audit_verdict interval_fits(const struct settings_server *server, int64_t most_ns,
					struct audit_result *result)
{
	const struct settings_openssh *openssh = &server->openssh;
	const int64_t interval_ns = openssh->client_alive_interval_ns;
	const struct audit_place place = { .file = openssh->source,
					   .keyword = "ClientAliveInterval" };
	enum audit_verdict verdict = AUDIT_PASS;

	if (interval_ns == SETTING_UNKNOWN)
		verdict = AUDIT_UNKNOWN;
	else if (interval_ns <= 0 || (most_ns >= 0 && interval_ns > most_ns))
		verdict = AUDIT_FAIL;
	if (interval_ns > 0)
		audit_add(result, verdict, place, "%s: ClientAliveInterval %lld%s%s",
			  audit_server_name(server).text, (long long)(interval_ns / NS_PER_S),
			  verdict == AUDIT_FAIL ? ", more than " : "",
			  verdict == AUDIT_FAIL ? audit_span_text(most_ns).text : "");
	else
		audit_add(result, verdict, place, "%s: ClientAliveInterval is %s",
			  audit_server_name(server).text, audit_span_text(interval_ns).text);
	return verdict;
}

static enum audit_verdict count_fits(const struct settings_server *server,
				     const struct profile_condition *condition,
				     struct audit_result *result)
{
	const struct settings_openssh *openssh = &server->openssh;
	const int32_t count = openssh->client_alive_count_max;
	const struct audit_place place = { .file = openssh->source,
					   .keyword = "ClientAliveCountMax" };
	enum audit_verdict verdict = AUDIT_PASS;
	const char *than = "";

	if (condition->count_at_least < 0 && condition->count_at_most < 0)
		return AUDIT_PASS;
	if (count < 0) {
		audit_add(result, AUDIT_UNKNOWN, place, "%s: ClientAliveCountMax is not known",
			  audit_server_name(server).text);
		return AUDIT_UNKNOWN;
	}
	if (condition->count_at_least >= 0 && count < condition->count_at_least)
		than = ", too small";
	if (condition->count_at_most >= 0 && count > condition->count_at_most)
		than = ", too large";
	if (*than != '\0')
		verdict = AUDIT_FAIL;
	audit_add(result, verdict, place, "%s: ClientAliveCountMax %d%s",
		  audit_server_name(server).text, count, than);
	return verdict;
}

enum audit_verdict audit_client_alive(const struct audit_input *input,
				      const struct profile_condition *condition,
				      struct audit_result *result)
{
	enum audit_verdict verdict = AUDIT_NOT_APPLICABLE;

	for (size_t i = 0; i < input->host->n_servers; i++) {
		const struct settings_server *server = &input->host->servers[i];

		if (server->server != SERVER_OPENSSH)
			continue;
		if (server->trouble[0] != '\0') {
			verdict = audit_both(verdict, no_settings(server, result));
			continue;
		}
		verdict = audit_both(verdict, interval_fits(server, condition->at_most_ns, result));
		verdict = audit_both(verdict, count_fits(server, condition, result));
	}
	return verdict == AUDIT_NOT_APPLICABLE ? no_servers(result, "OpenSSH") : verdict;
}

/* -- shell.tmout -- */

/* What is wrong with it, or NULL. */
static const char *tmout_wrong(const struct settings_tmout *tmout,
			       const struct profile_condition *condition)
{
	if (tmout->after_ns == SETTING_OFF)
		return "off";
	if (tmout->after_ns > condition->at_most_ns)
		return "too long";
	if (condition->read_only && !tmout->read_only)
		return "not read-only: users may change it";
	if (condition->exported && !tmout->exported)
		return "not exported: shells started from this one do not have it";
	return NULL;
}

enum audit_verdict audit_tmout(const struct audit_input *input,
			       const struct profile_condition *condition,
			       struct audit_result *result)
{
	const struct settings_shell *shell = &input->host->shell;
	const struct settings_tmout *tmout;
	struct audit_place place;
	const char *wrong;

	if (shell->effective < 0 || (size_t)shell->effective >= shell->n) {
		const enum audit_verdict verdict =
			shell->known || shell->user_shell[0] == '\0' ? AUDIT_FAIL : AUDIT_UNKNOWN;

		audit_add(result, verdict, nowhere, "TMOUT is not set by any file that %s reads%s",
			  shell->user_shell[0] != '\0' ? shell->user_shell : "a login shell",
			  verdict == AUDIT_UNKNOWN ? ", as far as is known of this shell" : "");
		return verdict;
	}
	tmout = &shell->places[shell->effective];
	place = (struct audit_place){ .file = tmout->file, .line = tmout->line };
	wrong = tmout_wrong(tmout, condition);
	if (tmout->after_ns == SETTING_UNKNOWN || (tmout->conditional && !wrong)) {
		audit_add(result, AUDIT_UNKNOWN, place, "TMOUT is set %s",
			  tmout->conditional ? "only under a condition"
					     : "to something that is no plain number");
		return AUDIT_UNKNOWN;
	}
	audit_add(result, wrong ? AUDIT_FAIL : AUDIT_PASS, place, "TMOUT %s%s%s",
		  audit_span_text(tmout->after_ns).text, wrong ? ", " : "", wrong ? wrong : "");
	return wrong ? AUDIT_FAIL : AUDIT_PASS;
}

/* -- logind -- */

static struct audit_place stop_idle_place(const struct settings_logind *logind)
{
	return (struct audit_place){ .file = logind->source, .keyword = "StopIdleSessionSec" };
}

enum audit_verdict audit_stop_idle(const struct audit_input *input,
				   const struct profile_condition *condition,
				   struct audit_result *result)
{
	const struct settings_logind *logind = &input->host->logind;
	const int64_t stop_ns = logind->stop_idle_session_ns;
	const struct audit_place place = stop_idle_place(logind);
	enum audit_verdict verdict = AUDIT_FAIL;

	if (!logind->running) {
		audit_add(result, AUDIT_NOT_APPLICABLE, nowhere, "systemd-logind does not run");
		return AUDIT_NOT_APPLICABLE;
	}
	if (stop_ns > 0 && stop_ns <= condition->at_most_ns)
		verdict = AUDIT_PASS;
	else if (stop_ns == SETTING_UNKNOWN)
		verdict = AUDIT_UNKNOWN;
	audit_add(result, verdict, place, "StopIdleSessionSec %s%s", audit_span_text(stop_ns).text,
		  stop_ns > condition->at_most_ns ? ", too long" : "");
	return verdict;
}

/* KillExcludeUsers is a list with blanks, KillUserProcesses is not for these. */
static bool is_excluded(const struct settings_logind *logind, const char *user)
{
	const size_t length = user ? strlen(user) : 0;
	const char *at = logind->kill_exclude;

	while (length > 0 && *at != '\0') {
		const size_t word = strcspn(at, " \t");

		if (word == length && memcmp(at, user, word) == 0)
			return true;
		at += word + strspn(at + word, " \t");
	}
	return false;
}

bool audit_logind_kills(const struct audit_input *input)
{
	const struct settings_logind *logind = &input->host->logind;

	return logind->running && logind->kill_user_processes &&
	       !is_excluded(logind, input->query.user);
}

struct audit_place audit_logind_kill_place(const struct audit_input *input)
{
	return (struct audit_place){ .file = input->host->logind.kill_source,
				     .keyword = "KillUserProcesses" };
}

enum audit_verdict audit_work_kept(const struct audit_input *input, struct audit_result *result)
{
	const struct settings_logind *logind = &input->host->logind;
	enum audit_verdict verdict = AUDIT_PASS;

	if (!logind->running) {
		audit_add(result, AUDIT_PASS, nowhere,
			  "systemd-logind does not run, nothing else kills what is left running");
		return AUDIT_PASS;
	}
	if (audit_logind_kills(input)) {
		audit_add(result, AUDIT_FAIL, audit_logind_kill_place(input),
			  "KillUserProcesses yes: logind kills what is left of a session");
		verdict = AUDIT_FAIL;
	}
	if (logind->stop_idle_session_ns > 0) {
		audit_add(result, AUDIT_FAIL, stop_idle_place(logind),
			  "StopIdleSessionSec %s: logind kills all of an idle session, also with "
			  "KillUserProcesses no",
			  audit_span_text(logind->stop_idle_session_ns).text);
		verdict = AUDIT_FAIL;
	}
	if (verdict == AUDIT_PASS)
		audit_add(result, AUDIT_PASS, nowhere,
			  "neither KillUserProcesses nor StopIdleSessionSec of logind");
	return verdict;
}
