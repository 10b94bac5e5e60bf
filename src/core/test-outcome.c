/* One row for each claim about what ends a session: FACTS of the servers and of the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/config.h"
#include "core/outcome.h"

#define S(n) ((int64_t)(n)*NS_PER_S)

/* What a row sets; spans in seconds. */
struct given {
	enum server_id server;
	int major, minor;
	int interval, count;	     /* ClientAlive* */
	const char *channel_type;    /* ChannelTimeout */
	int channel_timeout, unused; /* UnusedConnectionTimeout */
	bool no_tcp_keepalive;	     /* TCPKeepAlive no */
	int keepalive, idle;	     /* dropbear -K, -I */
	int tmout;
	const char *shell;
	bool tmout_conditional;
	int stop_idle, idle_action;   /* logind */
	int retries2, keepalive_time; /* sysctls */
	int idle_timeout, work_max;   /* sshidle */
	int own_interval, own_count;
	int counts; /* for shell and exec; 0: the defaults */
	bool report, trouble;
};

struct row {
	const char *claim;
	struct given given;
	enum outcome_situation situation;
	enum outcome_what what;
	enum outcome_mechanism mechanism;
	int64_t earliest_s, latest_s; /* the bounds hold this span */
};

static struct config *make_config(const struct given *given)
{
	struct config *config;

	if (given->idle_timeout == 0 && given->own_interval == 0)
		return NULL;
	assert_int_equal(config_new(&config), 0);
	for (size_t kind = 0; kind < KIND_N && given->idle_timeout; kind++)
		config_set(config, 0, SETTING_IDLE_TIMEOUT + kind, S(given->idle_timeout), "c:1");
	if (given->work_max)
		config_set(config, 0, SETTING_WORK_MAX, S(given->work_max), "c:2");
	if (given->counts) {
		config_set(config, 0, SETTING_COUNTS_AS_USE + KIND_SHELL, given->counts, "c:3");
		config_set(config, 0, SETTING_COUNTS_AS_USE + KIND_EXEC, given->counts, "c:3");
	}
	if (given->report)
		config_set(config, 0, SETTING_IDLE_ACTION, ACTION_REPORT, "c:4");
	config_set(config, 0, SETTING_CLIENT_ALIVE_INTERVAL, S(given->own_interval), "c:5");
	if (given->own_interval)
		config_set(config, 0, SETTING_CLIENT_ALIVE_COUNT_MAX, given->own_count, "c:6");
	return config;
}

static int64_t span_or(int seconds, int64_t otherwise)
{
	return seconds ? S(seconds) : otherwise;
}

static void fill_server(const struct given *given, struct settings_server *server)
{
	server->server = given->server;
	server->openssh.major = given->major;
	server->openssh.minor = given->minor;
	server->openssh.client_alive_interval_ns = span_or(given->interval, SETTING_OFF);
	server->openssh.client_alive_count_max = given->count;
	server->openssh.tcp_keepalive = !given->no_tcp_keepalive;
	server->openssh.unused_connection_timeout_ns = span_or(given->unused, SETTING_OFF);
	if (given->channel_type) {
		server->openssh.n_channel_timeouts = 1;
		(void)snprintf(server->openssh.channel_timeouts[0].type, 64, "%s",
			       given->channel_type);
		server->openssh.channel_timeouts[0].after_ns = S(given->channel_timeout);
	}
	server->dropbear.keepalive_ns = span_or(given->keepalive, SETTING_OFF);
	server->dropbear.idle_ns = span_or(given->idle, SETTING_OFF);
	if (given->trouble)
		(void)snprintf(server->trouble, sizeof(server->trouble), "not allowed");
}

