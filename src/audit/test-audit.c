/*
 * A table of hosts, each a good one with one thing changed: which verdict each condition gets, which
 * findings there are, and what is said.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/audit.h"
#include "base/text.h"

#define GOOD_CONFIG "IdleTimeout 10m\nKeepMax 10m\nClientAliveInterval 60\nClientAliveCountMax 3\n"

static struct settings_host host;

static struct settings_server *add_server(enum server_id server, uint16_t port)
{
	struct settings_server *added = &host.servers[host.n_servers++];

	*added = (struct settings_server){ .server = server, .ports = { port }, .n_ports = 1 };
	added->dropbear = (struct settings_dropbear){ SETTING_OFF, SETTING_OFF };
	added->openssh = (struct settings_openssh){
		.major = 9,
		.minor = 6,
		.client_alive_interval_ns = 60 * NS_PER_S,
		.client_alive_count_max = 1,
		.max_sessions = 10,
		.unused_connection_timeout_ns = SETTING_OFF,
		.source = "/etc/ssh/sshd_config",
	};
	return added;
}

static void set_tmout(int64_t after_ns, bool read_only, bool exported)
{
	host.shell.n = 1;
	host.shell.effective = 0;
	host.shell.places[0] = (struct settings_tmout){ .file = "/etc/profile.d/tmout.sh",
							.line = 3,
							.after_ns = after_ns,
							.read_only = read_only,
							.exported = exported };
}

static void make_good(void)
{
	memset(&host, 0, sizeof(host));
	(void)add_server(SERVER_OPENSSH, 22);
	(void)text_copy("/bin/bash", host.shell.user_shell, sizeof(host.shell.user_shell));
	host.shell.known = true;
	set_tmout(600 * NS_PER_S, true, true);
	host.logind = (struct settings_logind){ .running = true,
						.stop_idle_session_ns = SETTING_OFF,
						.idle_action_ns = 1800 * NS_PER_S,
						.source = "/etc/systemd/logind.conf" };
	host.tcp = (struct settings_tcp){ 7200 * NS_PER_S, 75 * NS_PER_S, 9, 15 };
}

/* -- changes -- */

static void count_0(void)
{
	host.servers[0].openssh.client_alive_count_max = 0;
}

static void count_0_in_8_0(void)
{
	count_0();
	host.servers[0].openssh.major = 8;
	host.servers[0].openssh.minor = 0;
}

static void interval_off(void)
{
	host.servers[0].openssh.client_alive_interval_ns = SETTING_OFF;
}

static void interval_600(void)
{
	host.servers[0].openssh.client_alive_interval_ns = 600 * NS_PER_S;
}

static void debian_12(void)
{
	host.servers[0].openssh.minor = 2;
}

static void channel_timeout(const char *type)
{
	struct settings_openssh *openssh = &host.servers[0].openssh;

	openssh->channel_timeouts[0].after_ns = 300 * NS_PER_S;
	(void)text_copy(type, openssh->channel_timeouts[0].type,
			sizeof(openssh->channel_timeouts[0].type));
	openssh->n_channel_timeouts = 1;
}

static void timeout_session(void)
{
	channel_timeout("session");
}

static void timeout_all_sessions(void)
{
	channel_timeout("session:*");
}

static void timeout_forwards(void)
{
	channel_timeout("direct-tcpip");
}

static void no_settings(void)
{
	(void)text_copy("sshd -T fails", host.servers[0].trouble, sizeof(host.servers[0].trouble));
}

static void no_server(void)
{
	host.n_servers = 0;
}

static void only_dropbear(void)
{
	host.n_servers = 0;
	add_server(SERVER_DROPBEAR, 22)->dropbear =
		(struct settings_dropbear){ 60 * NS_PER_S, 900 * NS_PER_S };
}

static void also_tinyssh(void)
{
	(void)add_server(SERVER_TINYSSH, 23);
}

static void tmout_of_the_user(void)
{
	set_tmout(600 * NS_PER_S, false, true);
}

