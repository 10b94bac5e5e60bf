/*
 * What is set and does not do what it is taken for.  Each row of the table is one finding; a setting
 * without its effect fails, what works otherwise than it reads is a remark.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "audit/audit-private.h"
#include "base/text.h"
#include "core/outcome.h"
#include "core/pattern.h"

#define TINYSSH_HOUR_NS (3600 * NS_PER_S)

static struct audit_place sshd_place(const struct settings_server *server, const char *keyword)
{
	return (struct audit_place){ .file = server->openssh.source, .keyword = keyword };
}

static bool is_older(const struct settings_openssh *openssh, int32_t major, int32_t minor)
{
	return openssh->major < major || (openssh->major == major && openssh->minor < minor);
}

static bool asks_clients(const struct settings_openssh *openssh)
{
	return openssh->client_alive_interval_ns > 0 && openssh->client_alive_count_max > 0;
}

/* -- sshd -- */

/* ChannelTimeout takes patterns; these are the names that they are compared with
 * (sshd_config(5), channels.c). */
static bool names_a_channel(const char *pattern)
{
	static const char *const channels[] = {
		"agent-connection",	  "direct-streamlocal@openssh.com",
		"direct-tcpip",		  "forwarded-streamlocal@openssh.com",
		"forwarded-tcpip",	  "global",
		"session:command",	  "session:shell",
		"session:subsystem:sftp", "tun-connection",
		"x11-connection",
	};

	if (text_starts(pattern, "session:subsystem:"))
		return true;
	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
		if (pattern_list_fits(pattern, channels[i]) == PATTERN_FIT)
			return true;
	return false;
}

static void find_channel_timeout(const struct audit_input *input,
				 const struct settings_server *server, struct audit_result *result)
{
	const struct settings_openssh *openssh = &server->openssh;

	(void)input;
	for (size_t i = 0; i < openssh->n_channel_timeouts; i++) {
		const struct settings_channel_timeout *timeout = &openssh->channel_timeouts[i];

		if (timeout->after_ns > 0 && !names_a_channel(timeout->type))
			audit_add(result, AUDIT_FAIL, sshd_place(server, "ChannelTimeout"),
				  "%s: ChannelTimeout %s=%s: no channel has this name",
				  audit_server_name(server).text, timeout->type,
				  audit_span_text(timeout->after_ns).text);
	}
}

static void find_channel_output(const struct audit_input *input,
				const struct settings_server *server, struct audit_result *result)
{
	const struct settings_openssh *openssh = &server->openssh;

	(void)input;
	for (size_t i = 0; i < openssh->n_channel_timeouts; i++) {
		const struct settings_channel_timeout *timeout = &openssh->channel_timeouts[i];

		if (timeout->after_ns > 0 &&
		    pattern_list_fits(timeout->type, "session:shell") == PATTERN_FIT)
			audit_add(result, AUDIT_REMARK, sshd_place(server, "ChannelTimeout"),
				  "%s: ChannelTimeout %s=%s", audit_server_name(server).text,
				  timeout->type, audit_span_text(timeout->after_ns).text);
	}
}

static void find_count_zero(const struct audit_input *input, const struct settings_server *server,
			    struct audit_result *result)
{
	const struct settings_openssh *openssh = &server->openssh;

	(void)input;
	if (openssh->client_alive_interval_ns > 0 && openssh->client_alive_count_max == 0 &&
	    !is_older(openssh, 8, 2))
		audit_add(result, AUDIT_FAIL, sshd_place(server, "ClientAliveCountMax"),
			  "%s: ClientAliveCountMax 0 with ClientAliveInterval %lld",
			  audit_server_name(server).text,
			  (long long)(openssh->client_alive_interval_ns / NS_PER_S));
}

/* The latest end by sshd's own questions; 0: none. */
static int64_t gives_up_after_ns(const struct audit_input *input,
				 const struct settings_server *server)
{
	const struct outcome_case outcome_case = { .host = input->host,
						   .server = server,
						   .query = input->query };
	struct outcome *outcome = malloc(sizeof(*outcome));
	int64_t latest_ns = 0;

	if (!outcome)
		return 0;
	outcome_compute(&outcome_case, SITUATION_STOPPED_SILENT, outcome);
	for (size_t i = 0; i < outcome->n && latest_ns == 0; i++)
		if (outcome->effects[i].mechanism == MECHANISM_SSHD_CLIENT_ALIVE)
			latest_ns = outcome->effects[i].latest_ns;
	free(outcome);
	return latest_ns;
}