static void fill_host(const struct given *given, struct settings_host *host)
{
	host->n_servers = 1;
	fill_server(given, &host->servers[0]);
	host->shell.effective = -1;
	(void)snprintf(host->shell.user_shell, sizeof(host->shell.user_shell), "%s",
		       given->shell ? given->shell : "/bin/bash");
	if (given->tmout) {
		host->shell.n = 1;
		host->shell.effective = 0;
		host->shell.places[0] =
			(struct settings_tmout){ .file = "/etc/profile",
						 .line = 3,
						 .after_ns = S(given->tmout),
						 .conditional = given->tmout_conditional };
	}
	host->logind.running = given->stop_idle != 0;
	host->logind.stop_idle_session_ns = span_or(given->stop_idle, SETTING_OFF);
	host->logind.idle_action_ns = span_or(given->idle_action, SETTING_OFF);
	host->tcp.keepalive_time_ns = span_or(given->keepalive_time, S(7200));
	host->tcp.keepalive_interval_ns = S(75);
	host->tcp.keepalive_probes = 9;
	host->tcp.retries2 = given->retries2 ? given->retries2 : 15;
}

static void compute(const struct given *given, enum outcome_situation situation,
		    struct outcome *ret_outcome)
{
	static struct settings_host host;
	struct outcome_case outcome_case = { .host = &host,
					     .server = &host.servers[0],
					     .query = { .user = "alice" } };
	struct config *config = make_config(given);

	memset(&host, 0, sizeof(host));
	fill_host(given, &host);
	outcome_case.config = config;
	outcome_compute(&outcome_case, situation, ret_outcome);
	config_free(config);
}

#define SSHD_92	      .major = 9, .minor = 2
#define SSHD_95	      .major = 9, .minor = 5
#define DROPBEAR      .server = SERVER_DROPBEAR
#define TINYSSH	      .server = SERVER_TINYSSH
#define ALIVE(i, c)   .interval = i, .count = c
#define OWN(i, c)     .own_interval = i, .own_count = c
#define TIMEOUT(t, s) .channel_type = t, .channel_timeout = s
/* What is set comes last, as that has commas. */
#define ROW(claim, situation, what, mechanism, earliest_s, latest_s, ...)      \
	{                                                                      \
		claim, { __VA_ARGS__ }, SITUATION_##situation, OUTCOME_##what, \
			MECHANISM_##mechanism, earliest_s, latest_s            \
	}