static void tmout_not_exported(void)
{
	set_tmout(600 * NS_PER_S, true, false);
}

static void tmout_an_hour(void)
{
	set_tmout(3600 * NS_PER_S, true, true);
}

static void tmout_conditional(void)
{
	host.shell.places[0].conditional = true;
}

static void tmout_not_reached(void)
{
	host.shell.effective = -1;
}

static void tmout_taken_back(void)
{
	host.shell.places[1] = host.shell.places[0];
	host.shell.places[1].after_ns = SETTING_OFF;
	host.shell.places[1].line = 9;
	host.shell.n = 2;
	host.shell.effective = 1;
}

static void tmout_none(void)
{
	host.shell.n = 0;
	host.shell.effective = -1;
}

static void stop_idle_10m(void)
{
	host.logind.stop_idle_session_ns = 600 * NS_PER_S;
}

static void stop_idle_1h(void)
{
	host.logind.stop_idle_session_ns = 3600 * NS_PER_S;
}

static void kills(void)
{
	host.logind.kill_user_processes = true;
}

static void kills_others(void)
{
	kills();
	(void)text_copy("root alice", host.logind.kill_exclude, sizeof(host.logind.kill_exclude));
}

static void no_logind(void)
{
	host.logind.running = false;
}

/* -- conditions -- */

#define SHELL_15M "{\"fact\":\"idle-limit\",\"kinds\":[\"shell\"],\"at-most\":\"15m\"}"
#define STRICT                                                                             \
	"{\"fact\":\"idle-limit\",\"kinds\":[\"shell\"],\"at-most\":\"15m\",\"only-use\":" \
	"[\"input\"],\"no-keep\":true}"
#define MOST_15M    "{\"fact\":\"idle-limit\",\"kinds\":[\"shell\",\"sftp\"],\"at-most\":\"15m\"}"
#define WARNING	    "{\"fact\":\"idle-warning\",\"at-least\":\"30s\"}"
#define SSHIDLE_10M "{\"fact\":\"unresponsive-limit\",\"at-most\":\"10m\"}"
#define SERVERS_10M "{\"fact\":\"servers.unresponsive-limit\",\"at-most\":\"10m\"}"
#define ANY	    "{\"any-of\":[" SSHIDLE_10M "," SERVERS_10M "]}"
#define ALIVE	    "{\"fact\":\"openssh.client-alive\",\"at-most\":\"5m\"}"
#define COUNT_1	    "{\"fact\":\"openssh.client-alive\",\"count-at-least\":1,\"count-at-most\":1}"
#define TMOUT	    "{\"fact\":\"shell.tmout\",\"at-most\":\"15m\"}"
#define TMOUT_FAST \
	"{\"fact\":\"shell.tmout\",\"at-most\":\"15m\",\"read-only\":true,\"exported\":true}"
#define STOP_IDLE "{\"fact\":\"logind.stop-idle\",\"at-most\":\"15m\"}"
#define WORK	  "{\"fact\":\"work-kept\"}"
#define RUNNING	  "{\"fact\":\"sshidled-running\"}"

enum state { RUNS, STOPPED, STALE };