static void find_count_plus_one(const struct audit_input *input,
				const struct settings_server *server, struct audit_result *result)
{
	const struct settings_openssh *openssh = &server->openssh;
	int64_t reads_ns, really_ns;

	if (!asks_clients(openssh))
		return;
	reads_ns = openssh->client_alive_interval_ns * openssh->client_alive_count_max;
	really_ns = gives_up_after_ns(input, server);
	if (really_ns > reads_ns)
		audit_add(result, AUDIT_REMARK, sshd_place(server, "ClientAliveInterval"),
			  "%s: ClientAliveInterval %lld x ClientAliveCountMax %d reads as %s, the "
			  "client is given up after %s",
			  audit_server_name(server).text,
			  (long long)(openssh->client_alive_interval_ns / NS_PER_S),
			  openssh->client_alive_count_max, audit_span_text(reads_ns).text,
			  audit_span_text(really_ns).text);
}

static void find_asks_while_quiet(const struct audit_input *input,
				  const struct settings_server *server, struct audit_result *result)
{
	const struct settings_openssh *openssh = &server->openssh;

	if (asks_clients(openssh) && !is_older(openssh, 9, 2) && !audit_ends_unresponsive(input))
		audit_add(
			result, AUDIT_REMARK, sshd_place(server, "ClientAliveInterval"),
			"%s (%d.%d) asks nothing while a session prints more often than every %lld "
			"seconds",
			audit_server_name(server).text, openssh->major, openssh->minor,
			(long long)(openssh->client_alive_interval_ns / NS_PER_S));
}

/* -- dropbear, tinyssh -- */

static void find_dropbear_idle(const struct audit_input *input,
			       const struct settings_server *server, struct audit_result *result)
{
	(void)input;
	if (server->dropbear.idle_ns > 0)
		audit_add(result, AUDIT_REMARK, (struct audit_place){ 0 }, "%s: -I %lld",
			  audit_server_name(server).text,
			  (long long)(server->dropbear.idle_ns / NS_PER_S));
}

static void find_tinyssh_hour(const struct audit_input *input, const struct settings_server *server,
			      struct audit_result *result)
{
	(void)input;
	audit_add(result, AUDIT_REMARK, (struct audit_place){ 0 }, "%s: %s, fixed",
		  audit_server_name(server).text, audit_span_text(TINYSSH_HOUR_NS).text);
}

/* -- what cannot be looked at -- */

static void find_not_read(const struct audit_input *input, struct audit_result *result)
{
	for (size_t i = 0; i < input->host->n_servers; i++) {
		const struct settings_server *server = &input->host->servers[i];

		if (server->trouble[0] != '\0')
			audit_add(result, AUDIT_UNKNOWN, (struct audit_place){ 0 }, "%s: %s",
				  audit_server_name(server).text, server->trouble);
	}
}

/* -- shells -- */

static void find_not_read_only(const struct audit_input *input, struct audit_result *result)
{
	const struct settings_shell *shell = &input->host->shell;
	const struct settings_tmout *tmout;

	if (shell->effective < 0 || (size_t)shell->effective >= shell->n)
		return;
	tmout = &shell->places[shell->effective];
	if (tmout->after_ns > 0 && !tmout->read_only)
		audit_add(result, AUDIT_FAIL,
			  (struct audit_place){ .file = tmout->file, .line = tmout->line },
			  "TMOUT %s, not read-only", audit_span_text(tmout->after_ns).text);
}

static void find_not_reached(const struct audit_input *input, struct audit_result *result)
{
	const struct settings_shell *shell = &input->host->shell;
	const char *who = shell->user_shell[0] != '\0' ? shell->user_shell : "a login shell";

	for (size_t i = 0; i < shell->n; i++) {
		const struct settings_tmout *tmout = &shell->places[i];
		const struct audit_place place = { .file = tmout->file, .line = tmout->line };

		if (tmout->after_ns <= 0)
			continue;
		if (shell->effective < 0)
			audit_add(result, AUDIT_FAIL, place, "TMOUT %s is not in force for %s",
				  audit_span_text(tmout->after_ns).text, who);
		else if (shell->places[shell->effective].after_ns == SETTING_OFF)
			audit_add(result, AUDIT_FAIL, place,
				  "TMOUT %s is switched off again in %s, line %d",
				  audit_span_text(tmout->after_ns).text,
				  shell->places[shell->effective].file,
				  shell->places[shell->effective].line);
	}
}

/* -- logind -- */

static struct audit_place stop_idle_place(const struct settings_logind *logind)
{
	return (struct audit_place){ .file = logind->source, .keyword = "StopIdleSessionSec" };
}