static const struct row rows[] = {
	/* sshd's ClientAlive: measured times lie within. */
	ROW("9.2, 1 x 3: 7.5 to 8.0", STOPPED_SILENT, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 4, 8,
	    SSHD_92, ALIVE(1, 3)),
	ROW("9.2, 1 x 6: 13.2 to 14.0", NETWORK_GONE, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 7, 14,
	    SSHD_92, ALIVE(1, 6)),
	ROW("9.2, 45 x 1: 180.1", LID_CLOSED, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 90, 180, SSHD_92,
	    ALIVE(45, 1)),
	ROW("9.4 as 9.2", LID_CLOSED, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 90, 180, .major = 9,
	    .minor = 4, ALIVE(30, 2)),
	ROW("9.5, 3 x 4: 14.9", STOPPED_SILENT, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 15, 15,
	    SSHD_95, ALIVE(3, 4)),
	ROW("10.5, 60 x 2: 180.1", NETWORK_GONE, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 180, 180,
	    .major = 10, .minor = 5, ALIVE(60, 2)),
	ROW("8.4 as 9.5", NETWORK_GONE, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 180, 180, .major = 8,
	    .minor = 4, ALIVE(60, 2)),
	ROW("unknown: either", NETWORK_GONE, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 180, 360,
	    ALIVE(60, 2)),
	ROW("count 0 is off since 8.2", STOPPED_SILENT, NOTHING, NONE, 0, 0, SSHD_92, ALIVE(2, 0)),
	ROW("count 0 ended at once before", STOPPED_SILENT, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 60,
	    60, .major = 8, .minor = 0, ALIVE(60, 0)),
	ROW("no probe while it prints", STOPPED_PRINTING, NOTHING, NONE, 0, 0, SSHD_92,
	    ALIVE(15, 3)),
	ROW("no probe while it prints, 10.5", STOPPED_PRINTING, NOTHING, NONE, 0, 0, .major = 10,
	    .minor = 5, ALIVE(15, 3)),
	ROW("9.1 probes all the same", STOPPED_PRINTING, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 60,
	    60, .major = 9, .minor = 1, ALIVE(15, 3)),
	ROW("probes when nothing more fits", STOPPED_FLOOD, CONNECTION_ENDED, SSHD_CLIENT_ALIVE, 60,
	    70, SSHD_95, ALIVE(15, 3)),
	ROW("a person who is away answers", PROMPT, NOTHING, NONE, 0, 0, SSHD_92, ALIVE(15, 3)),
	ROW("... and so does top", TOP, NOTHING, NONE, 0, 0, SSHD_92, ALIVE(15, 3)),
	ROW("... and sftp", SFTP_IDLE, NOTHING, NONE, 0, 0, SSHD_92, ALIVE(15, 3)),

	/* ChannelTimeout */
	ROW("a prompt is quiet", PROMPT, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 300, 300, SSHD_92,
	    TIMEOUT("session:*", 300)),
	ROW("session matches nothing", PROMPT, NOTHING, NONE, 0, 0, SSHD_92,
	    TIMEOUT("session", 300)),
	ROW("top prints", TOP, NOTHING, NONE, 0, 0, SSHD_92, TIMEOUT("session:*", 300)),
	ROW("top is quiet for 1 s", TOP, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 1, 2, SSHD_92,
	    TIMEOUT("session:*", 1)),
	ROW("tmux prints its clock", TMUX, NOTHING, NONE, 0, 0, SSHD_92, TIMEOUT("session:*", 300)),
	ROW("... every minute only", TMUX, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 20, 40, SSHD_92,
	    TIMEOUT("session:*", 20)),
	ROW("vim is quiet", VIM, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 300, 300, SSHD_92,
	    TIMEOUT("session:shell", 300)),
	ROW("sftp has its type", SFTP_IDLE, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 60, 60, SSHD_92,
	    TIMEOUT("session:subsystem:*", 60)),
	ROW("a command has another", COMMAND_WORKS, NOTHING, NONE, 0, 0, SSHD_92,
	    TIMEOUT("session:shell", 60)),
	ROW("work is no use to it", COMMAND_WORKS, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 60, 60,
	    SSHD_92, TIMEOUT("session:command", 60)),
	ROW("one of two terminals", MULTIPLEXED, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 60, 60,
	    SSHD_92, TIMEOUT("session:*", 60)),
	ROW("a forward that is idle", FORWARD_IDLE, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 60, 60,
	    SSHD_92, TIMEOUT("direct-tcpip", 60)),
	ROW("a forward that is busy", FORWARD_BUSY, NOTHING, NONE, 0, 0, SSHD_92, TIMEOUT("*", 60)),
	ROW("global, since 9.7", PROMPT, CHANNEL_CLOSED, SSHD_CHANNEL_TIMEOUT, 60, 60, .major = 9,
	    .minor = 7, TIMEOUT("global", 60)),
	ROW("global is for all at once", MULTIPLEXED, NOTHING, NONE, 0, 0, .major = 9, .minor = 7,
	    TIMEOUT("global", 60)),
	ROW("global, before 9.7", PROMPT, NOTHING, NONE, 0, 0, SSHD_92, TIMEOUT("global", 60)),
	ROW("nothing open", FORWARD_UNUSED, CONNECTION_ENDED, SSHD_UNUSED_CONNECTION, 60, 61,
	    SSHD_92, .unused = 60),
	ROW("something open", FORWARD_IDLE, NOTHING, NONE, 0, 0, SSHD_92, .unused = 60),

	/* dropbear */
	ROW("-K 5: 14.95", STOPPED_SILENT, CONNECTION_ENDED, DROPBEAR_KEEPALIVE, 15, 15, DROPBEAR,
	    .keepalive = 5),
	ROW("-K, output does not matter", STOPPED_PRINTING, CONNECTION_ENDED, DROPBEAR_KEEPALIVE,
	    180, 180, DROPBEAR, .keepalive = 60),
	ROW("-K, network gone", NETWORK_GONE_PRINTING, CONNECTION_ENDED, DROPBEAR_KEEPALIVE, 45, 45,
	    DROPBEAR, .keepalive = 15),
	ROW("-K is no idle limit", PROMPT, NOTHING, NONE, 0, 0, DROPBEAR, .keepalive = 15),
	ROW("-I at a prompt", PROMPT, CONNECTION_ENDED, DROPBEAR_IDLE, 60, 60, DROPBEAR,
	    .idle = 60),
	ROW("-I and top", TOP, NOTHING, NONE, 0, 0, DROPBEAR, .idle = 60),
	ROW("-I and another terminal", MULTIPLEXED, NOTHING, NONE, 0, 0, DROPBEAR, .idle = 60),
	ROW("-I and sftp", SFTP_IDLE, CONNECTION_ENDED, DROPBEAR_IDLE, 60, 60, DROPBEAR,
	    .idle = 60),
	ROW("-I without a channel", FORWARD_UNUSED, CONNECTION_ENDED, DROPBEAR_IDLE, 60, 60,
	    DROPBEAR, .idle = 60),
	ROW("-I and a busy forward", FORWARD_BUSY, NOTHING, NONE, 0, 0, DROPBEAR, .idle = 60),
	ROW("rekeying finds out", NETWORK_GONE, CONNECTION_ENDED, DROPBEAR_REKEY, 925,
	    8 * 3600 + 1044, DROPBEAR),

	/* tinysshd */
	ROW("an hour", PROMPT, CONNECTION_ENDED, TINYSSH_HOUR, 3600, 3600, TINYSSH),
	ROW("output is nothing to it", STOPPED_PRINTING, CONNECTION_ENDED, TINYSSH_HOUR, 3600, 3600,
	    TINYSSH),
	ROW("top makes the client answer", TOP, NOTHING, NONE, 0, 0, TINYSSH),
	ROW("one channel", MULTIPLEXED, IMPOSSIBLE, NONE, 0, 0, TINYSSH),
	ROW("no forwards", FORWARD_BUSY, IMPOSSIBLE, NONE, 0, 0, TINYSSH),

	/* TMOUT */
	ROW("at the prompt", PROMPT, LOGGED_OUT, TMOUT, 300, 301, SSHD_92, .tmout = 300),
	ROW("not in vim", VIM, NOTHING, NONE, 0, 0, SSHD_92, .tmout = 300),
	ROW("not in top", TOP, NOTHING, NONE, 0, 0, SSHD_92, .tmout = 300),
	ROW("not while a job runs", JOB_IN_SHELL, NOTHING, NONE, 0, 0, SSHD_92, .tmout = 300),
	ROW("not sftp", SFTP_IDLE, NOTHING, NONE, 0, 0, SSHD_92, .tmout = 300),
	ROW("one of two", MULTIPLEXED, LOGGED_OUT, TMOUT, 300, 301, SSHD_92, .tmout = 300),
	ROW("within tmux", TMUX, LOGGED_OUT, TMOUT, 300, 301, SSHD_92, .tmout = 300),
	ROW("behind an if", PROMPT, NOTHING, NONE, 0, 0, SSHD_92, .tmout = 300,
	    .tmout_conditional = true),
	ROW("dash has none", PROMPT, NOTHING, NONE, 0, 0, SSHD_92, .tmout = 300,
	    .shell = "/bin/dash"),

	/* logind */
	ROW("idle since the last read", PROMPT, SESSION_KILLED, LOGIND_STOP_IDLE, 892, 901, SSHD_92,
	    .stop_idle = 900),
	ROW("the smaller of the two wins", VIM, SESSION_KILLED, LOGIND_STOP_IDLE, 1792, 3601,
	    SSHD_92, .stop_idle = 3600, .idle_action = 1800),
	ROW("top does not read", TOP, SESSION_KILLED, LOGIND_STOP_IDLE, 892, 901, SSHD_92,
	    .stop_idle = 900),
	ROW("no terminal, never idle", SFTP_IDLE, NOTHING, NONE, 0, 0, SSHD_92, .stop_idle = 900),
	ROW("dropbear registers no session", PROMPT, NOTHING, NONE, 0, 0, DROPBEAR,
	    .stop_idle = 900),
	ROW("which of two terminals", MULTIPLEXED, NOTHING, NONE, 0, 0, SSHD_92, .stop_idle = 900),

	/* the kernel */
	ROW("7200 + 9 x 75", NETWORK_GONE, CONNECTION_ENDED, TCP_KEEPALIVE, 7875, 7876, SSHD_92),
	ROW("not without TCPKeepAlive", NETWORK_GONE, NOTHING, NONE, 0, 0, SSHD_92,
	    .no_tcp_keepalive = true),
	ROW("what is printed is not acknowledged", NETWORK_GONE_PRINTING, CONNECTION_ENDED,
	    TCP_RETRANSMISSION, 925, 1050, SSHD_92),
	ROW("... with fewer tries", NETWORK_GONE_PRINTING, CONNECTION_ENDED, TCP_RETRANSMISSION,
	    103, 204, SSHD_92, .retries2 = 8),
	ROW("probes without an end of their own", NETWORK_GONE, CONNECTION_ENDED,
	    TCP_RETRANSMISSION, 984, 1110, SSHD_95, ALIVE(60, 0)),
	ROW("while ClientAlive waits", NETWORK_GONE_PRINTING, CONNECTION_ENDED, TCP_RETRANSMISSION,
	    925, 1050, SSHD_92, ALIVE(15, 3)),
	ROW("a stopped program's kernel answers", STOPPED_SILENT, NOTHING, NONE, 0, 0, SSHD_92),
	ROW("tinysshd has no keepalive", LID_CLOSED, CONNECTION_ENDED, TINYSSH_HOUR, 3600, 3600,
	    TINYSSH),

	/* sshidle */
	ROW("idle at a prompt", PROMPT, CONNECTION_ENDED, SSHIDLE_IDLE, 900, 918, SSHD_92,
	    .idle_timeout = 900),
	ROW("top is no input", TOP, CONNECTION_ENDED, SSHIDLE_IDLE, 900, 918, SSHD_92,
	    .idle_timeout = 900),
	ROW("... unless output counts", TOP, NOTHING, NONE, 0, 0, SSHD_92, .idle_timeout = 900,
	    .counts = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT)),
	ROW("one of two terminals", MULTIPLEXED, TERMINAL_HUNG_UP, SSHIDLE_IDLE, 900, 918, SSHD_92,
	    .idle_timeout = 900),
	ROW("work, up to WorkMax", COMMAND_WORKS, CONNECTION_ENDED, SSHIDLE_IDLE, 4500, 4590,
	    SSHD_92, .idle_timeout = 900, .work_max = 3600),
	ROW("waiting is no work", COMMAND_WAITS, CONNECTION_ENDED, SSHIDLE_IDLE, 900, 918, SSHD_92,
	    .idle_timeout = 900),
	ROW("work in a shell does not count", JOB_IN_SHELL, CONNECTION_ENDED, SSHIDLE_IDLE, 900,
	    918, SSHD_92, .idle_timeout = 900),
	ROW("traffic is use", FORWARD_BUSY, NOTHING, NONE, 0, 0, SSHD_92, .idle_timeout = 900),
	ROW("report only", PROMPT, REPORTED, SSHIDLE_IDLE, 900, 918, SSHD_92, .idle_timeout = 900,
	    .report = true),
	ROW("the host, silent", NETWORK_GONE, CONNECTION_ENDED, SSHIDLE_HOST, 45, 46, SSHD_92,
	    OWN(15, 3)),
	ROW("the host, printing", NETWORK_GONE_PRINTING, CONNECTION_ENDED, SSHIDLE_HOST, 180, 183,
	    SSHD_92, OWN(60, 3)),
	ROW("of any server", LID_CLOSED, CONNECTION_ENDED, SSHIDLE_HOST, 45, 46, TINYSSH,
	    OWN(15, 3)),
	ROW("own count 0: never", STOPPED_SILENT, NOTHING, NONE, 0, 0, SSHD_92, OWN(15, 0)),
	ROW("the program, by the server's probes", STOPPED_SILENT, CONNECTION_ENDED,
	    SSHIDLE_PROGRAM, 45, 71, SSHD_92, ALIVE(15, 8), OWN(15, 3)),
	ROW("... where it sends none", STOPPED_SILENT, NOTHING, NONE, 0, 0, SSHD_92, OWN(15, 3)),
	ROW("... where it prints", STOPPED_PRINTING, NOTHING, NONE, 0, 0, SSHD_92, ALIVE(15, 3),
	    OWN(15, 3)),
	ROW("... by a full window, perhaps", STOPPED_FLOOD, NOTHING, NONE, 0, 0, SSHD_92,
	    OWN(15, 3)),
	ROW("... by probes when nothing more fits", STOPPED_FLOOD, CONNECTION_ENDED,
	    SSHIDLE_PROGRAM, 45, 80, SSHD_92, ALIVE(15, 8), OWN(15, 3)),
	ROW("sshidle before sshd", LID_CLOSED, CONNECTION_ENDED, SSHIDLE_HOST, 45, 46, SSHD_92,
	    ALIVE(15, 3), OWN(15, 3)),
	ROW("settings that could not be read", LID_CLOSED, UNKNOWN, NONE, 0, 0, SSHD_92,
	    ALIVE(15, 3), .trouble = true),
};