static const struct {
	const char *condition;
	const char *config; /* NULL: the good one */
	void (*change)(void);
	enum state state;
	const char *user;
	enum audit_verdict verdict;
	const char *said; /* by one detail */
} rows[] = {
	{ RUNNING, NULL, NULL, RUNS, NULL, AUDIT_PASS, "sshidled runs with this configuration" },
	{ RUNNING, NULL, NULL, STOPPED, NULL, AUDIT_FAIL,
	  "sshidled does not run: nothing is ended" },
	{ RUNNING, NULL, NULL, STALE, NULL, AUDIT_FAIL,
	  "sshidled has not read the configuration as it is now: sshidle reload" },
	{ RUNNING, "wrong", NULL, RUNS, NULL, AUDIT_UNKNOWN,
	  "the configuration of sshidle cannot be read" },

	{ SHELL_15M, NULL, NULL, RUNS, NULL, AUDIT_PASS, "IdleTimeout 10m for shell" },
	{ SHELL_15M, "IdleTimeout 15m\n", NULL, RUNS, NULL, AUDIT_PASS,
	  "IdleTimeout 15m for shell" },
	{ SHELL_15M, "IdleTimeout 901\n", NULL, RUNS, NULL, AUDIT_FAIL,
	  "IdleTimeout shell=15m1s, more than 15m" },
	{ SHELL_15M, "", NULL, RUNS, NULL, AUDIT_FAIL, "IdleTimeout shell=none, more than 15m" },
	{ SHELL_15M, NULL, NULL, STOPPED, NULL, AUDIT_FAIL,
	  "sshidled does not run: nothing is ended" },
	{ SHELL_15M, "IdleTimeout 5m\nIdleAction report\n", NULL, RUNS, NULL, AUDIT_FAIL,
	  "IdleAction report: the log tells of it, nothing is ended" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch User bob\nIdleTimeout 1h\n", NULL, RUNS, NULL,
	  AUDIT_FAIL, "IdleTimeout shell=1h, more than 15m" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch User bob\nIdleTimeout 1h\n", NULL, RUNS, "alice",
	  AUDIT_PASS, "IdleTimeout 5m for shell" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch User bob\nIdleTimeout 1h\n", NULL, RUNS, "bob",
	  AUDIT_FAIL, "IdleTimeout shell=1h, more than 15m" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch User bob\nIdleTimeout 15m\n", NULL, RUNS, NULL,
	  AUDIT_PASS, "IdleTimeout 15m for shell" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch Kind exec\nIdleTimeout none\n", NULL, RUNS, NULL,
	  AUDIT_PASS, "IdleTimeout 5m for shell" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch Server dropbear\nIdleTimeout none\n", NULL, RUNS, NULL,
	  AUDIT_PASS, "IdleTimeout 5m for shell" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch Command rsync*\nIdleTimeout none\n", NULL, RUNS, NULL,
	  AUDIT_PASS, "IdleTimeout 5m for shell" },
	{ SHELL_15M, "IdleTimeout 5m\nMatch Server dropbear\nIdleTimeout none\n", only_dropbear,
	  RUNS, NULL, AUDIT_FAIL, "IdleTimeout shell=none, more than 15m" },
	{ SHELL_15M, "IdleTimeout none\nMatch User bob\nIdleTimeout 5m\n", NULL, RUNS, "bob",
	  AUDIT_PASS, "IdleTimeout 5m for shell" },
	{ MOST_15M, "IdleTimeout shell=5m sftp=10m\n", NULL, RUNS, NULL, AUDIT_PASS,
	  "IdleTimeout 10m for shell, sftp" },
	{ MOST_15M, "IdleTimeout shell=5m\n", NULL, RUNS, NULL, AUDIT_FAIL,
	  "IdleTimeout sftp=none, more than 15m" },
	{ STRICT, NULL, NULL, RUNS, NULL, AUDIT_PASS, "IdleTimeout 10m for shell" },
	{ STRICT, GOOD_CONFIG "CountsAsUse shell=input,output\n", NULL, RUNS, NULL, AUDIT_FAIL,
	  "CountsAsUse shell=input,output: output keeps a session that nobody uses" },
	{ STRICT, "IdleTimeout 5m\n", NULL, RUNS, NULL, AUDIT_FAIL,
	  "KeepMax 8h: users may keep their idle sessions so long with sshidle keep" },

	{ WARNING, NULL, NULL, RUNS, NULL, AUDIT_PASS, "IdleWarning 1m" },
	{ WARNING, GOOD_CONFIG "IdleWarning 5s\n", NULL, RUNS, NULL, AUDIT_FAIL,
	  "IdleWarning 5s, less than 30s" },
	{ WARNING, "", NULL, RUNS, NULL, AUDIT_NOT_APPLICABLE, NULL },

	{ SSHIDLE_10M, NULL, NULL, RUNS, NULL, AUDIT_PASS,
	  "sshidle ends clients that do not answer after 3m" },
	{ SSHIDLE_10M, "ClientAliveInterval 201\n", NULL, RUNS, NULL, AUDIT_FAIL,
	  "ClientAliveInterval 3m21s x 3 of sshidle, more than 10m" },
	{ SSHIDLE_10M, "ClientAliveInterval 200\n", NULL, RUNS, NULL, AUDIT_PASS,
	  "sshidle ends clients that do not answer after 10m" },
	{ SSHIDLE_10M, "", NULL, RUNS, NULL, AUDIT_FAIL,
	  "ClientAliveInterval 0 in sshidle.conf: off" },
	{ SSHIDLE_10M, GOOD_CONFIG "Match User bob\nClientAliveCountMax 0\n", NULL, RUNS, NULL,
	  AUDIT_FAIL, "ClientAliveCountMax 0 in sshidle.conf: off" },
	{ SSHIDLE_10M, NULL, NULL, STOPPED, NULL, AUDIT_FAIL,
	  "sshidled does not run: nothing is ended" },

	{ SERVERS_10M, NULL, NULL, RUNS, NULL, AUDIT_PASS,
	  "openssh on port 22 gives up a client that stopped answering after 2m" },
	{ SERVERS_10M, NULL, interval_600, RUNS, NULL, AUDIT_FAIL, "more than 10m" },
	{ SERVERS_10M, NULL, count_0, RUNS, NULL, AUDIT_FAIL,
	  "openssh on port 22 never gives up a client that stopped answering" },
	{ SERVERS_10M, NULL, no_settings, RUNS, NULL, AUDIT_UNKNOWN,
	  "openssh on port 22: its settings cannot be read: sshd -T fails" },
	{ SERVERS_10M, NULL, no_server, RUNS, NULL, AUDIT_NOT_APPLICABLE,
	  "no SSH server was found" },
	{ SERVERS_10M, NULL, only_dropbear, RUNS, NULL, AUDIT_PASS,
	  "dropbear on port 22 gives up" },
	{ SERVERS_10M, NULL, also_tinyssh, RUNS, NULL, AUDIT_FAIL, "tinyssh on port 23 gives up" },
	{ ANY, NULL, count_0, RUNS, NULL, AUDIT_PASS,
	  "sshidle ends clients that do not answer after 3m" },
	{ ANY, "", NULL, RUNS, NULL, AUDIT_PASS, "openssh on port 22 gives up" },
	{ ANY, "", count_0, RUNS, NULL, AUDIT_FAIL,
	  "openssh on port 22 never gives up a client that stopped answering" },
	{ ANY, "", no_settings, RUNS, NULL, AUDIT_UNKNOWN, "sshd -T fails" },

	{ ALIVE, NULL, NULL, RUNS, NULL, AUDIT_PASS, "openssh on port 22: ClientAliveInterval 60" },
	{ ALIVE, NULL, interval_600, RUNS, NULL, AUDIT_FAIL,
	  "openssh on port 22: ClientAliveInterval 600, more than 5m" },
	{ ALIVE, NULL, interval_off, RUNS, NULL, AUDIT_FAIL,
	  "openssh on port 22: ClientAliveInterval is off" },
	{ ALIVE, NULL, only_dropbear, RUNS, NULL, AUDIT_NOT_APPLICABLE,
	  "no OpenSSH server was found" },
	{ COUNT_1, NULL, NULL, RUNS, NULL, AUDIT_PASS,
	  "openssh on port 22: ClientAliveCountMax 1" },
	{ COUNT_1, NULL, count_0, RUNS, NULL, AUDIT_FAIL,
	  "openssh on port 22: ClientAliveCountMax 0, too small" },

	{ TMOUT, NULL, NULL, RUNS, NULL, AUDIT_PASS, "TMOUT 10m" },
	{ TMOUT, NULL, tmout_of_the_user, RUNS, NULL, AUDIT_PASS, "TMOUT 10m" },
	{ TMOUT, NULL, tmout_an_hour, RUNS, NULL, AUDIT_FAIL, "TMOUT 1h, too long" },
	{ TMOUT, NULL, tmout_none, RUNS, NULL, AUDIT_FAIL,
	  "TMOUT is not set by any file that /bin/bash reads" },
	{ TMOUT, NULL, tmout_taken_back, RUNS, NULL, AUDIT_FAIL, "TMOUT off, off" },
	{ TMOUT, NULL, tmout_conditional, RUNS, NULL, AUDIT_UNKNOWN,
	  "TMOUT is set only under a condition" },
	{ TMOUT_FAST, NULL, NULL, RUNS, NULL, AUDIT_PASS, "TMOUT 10m" },
	{ TMOUT_FAST, NULL, tmout_of_the_user, RUNS, NULL, AUDIT_FAIL,
	  "TMOUT 10m, not read-only: users may change it" },
	{ TMOUT_FAST, NULL, tmout_not_exported, RUNS, NULL, AUDIT_FAIL,
	  "TMOUT 10m, not exported: shells started from this one do not have it" },

	{ STOP_IDLE, NULL, stop_idle_10m, RUNS, NULL, AUDIT_PASS, "StopIdleSessionSec 10m" },
	{ STOP_IDLE, NULL, stop_idle_1h, RUNS, NULL, AUDIT_FAIL,
	  "StopIdleSessionSec 1h, too long" },
	{ STOP_IDLE, NULL, NULL, RUNS, NULL, AUDIT_FAIL, "StopIdleSessionSec off" },
	{ STOP_IDLE, NULL, no_logind, RUNS, NULL, AUDIT_NOT_APPLICABLE,
	  "systemd-logind does not run" },

	{ WORK, NULL, NULL, RUNS, NULL, AUDIT_PASS, "neither KillUserProcesses nor" },
	{ WORK, NULL, kills, RUNS, NULL, AUDIT_FAIL, "KillUserProcesses yes: logind kills" },
	{ WORK, NULL, kills_others, RUNS, "alice", AUDIT_PASS, "neither KillUserProcesses nor" },
	{ WORK, NULL, kills_others, RUNS, "lice", AUDIT_FAIL, "KillUserProcesses yes" },
	{ WORK, NULL, stop_idle_10m, RUNS, NULL, AUDIT_FAIL,
	  "StopIdleSessionSec 10m: logind kills" },
	{ WORK, NULL, no_logind, RUNS, NULL, AUDIT_PASS, "systemd-logind does not run, nothing" },
};

