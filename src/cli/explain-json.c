#include <stdio.h>
#include <string.h>

#include "cli/explain.h"

/* The facts are text of others: what is not UTF-8 becomes ? here. */
static json_t *foreign_new(const char *text)
{
	json_t *json = json_string(text);
	char clean[SETTINGS_TEXT_BYTES];
	size_t i;

	if (json)
		return json;
	for (i = 0; text[i] != '\0' && i + 1 < sizeof(clean); i++)
		clean[i] = text[i];
	clean[i] = '\0';
	for (i = 0; clean[i] != '\0'; i++)
		if ((unsigned char)clean[i] >= 0x80)
			clean[i] = '?';
	return json_string(clean);
}

static json_t *text_or_null(const char *text)
{
	return text && text[0] != '\0' ? foreign_new(text) : json_null();
}

/* Never, off, not there and not known are null: which of these it is does not matter to who acts
 * upon it. */
static json_t *seconds_new(int64_t ns)
{
	return ns < 0 || ns == TIME_NEVER ? json_null() : json_real((double)ns / NS_PER_S);
}

static json_t *number_or_null(int64_t number)
{
	return number < 0 ? json_null() : json_integer(number);
}

static json_t *openssh_new(const struct settings_openssh *sshd)
{
	json_t *timeouts = json_array();
	char version[32];

	for (size_t i = 0; i < sshd->n_channel_timeouts; i++)
		json_array_append_new(
			timeouts,
			json_pack("{s:o, s:o}", "type", foreign_new(sshd->channel_timeouts[i].type),
				  "after_s", seconds_new(sshd->channel_timeouts[i].after_ns)));
	(void)snprintf(version, sizeof(version), "%d.%d", (int)sshd->major, (int)sshd->minor);
	return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "version",
			 text_or_null(sshd->major > 0 ? version : ""), "client_alive_interval_s",
			 seconds_new(sshd->client_alive_interval_ns), "client_alive_count_max",
			 number_or_null(sshd->client_alive_count_max), "tcp_keepalive",
			 (int)sshd->tcp_keepalive, "channel_timeouts", timeouts,
			 "unused_connection_timeout_s",
			 seconds_new(sshd->unused_connection_timeout_ns), "source",
			 text_or_null(sshd->source));
}

static json_t *settings_new(const struct settings_server *server)
{
	switch (server->server) {
	case SERVER_OPENSSH:
		return openssh_new(&server->openssh);
	case SERVER_DROPBEAR:
		return json_pack("{s:o, s:o}", "keepalive_s",
				 seconds_new(server->dropbear.keepalive_ns), "idle_s",
				 seconds_new(server->dropbear.idle_ns));
	case SERVER_TINYSSH:
	case SERVER_N:
		break;
	}
	return json_object();
}

static json_t *effect_new(const struct outcome_effect *effect)
{
	char after[64];

	outcome_effect_time(effect, after, sizeof(after));
	return json_pack("{s:s, s:b, s:s, s:o, s:o, s:o, s:{s:s, s:o, s:o}, s:o, s:o}", "what",
			 outcome_what_name(effect->what), "certain", (int)effect->certain, "after",
			 after, "earliest_s", seconds_new(effect->earliest_ns), "latest_s",
			 seconds_new(effect->latest_ns), "warned_s", seconds_new(effect->warned_ns),
			 "because", "mechanism", outcome_mechanism_name(effect->mechanism),
			 "setting", text_or_null(effect->setting), "source",
			 text_or_null(effect->source), "unless", text_or_null(effect->unless),
			 "note", text_or_null(effect->note));
}

static json_t *situation_new(const struct outcome_case *outcome_case,
			     enum outcome_situation situation)
{
	json_t *also = json_array(), *remarks = json_array();
	struct outcome outcome;
	size_t decides;