static void each_row(void **state)
{
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		const struct outcome_effect *first = &outcome.effects[0];

		compute(&row->given, row->situation, &outcome);
		if (outcome.what != row->what ||
		    (row->mechanism != MECHANISM_NONE &&
		     (outcome.n == 0 || first->mechanism != row->mechanism ||
		      first->earliest_ns > S(row->earliest_s) ||
		      first->earliest_ns < S(row->earliest_s - 1) ||
		      first->latest_ns < S(row->latest_s) ||
		      first->latest_ns > S(row->latest_s) + S(14))))
			fail_msg("%s: %s by %s after %lld to %lld ms", row->claim,
				 outcome_what_name(outcome.what),
				 outcome_mechanism_name(outcome.n ? first->mechanism
								  : MECHANISM_NONE),
				 (long long)(outcome.n ? first->earliest_ns / NS_PER_MS : 0),
				 (long long)(outcome.n ? first->latest_ns / NS_PER_MS : 0));
	}
}

/* Behind the one that decides stand the others, and what may happen stands last. */
static void others_stay_behind(void **state)
{
	const struct given given = { SSHD_92,		ALIVE(15, 3),
				     .tmout = 300,	.idle_timeout = 900,
				     .stop_idle = 1800, TIMEOUT("session:*", 600) };
	struct outcome outcome;

	(void)state;
	compute(&given, SITUATION_PROMPT, &outcome);
	assert_int_equal(outcome.n, 4);
	assert_int_equal(outcome.effects[0].mechanism, MECHANISM_TMOUT);
	assert_int_equal(outcome.effects[1].mechanism, MECHANISM_SSHD_CHANNEL_TIMEOUT);
	assert_int_equal(outcome.effects[2].mechanism, MECHANISM_SSHIDLE_IDLE);
	assert_int_equal(outcome.effects[3].mechanism, MECHANISM_LOGIND_STOP_IDLE);
	assert_string_equal(outcome.effects[0].setting, "TMOUT=300");
	assert_string_equal(outcome.effects[0].source, "/etc/profile:3");
	assert_string_equal(outcome.effects[0].unless, "the user changes TMOUT");
	assert_string_equal(outcome.effects[1].setting, "ChannelTimeout session:*=10m");
	assert_string_equal(outcome.effects[2].source, "c:1");
	assert_true(outcome.effects[2].warned_ns == S(60));
	/* A shell that logs out into the void makes the kernel notice. */
	compute(&given, SITUATION_LID_CLOSED, &outcome);
	assert_int_equal(outcome.effects[0].mechanism, MECHANISM_SSHD_CLIENT_ALIVE);
}