static struct profile *profile_with(const char *condition)
{
	char text[2048], problem[PROFILE_PROBLEM_BYTES];
	struct profile *profile;

	(void)snprintf(text, sizeof(text),
		       "{\"profile\":\"p\",\"title\":\"t\",\"document\":\"d\",\"checks\":[{\"id\":"
		       "\"1\",\"requirement\":\"r\",\"fix\":\"f\",\"conditions\":[%s]}]}",
		       condition);
	if (profile_parse(&(struct config_text){ "p", text, strlen(text) }, problem, &profile) < 0)
		fail_msg("%s", problem);
	return profile;
}

/* NULL for a text that is no configuration. */
static struct config *config_of(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;

	(void)config_parse(&(struct config_text){ "f", text, strlen(text) }, NULL, &problems,
			   &config);
	config_problems_deinit(&problems);
	return config;
}

static bool is_said(const struct audit_result *result, const char *text)
{
	for (size_t i = 0; i < result->n_details; i++)
		if (strstr(result->details[i].text, text))
			return true;
	return false;
}

static void a_condition_gets_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct profile *profile = profile_with(rows[i].condition);
		struct config *config = config_of(rows[i].config ? rows[i].config : GOOD_CONFIG);
		struct audit_report report;

		make_good();
		if (rows[i].change)
			rows[i].change();
		assert_int_equal(
			audit_run(&(struct audit_input){ .host = &host,
							 .config = config,
							 .running = rows[i].state != STOPPED,
							 .stale = rows[i].state == STALE,
							 .query.user = rows[i].user },
				  profile, &report),
			0);
		if (report.checks[0].verdict != rows[i].verdict)
			fail_msg("row %zu: %s", i, audit_verdict_name(report.checks[0].verdict));
		if (rows[i].said && !is_said(&report.checks[0], rows[i].said))
			fail_msg("row %zu: says %s", i, report.checks[0].details[0].text);
		audit_deinit(&report);
		config_free(config);
		profile_free(profile);
	}
}