	outcome_compute(outcome_case, situation, &outcome);
	decides = outcome.n > 0 && outcome.effects[0].certain ? 1 : 0;
	for (size_t i = decides; i < outcome.n; i++)
		json_array_append_new(also, effect_new(&outcome.effects[i]));
	for (size_t i = 0; i < outcome.n_remarks; i++)
		json_array_append_new(remarks, json_string(outcome.remarks[i]));
	return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "situation",
			 outcome_situation_name(situation), "title",
			 outcome_situation_title(situation), "what",
			 outcome_what_name(outcome.what), "connection_stays",
			 (int)outcome.connection_stays, "first",
			 decides ? effect_new(&outcome.effects[0]) : json_null(), "also", also,
			 "remarks", remarks);
}

static json_t *notes_new(const struct outcome_notes *notes)
{
	json_t *texts = json_array();

	for (size_t i = 0; i < notes->n; i++)
		json_array_append_new(texts, foreign_new(notes->texts[i]));
	return texts;
}

static json_t *server_new(const struct explain *explain, const struct settings_server *server)
{
	json_t *ports = json_array(), *situations = json_array();
	struct outcome_case outcome_case;
	struct outcome_notes notes;

	for (size_t i = 0; i < server->n_ports; i++)
		json_array_append_new(ports, json_integer(server->ports[i]));
	explain_case(explain, server, &outcome_case);
	for (unsigned i = 0; i < SITUATION_N; i++)
		json_array_append_new(situations,
				      situation_new(&outcome_case, (enum outcome_situation)i));
	outcome_server_notes(&outcome_case, &notes);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "server",
			 policy_server_name(server->server), "ports", ports, "pid",
			 server->pid > 0 ? json_integer(server->pid) : json_null(), "unit",
			 text_or_null(server->unit), "executable", text_or_null(server->executable),
			 "trouble", text_or_null(server->trouble), "settings", settings_new(server),
			 "situations", situations, "notes", notes_new(&notes));
}

static json_t *tmout_new(const struct settings_shell *shell)
{
	const struct settings_tmout *tmout;

	if (shell->effective < 0 || (size_t)shell->effective >= shell->n)
		return json_null();
	tmout = &shell->places[shell->effective];
	return json_pack("{s:o, s:o, s:i, s:b, s:b}", "after_s", seconds_new(tmout->after_ns),
			 "file", foreign_new(tmout->file), "line", (int)tmout->line, "read_only",
			 (int)tmout->read_only, "conditional", (int)tmout->conditional);
}

static json_t *logind_new(const struct settings_logind *logind)
{
	return json_pack("{s:b, s:o, s:o, s:b, s:o}", "running", (int)logind->running,
			 "stop_idle_session_s", seconds_new(logind->stop_idle_session_ns),
			 "idle_action_s", seconds_new(logind->idle_action_ns),
			 "kill_user_processes", (int)logind->kill_user_processes, "source",
			 text_or_null(logind->source));
}

static json_t *tcp_new(const struct settings_tcp *tcp)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o}", "keepalive_time_s", seconds_new(tcp->keepalive_time_ns),
		"keepalive_interval_s", seconds_new(tcp->keepalive_interval_ns), "keepalive_probes",
		number_or_null(tcp->keepalive_probes), "retries2", number_or_null(tcp->retries2));
}

json_t *explain_json_new(const struct explain *explain)
{
	const struct host_case *host_case = explain->host_case;
	const struct outcome_case outcome_case = { .host = explain->host_case->host };
	json_t *servers = json_array();
	struct outcome_notes notes;

	for (size_t i = 0; i < explain->n_shown; i++)
		json_array_append_new(servers, server_new(explain, explain->shown[i]));
	outcome_host_notes(&outcome_case, &notes);
	return json_pack(
		"{s:o, s:o, s:{s:b, s:o, s:b, s:b, s:b}, s:o, s:o, s:o, s:o, s:o}", "user",
		text_or_null(host_case->query.user), "from", text_or_null(host_case->query.address),
		"sshidled", "running", (int)host_case->running, "config",
		text_or_null(host_case->config_path), "in_force", (int)explain->in_force, "assumed",
		(int)explain->assumed, "changed", (int)host_case->stale, "tmout",
		tmout_new(&host_case->host->shell), "logind", logind_new(&host_case->host->logind),
		"tcp", tcp_new(&host_case->host->tcp), "servers", servers, "notes",
		notes_new(&notes));
}