/* A channel that was closed leaves a connection with nothing open. */
static void unused_after_closed(void **state)
{
	const struct given given = { SSHD_92, TIMEOUT("*", 60), .unused = 30 };
	struct outcome outcome;

	(void)state;
	compute(&given, SITUATION_FORWARD_IDLE, &outcome);
	assert_int_equal(outcome.n, 2);
	assert_int_equal(outcome.effects[0].mechanism, MECHANISM_SSHD_CHANNEL_TIMEOUT);
	assert_int_equal(outcome.effects[1].mechanism, MECHANISM_SSHD_UNUSED_CONNECTION);
	assert_true(outcome.effects[1].latest_ns >= S(90));
	compute(&given, SITUATION_PROMPT, &outcome);
	assert_int_equal(outcome.n, 1);
}

/* Who asks a host that has gone sends something. */
static void asking_is_no_silence(void **state)
{
	const struct given silent = { DROPBEAR },
			   asked = { DROPBEAR, OWN(60, 3), .idle_timeout = 900 };
	struct outcome outcome;

	(void)state;
	compute(&silent, SITUATION_LID_CLOSED, &outcome);
	assert_int_equal(outcome.n_remarks, 1);
	compute(&asked, SITUATION_LID_CLOSED, &outcome);
	assert_int_equal(outcome.n_remarks, 0);
}