static const struct {
	void (*change)(void);
	const char *config; /* NULL: the good one */
	int64_t multiplexers;
	const char *id; /* "": none at all but those of the good host */
	enum audit_verdict verdict;
	const char *said;
} found[] = {
	{ NULL, NULL, 0, "", AUDIT_REMARK, NULL },
	{ NULL, NULL, 0, "openssh.client-alive-count-plus-1", AUDIT_REMARK,
	  "openssh on port 22: ClientAliveInterval 60 x ClientAliveCountMax 1 reads as 1m, the "
	  "client is given up after 2m" },
	{ debian_12, NULL, 0, "openssh.client-alive-count-plus-1", AUDIT_REMARK,
	  "the client is given up after 4m" },
	{ timeout_session, NULL, 0, "openssh.channel-timeout-name", AUDIT_FAIL,
	  "openssh on port 22: ChannelTimeout session=5m: no channel has this name" },
	{ timeout_all_sessions, NULL, 0, "openssh.channel-timeout-output", AUDIT_REMARK,
	  "openssh on port 22: ChannelTimeout session:*=5m" },
	{ timeout_forwards, NULL, 0, "", AUDIT_REMARK, NULL },
	{ count_0, NULL, 0, "openssh.client-alive-count-0", AUDIT_FAIL,
	  "openssh on port 22: ClientAliveCountMax 0 with ClientAliveInterval 60" },
	{ NULL, "", 0, "openssh.client-alive-while-printing", AUDIT_REMARK,
	  "openssh on port 22 (9.6) asks nothing while a session prints more often than every 60 "
	  "seconds" },
	{ only_dropbear, NULL, 0, "dropbear.idle", AUDIT_REMARK, "dropbear on port 22: -I 900" },
	{ also_tinyssh, NULL, 0, "tinyssh.hour", AUDIT_REMARK, "tinyssh on port 23: 1h, fixed" },
	{ tmout_of_the_user, NULL, 0, "shell.tmout-not-read-only", AUDIT_FAIL,
	  "TMOUT 10m, not read-only" },
	{ tmout_not_reached, NULL, 0, "shell.tmout-not-reached", AUDIT_FAIL,
	  "TMOUT 10m is not in force for /bin/bash" },
	{ tmout_taken_back, NULL, 0, "shell.tmout-not-reached", AUDIT_FAIL,
	  "TMOUT 10m is switched off again in /etc/profile.d/tmout.sh, line 9" },
	{ stop_idle_1h, NULL, 0, "logind.stop-idle-above-idle-action", AUDIT_FAIL,
	  "StopIdleSessionSec 1h is more than IdleActionSec 30m" },
	{ stop_idle_10m, NULL, 0, "logind.stop-idle-kills-work", AUDIT_REMARK,
	  "StopIdleSessionSec 10m" },
	{ stop_idle_10m, NULL, 3, "logind.stop-idle-kills-work", AUDIT_FAIL,
	  "StopIdleSessionSec 10m, and 3 of tmux and screen run here" },
	{ stop_idle_10m, NULL, -EIO, "logind.stop-idle-kills-work", AUDIT_UNKNOWN,
	  "StopIdleSessionSec 10m; whether tmux or screen runs here cannot be read" },
	{ no_settings, NULL, 0, "server.not-read", AUDIT_UNKNOWN,
	  "openssh on port 22: sshd -T fails" },
	{ count_0_in_8_0, NULL, 0, "", AUDIT_REMARK, NULL },
};