static void find_smaller_wins(const struct audit_input *input, struct audit_result *result)
{
	const struct settings_logind *logind = &input->host->logind;

	if (logind->running && logind->idle_action_ns > 0 &&
	    logind->stop_idle_session_ns > logind->idle_action_ns)
		audit_add(result, AUDIT_FAIL, stop_idle_place(logind),
			  "StopIdleSessionSec %s is more than IdleActionSec %s",
			  audit_span_text(logind->stop_idle_session_ns).text,
			  audit_span_text(logind->idle_action_ns).text);
}

static void find_kills_work(const struct audit_input *input, struct audit_result *result)
{
	const struct settings_logind *logind = &input->host->logind;

	if (!logind->running || logind->stop_idle_session_ns <= 0)
		return;
	if (input->multiplexers > 0)
		audit_add(result, AUDIT_FAIL, stop_idle_place(logind),
			  "StopIdleSessionSec %s, and %" PRId64 " of tmux and screen run here",
			  audit_span_text(logind->stop_idle_session_ns).text, input->multiplexers);
	else if (input->multiplexers < 0)
		audit_add(result, AUDIT_UNKNOWN, stop_idle_place(logind),
			  "StopIdleSessionSec %s; whether tmux or screen runs here cannot be read",
			  audit_span_text(logind->stop_idle_session_ns).text);
	else
		audit_add(result, AUDIT_REMARK, stop_idle_place(logind), "StopIdleSessionSec %s",
			  audit_span_text(logind->stop_idle_session_ns).text);
}

/* With a scope of their own only what has left the terminal's processes is still in the session's. */
static void find_kills_parked(const struct audit_input *input, struct audit_result *result)
{
	const struct audit_place place = audit_logind_kill_place(input);
	const char *source = audit_parks(input);

	if (!source || !audit_logind_kills(input))
		return;
	if (input->scopes)
		audit_add(
			result, AUDIT_REMARK, place,
			"KillUserProcesses yes, IdleAction park (%s): parked terminals live on in "
			"scopes of their own; a server of tmux or screen is killed",
			source);
	else
		audit_add(
			result, AUDIT_FAIL, place,
			"KillUserProcesses yes, IdleAction park (%s): parked terminals "
			"have no scope (no systemd, or built without libsystemd), what runs in them is killed",
			source);
}

/* -- the table -- */

struct finding {
	const char *id;
	const char *requirement; /* what is wrong with such a setting, in one line */
	const char *fix;
	enum server_id server; /* SERVER_N: of the host */
	void (*of_server)(const struct audit_input *input, const struct settings_server *server,
			  struct audit_result *result);
	void (*of_host)(const struct audit_input *input, struct audit_result *result);
};