static bool says(const struct outcome_notes *notes, const char *words)
{
	for (size_t i = 0; i < notes->n; i++)
		if (strstr(notes->texts[i], words))
			return true;
	return false;
}

static void notes_say_it(void **state)
{
	static struct settings_host host;
	struct outcome_case outcome_case = { .host = &host, .server = &host.servers[0] };
	struct outcome_notes notes;
	struct given given = { SSHD_92, ALIVE(300, 3), TIMEOUT("session", 60) };

	(void)state;
	fill_host(&given, &host);
	outcome_server_notes(&outcome_case, &notes);
	assert_true(says(&notes, "no idle limit"));
	assert_true(says(&notes,
			 "5m x 3 is not 15m: this version ends a client that does not answer "
			 "after 20m to 40m"));
	assert_true(says(&notes, "session=1m matches no channel"));
	given = (struct given){ SSHD_95, ALIVE(300, 0), .tmout = 60, .stop_idle = 3600,
				.idle_action = 1800 };
	memset(&host, 0, sizeof(host));
	fill_host(&given, &host);
	outcome_server_notes(&outcome_case, &notes);
	assert_int_equal(notes.n, 1);
	assert_true(says(&notes, "ClientAliveCountMax 0 switches the end off"));
	outcome_host_notes(&outcome_case, &notes);
	assert_int_equal(notes.n, 3);
	assert_true(says(&notes, "not read-only"));
	assert_true(says(&notes, "IdleActionSec 30m is smaller"));
}

static void everything_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SITUATION_N; i++) {
		assert_non_null(outcome_situation_name((enum outcome_situation)i));
		assert_non_null(outcome_situation_title((enum outcome_situation)i));
	}
	for (unsigned i = 0; i < OUTCOME_N; i++)
		assert_non_null(outcome_what_title((enum outcome_what)i));
	for (unsigned i = 0; i < MECHANISM_N; i++)
		assert_non_null(outcome_mechanism_name((enum outcome_mechanism)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row),
		cmocka_unit_test(others_stay_behind),
		cmocka_unit_test(unused_after_closed),
		cmocka_unit_test(asking_is_no_silence),
		cmocka_unit_test(notes_say_it),
		cmocka_unit_test(everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