static const struct audit_result *finding_of(const struct audit_report *report, const char *id)
{
	for (size_t i = 0; i < report->n_findings; i++)
		if (text_equal(report->findings[i].id, id))
			return &report->findings[i];
	return NULL;
}

static void assert_found(size_t row, const struct audit_report *report)
{
	const struct audit_result *finding = finding_of(report, found[row].id);

	if (found[row].id[0] == '\0') {
		for (size_t i = 0; i < report->n_findings; i++)
			if (!text_equal(report->findings[i].id,
					"openssh.client-alive-count-plus-1"))
				fail_msg("row %zu: %s", row, report->findings[i].id);
		return;
	}
	if (!finding) {
		fail_msg("row %zu: %s was not found", row, found[row].id);
		return;
	}
	assert_int_equal(finding->verdict, found[row].verdict);
	if (!is_said(finding, found[row].said))
		fail_msg("row %zu: says %s", row, finding->details[0].text);
	assert_int_equal(audit_verdict_of(report),
			 found[row].verdict == AUDIT_REMARK ? AUDIT_PASS : found[row].verdict);
}

static void each_flaw_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		struct config *config = config_of(found[i].config ? found[i].config : GOOD_CONFIG);
		struct audit_report report;

		make_good();
		if (found[i].change)
			found[i].change();
		assert_int_equal(
			audit_run(&(struct audit_input){ .host = &host,
							 .config = config,
							 .running = true,
							 .multiplexers = found[i].multiplexers },
				  NULL, &report),
			0);
		assert_found(i, &report);
		audit_deinit(&report);
		config_free(config);
	}
}