static const struct finding findings[] = {
	{ .id = "openssh.channel-timeout-name",
	  .requirement =
		  "A ChannelTimeout whose name fits no channel is accepted and does nothing.",
	  .fix = "Write session:* (session:shell, session:command, session:subsystem:...) for "
		 "sessions, or leave idle sessions to sshidle.",
	  .server = SERVER_OPENSSH,
	  .of_server = find_channel_timeout },
	{ .id = "openssh.channel-timeout-output",
	  .requirement = "For ChannelTimeout output is use: top keeps a session open for ever. It "
			 "closes channels, not connections, and only of new ones.",
	  .fix = "IdleTimeout in sshidle.conf looks at what the user sends.",
	  .server = SERVER_OPENSSH,
	  .of_server = find_channel_output },
	{ .id = "openssh.client-alive-count-0",
	  .requirement =
		  "Since OpenSSH 8.2 a ClientAliveCountMax of 0 means that no client is ever "
		  "given up.",
	  .fix = "In sshd_config: ClientAliveCountMax 1 or more.",
	  .server = SERVER_OPENSSH,
	  .of_server = find_count_zero },
	{ .id = "openssh.client-alive-count-plus-1",
	  .requirement = "sshd gives up a client after interval x (count + 1), in 9.2 to 9.4 after "
			 "twice that, not after interval x count.",
	  .fix = "sshidle apply sets the numbers that give the time that sshidle.conf promises.",
	  .server = SERVER_OPENSSH,
	  .of_server = find_count_plus_one },
	{ .id = "openssh.client-alive-while-printing",
	  .requirement = "Since OpenSSH 9.2 a client that stopped is not found while its session "
			 "prints.",
	  .fix = "ClientAliveInterval and ClientAliveCountMax in sshidle.conf, and sshidled running, "
		 "find it.",
	  .server = SERVER_OPENSSH,
	  .of_server = find_asks_while_quiet },
	{ .id = "dropbear.idle",
	  .requirement = "For dropbear -I traffic in either direction is use: a client that sends "
			 "keepalives (dbclient -K, ServerAliveInterval) is never idle.",
	  .fix = "IdleTimeout in sshidle.conf; keep -K for clients that are gone.",
	  .server = SERVER_DROPBEAR,
	  .of_server = find_dropbear_idle },
	{ .id = "tinyssh.hour",
	  .requirement =
		  "tinysshd ends a connection after an hour in which the client sent nothing; "
		  "any keepalive of the client prevents it, and it cannot be set.",
	  .fix = "IdleTimeout in sshidle.conf.",
	  .server = SERVER_TINYSSH,
	  .of_server = find_tinyssh_hour },
	{ .id = "server.not-read",
	  .requirement =
		  "The settings of a server could not be read, so nothing is said about them.",
	  .fix = "Be root, and have the server accept its own configuration (sshd -t).",
	  .server = SERVER_N,
	  .of_host = find_not_read },
	{ .id = "shell.tmout-not-read-only",
	  .requirement = "A TMOUT that is not read-only is changed or removed by its user.",
	  .fix = "readonly TMOUT behind it; exec env -u TMOUT bash still gets rid of it.",
	  .server = SERVER_N,
	  .of_host = find_not_read_only },
	{ .id = "shell.tmout-not-reached",
	  .requirement = "A TMOUT in a file that the user's shell does not read, or that is taken "
			 "back later, does nothing.",
	  .fix = "Set it where this shell reads it (bash: /etc/profile.d, /etc/bash.bashrc; zsh: "
		 "/etc/zsh/zshenv); dash has no TMOUT.",
	  .server = SERVER_N,
	  .of_host = find_not_reached },
	{ .id = "logind.stop-idle-above-idle-action",
	  .requirement =
		  "logind takes the smaller of StopIdleSessionSec and IdleActionSec for idle, "
		  "so a session may end before the time that is set.",
	  .fix = "In logind.conf: IdleActionSec at least as long as StopIdleSessionSec.",
	  .server = SERVER_N,
	  .of_host = find_smaller_wins },
	{ .id = "logind.stop-idle-kills-work",
	  .requirement =
		  "StopIdleSessionSec kills everything in the session, tmux, screen and nohup "
		  "included, whatever KillUserProcesses says.",
	  .fix = "In logind.conf: StopIdleSessionSec=infinity; IdleTimeout in sshidle.conf ends the "
		 "connection and keeps the work.",
	  .server = SERVER_N,
	  .of_host = find_kills_work },
	{ .id = "logind.kill-ends-parked",
	  .requirement =
		  "With KillUserProcesses logind kills what is left in a login session at its end: "
		  "all that was parked in it, but for what sshidled has moved to a scope.",
	  .fix = "In logind.conf: KillUserProcesses=no, or KillExcludeUsers with the users whose "
		 "sessions are parked.",
	  .server = SERVER_N,
	  .of_host = find_kills_parked },
};

#define N_FINDINGS (sizeof(findings) / sizeof(findings[0]))

static void look_for(const struct audit_input *input, const struct finding *finding,
		     struct audit_result *result)
{
	if (finding->of_host) {
		finding->of_host(input, result);
		return;
	}
	for (size_t i = 0; i < input->host->n_servers; i++) {
		const struct settings_server *server = &input->host->servers[i];

		if (server->server == finding->server && server->trouble[0] == '\0')
			finding->of_server(input, server, result);
	}
}

int audit_find(const struct audit_input *input, struct audit_report *report)
{
	report->findings = calloc(N_FINDINGS, sizeof(*report->findings));
	if (!report->findings)
		return -ENOMEM;
	for (size_t i = 0; i < N_FINDINGS; i++) {
		struct audit_result *result = &report->findings[report->n_findings];

		*result = (struct audit_result){
			.id = findings[i].id,
			.requirement = findings[i].requirement,
			.fix = findings[i].fix,
			.verdict = AUDIT_REMARK,
			.details = calloc(AUDIT_DETAILS_MAX, sizeof(*result->details)),
		};
		if (!result->details)
			return -ENOMEM;
		look_for(input, &findings[i], result);
		if (result->n_details == 0) {
			free(result->details);
			result->details = NULL;
			continue;
		}
		for (size_t j = 0; j < result->n_details; j++)
			if (result->details[j].verdict > result->verdict)
				result->verdict = result->details[j].verdict;
		report->n_findings++;
	}
	return 0;
}