/* The value of `said` is where the line is that was looked at. */
static void places_are_those_of_the_settings(void **state)
{
	struct profile *profile = profile_with(SHELL_15M "," TMOUT "," COUNT_1);
	struct config *config = config_of("IdleTimeout 5m\nMatch User bob\n\nIdleTimeout 1h\n");
	const struct audit_detail *detail;
	struct audit_report report;

	(void)state;
	make_good();
	assert_int_equal(
		audit_run(&(struct audit_input){ .host = &host, .config = config, .running = true },
			  profile, &report),
		0);
	detail = report.checks[0].details;
	assert_string_equal(detail->file, "f");
	assert_int_equal(detail->line, 4);
	detail++;
	assert_string_equal(detail->file, "/etc/profile.d/tmout.sh");
	assert_int_equal(detail->line, 3);
	detail++;
	assert_string_equal(detail->file, "/etc/ssh/sshd_config");
	assert_int_equal(detail->line, 0);
	assert_string_equal(detail->keyword, "ClientAliveInterval");
	audit_deinit(&report);
	config_free(config);
	profile_free(profile);
}

/* What each shipped profile says of the good host. */
static void the_shipped_profiles_fit_a_good_host(void **state)
{
	static const struct {
		const char *name;
		enum audit_verdict verdict;
	} shipped[] = {
		{ "default", AUDIT_PASS },	{ "pci-dss-4.0", AUDIT_PASS },
		{ "nist-800-53", AUDIT_PASS },	{ "stig-ubuntu2204", AUDIT_PASS },
		{ "cis-debian12", AUDIT_PASS }, { "stig-rhel9", AUDIT_FAIL }, /* no StopIdle */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		char path[512], problem[PROFILE_PROBLEM_BYTES];
		struct config *config = config_of(GOOD_CONFIG);
		struct audit_report report;
		struct profile *profile;

		(void)snprintf(path, sizeof(path), SOURCE_ROOT "/packaging/profiles/%s.json",
			       shipped[i].name);
		assert_int_equal(profile_load(path, problem, &profile), 0);
		make_good();
		assert_int_equal(audit_run(&(struct audit_input){ .host = &host,
								  .config = config,
								  .running = true },
					   profile, &report),
				 0);
		if (audit_verdict_of(&report) != shipped[i].verdict)
			fail_msg("%s", shipped[i].name);
		audit_deinit(&report);
		profile_free(profile);
		config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_gets_its_verdict),
		cmocka_unit_test(each_flaw_is_found),
		cmocka_unit_test(places_are_those_of_the_settings),
		cmocka_unit_test(the_shipped_profiles_fit_a_good_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
