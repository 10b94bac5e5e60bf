#include "core/outcome.h"

#include <assert.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "core/outcome-private.h"

const struct situation outcome_situations[SITUATION_N] = {
	[SITUATION_LID_CLOSED] = { .name = "lid-closed",
				   .title = "laptop lid closed, at a prompt",
				   .kind = KIND_SHELL,
				   .host_gone = true,
				   .terminal = true,
				   .prompt = true,
				   .channel = "session:shell" },
	[SITUATION_NETWORK_GONE] = { .name = "network-gone",
				     .title = "network gone, vim open",
				     .kind = KIND_SHELL,
				     .host_gone = true,
				     .terminal = true,
				     .channel = "session:shell" },
	[SITUATION_NETWORK_GONE_PRINTING] = { .name = "network-gone-printing",
					      .title = "network gone while the session prints",
					      .kind = KIND_SHELL,
					      .host_gone = true,
					      .terminal = true,
					      .print_every = PRINTS_EVERY_NS,
					      .channel = "session:shell" },
	[SITUATION_STOPPED_SILENT] = { .name = "client-stopped",
				       .title = "client program stopped, vim open",
				       .kind = KIND_SHELL,
				       .program_stopped = true,
				       .terminal = true,
				       .channel = "session:shell" },
	[SITUATION_STOPPED_PRINTING] = { .name = "client-stopped-printing",
					 .title = "client program stopped, session prints",
					 .kind = KIND_SHELL,
					 .program_stopped = true,
					 .terminal = true,
					 .print_every = PRINTS_EVERY_NS,
					 .channel = "session:shell" },
	[SITUATION_STOPPED_FLOOD] = { .name = "client-stopped-flood",
				      .title = "client program stopped, prints without pause",
				      .kind = KIND_SHELL,
				      .program_stopped = true,
				      .terminal = true,
				      .flood = true,
				      .channel = "session:shell" },
	[SITUATION_PROMPT] = { .name = "away-at-prompt",
			       .title = "person away at a prompt",
			       .kind = KIND_SHELL,
			       .terminal = true,
			       .prompt = true,
			       .channel = "session:shell" },
	[SITUATION_TOP] = { .name = "away-in-top",
			    .title = "person away, top runs",
			    .kind = KIND_SHELL,
			    .terminal = true,
			    .print_every = 3 * NS_PER_S,
			    .channel = "session:shell" },
	[SITUATION_VIM] = { .name = "away-in-vim",
			    .title = "person away in vim",
			    .kind = KIND_SHELL,
			    .terminal = true,
			    .channel = "session:shell" },
	[SITUATION_TMUX] = { .name = "away-in-tmux",
			     .title = "person away in tmux",
			     .kind = KIND_SHELL,
			     .terminal = true,
			     .prompt = true,
			     .tmux = true,
			     .print_every = 60 * NS_PER_S,
			     .channel = "session:shell" },
	[SITUATION_MULTIPLEXED] = { .name = "multiplexed",
				    .title = "two terminals, one idle at a prompt, one busy",
				    .kind = KIND_SHELL,
				    .terminal = true,
				    .prompt = true,
				    .busy_beside = true,
				    .channel = "session:shell" },
	[SITUATION_SFTP_IDLE] = { .name = "sftp-idle",
				  .title = "sftp, idle",
				  .kind = KIND_SFTP,
				  .channel = "session:subsystem:sftp" },
	[SITUATION_COMMAND_WORKS] = { .name = "command-works",
				      .title = "long silent command that computes",
				      .kind = KIND_EXEC,
				      .works = true,
				      .channel = "session:command" },
	[SITUATION_COMMAND_WAITS] = { .name = "command-waits",
				      .title = "long silent command that waits",
				      .kind = KIND_EXEC,
				      .channel = "session:command" },
	[SITUATION_JOB_IN_SHELL] = { .name = "job-in-shell",
				     .title = "long silent job in a shell",
				     .kind = KIND_SHELL,
				     .terminal = true,
				     .works = true,
				     .channel = "session:shell" },
	[SITUATION_FORWARD_UNUSED] = { .name = "forward-unused",
				       .title = "tunnel without a connection in it",
				       .kind = KIND_NONE },
	[SITUATION_FORWARD_IDLE] = { .name = "forward-idle",
				     .title = "tunnel, its connection idle",
				     .kind = KIND_FORWARD,
				     .channel = "direct-tcpip" },
	[SITUATION_FORWARD_BUSY] = { .name = "forward-busy",
				     .title = "tunnel, its connection busy",
				     .kind = KIND_FORWARD,
				     .traffic = true,
				     .channel = "direct-tcpip" },
};

static const struct {
	const char *name, *title;
} whats[OUTCOME_N] = {
	[OUTCOME_NOTHING] = { "nothing", "nothing" },
	[OUTCOME_CONNECTION_ENDED] = { "connection-ended", "connection ended" },
	[OUTCOME_CHANNEL_CLOSED] = { "channel-closed", "channel closed" },
	[OUTCOME_LOGGED_OUT] = { "logged-out", "shell logged out" },
	[OUTCOME_TERMINAL_HUNG_UP] = { "terminal-hung-up", "idle terminal hung up" },
	[OUTCOME_SESSION_KILLED] = { "session-killed", "session and all in it killed" },
	[OUTCOME_REPORTED] = { "reported", "only reported" },
	[OUTCOME_UNKNOWN] = { "unknown", "not known" },
	[OUTCOME_IMPOSSIBLE] = { "impossible", "not possible" },
};

static const char *const mechanisms[MECHANISM_N] = {
	[MECHANISM_NONE] = "none",
	[MECHANISM_SSHD_CLIENT_ALIVE] = "sshd-client-alive",
	[MECHANISM_SSHD_CHANNEL_TIMEOUT] = "sshd-channel-timeout",
	[MECHANISM_SSHD_UNUSED_CONNECTION] = "sshd-unused-connection-timeout",
	[MECHANISM_DROPBEAR_KEEPALIVE] = "dropbear-keepalive",
	[MECHANISM_DROPBEAR_IDLE] = "dropbear-idle",
	[MECHANISM_DROPBEAR_REKEY] = "dropbear-rekey",
	[MECHANISM_TINYSSH_HOUR] = "tinyssh-hour",
	[MECHANISM_TMOUT] = "tmout",
	[MECHANISM_LOGIND_STOP_IDLE] = "logind-stop-idle-session",
	[MECHANISM_TCP_KEEPALIVE] = "tcp-keepalive",
	[MECHANISM_TCP_RETRANSMISSION] = "tcp-retransmission",
	[MECHANISM_SSHIDLE_IDLE] = "sshidle-idle",
	[MECHANISM_SSHIDLE_HOST] = "sshidle-unresponsive-host",
	[MECHANISM_SSHIDLE_PROGRAM] = "sshidle-unresponsive-program",
};

const char *outcome_situation_name(enum outcome_situation situation)
{
	return outcome_situations[situation].name;
}

const char *outcome_situation_title(enum outcome_situation situation)
{
	return outcome_situations[situation].title;
}

const char *outcome_what_name(enum outcome_what what)
{
	return whats[what].name;
}

const char *outcome_what_title(enum outcome_what what)
{
	return whats[what].title;
}

const char *outcome_mechanism_name(enum outcome_mechanism mechanism)
{
	return mechanisms[mechanism];
}

int64_t outcome_add_ns(int64_t a_ns, int64_t b_ns)
{
	return a_ns > TIME_NEVER - b_ns ? TIME_NEVER : a_ns + b_ns;
}

struct outcome_span_text outcome_span_text(int64_t ns)
{
	struct outcome_span_text span;

	duration_format(ns, span.text);
	return span;
}

struct outcome_effect *outcome_effect_add(struct outcome_work *work,
					  enum outcome_mechanism mechanism, enum outcome_what what,
					  struct outcome_span span)
{
	struct outcome_effect *effect;

	/* Each mechanism adds at most two. */
	assert(work->out->n < OUTCOME_EFFECTS_MAX);
	effect = &work->out->effects[work->out->n++];
	*effect =
		(struct outcome_effect){ .what = what,
					 .mechanism = mechanism,
					 .certain = true,
					 .earliest_ns = span.earliest_ns < 0 ? 0 : span.earliest_ns,
					 .latest_ns = span.latest_ns,
					 .slack_ns = span.slack_ns };
	return effect;
}

void outcome_remark(struct outcome_work *work, const char *remark)
{
	if (work->out->n_remarks < OUTCOME_REMARKS_MAX)
		work->out->remarks[work->out->n_remarks++] = remark;
}

struct outcome_span outcome_whole_seconds(int64_t near_ns, int64_t far_ns)
{
	return (struct outcome_span){ near_ns - WHOLE_SECOND_NS,
				      outcome_add_ns(far_ns, WHOLE_SECOND_NS), WHOLE_SECOND_NS };
}

enum outcome_chance outcome_quiet(const struct situation *situation, int64_t limit_ns,
				  struct outcome_span *ret_span)
{
	const int64_t every_ns = situation->print_every;

	*ret_span = outcome_whole_seconds(limit_ns, limit_ns);
	if (situation->flood)
		ret_span->latest_ns = outcome_add_ns(ret_span->latest_ns, FILL_NS);
	if (every_ns == 0)
		return CHANCE_CERTAIN;
	if (limit_ns > every_ns)
		return CHANCE_NEVER;
	/* The first output may come at any time, and begins the limit anew. */
	ret_span->latest_ns = outcome_add_ns(ret_span->latest_ns, limit_ns);
	return limit_ns + WHOLE_SECOND_NS < every_ns ? CHANCE_CERTAIN : CHANCE_PERHAPS;
}

/* What happens for certain goes before what may happen, and an end before a report. */
static int rank(const struct outcome_effect *effect)
{
	if (!effect->certain)
		return 2;
	return effect->what == OUTCOME_REPORTED ? 1 : 0;
}

static bool goes_before(const struct outcome_effect *a, const struct outcome_effect *b)
{
	if (rank(a) != rank(b))
		return rank(a) < rank(b);
	if (a->latest_ns != b->latest_ns)
		return a->latest_ns < b->latest_ns;
	return a->earliest_ns < b->earliest_ns;
}

static void sort_effects(struct outcome *out)
{
	for (size_t i = 1; i < out->n; i++) {
		const struct outcome_effect effect = out->effects[i];
		size_t at = i;

		for (; at > 0 && goes_before(&effect, &out->effects[at - 1]); at--)
			out->effects[at] = out->effects[at - 1];
		out->effects[at] = effect;
	}
}

/* Of two times that are nearly the same, the rounder one. */
static int64_t rounder(int64_t a_ns, int64_t b_ns)
{
	static const int64_t units[] = { 3600 * NS_PER_S, 60 * NS_PER_S, NS_PER_S };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (a_ns % units[i] == 0 || b_ns % units[i] == 0)
			return a_ns % units[i] == 0 ? a_ns : b_ns;
	return a_ns;
}

void outcome_effect_time(const struct outcome_effect *effect, char *ret_text, size_t size)
{
	const int64_t near_ns = effect->earliest_ns + effect->slack_ns;
	const int64_t far_ns = effect->latest_ns - effect->slack_ns;
	char near[DURATION_TEXT_BYTES], far[DURATION_TEXT_BYTES];

	ret_text[0] = '\0';
	if (far_ns - near_ns <= NS_PER_S || far_ns - near_ns <= near_ns / 40) {
		duration_format(rounder(near_ns, far_ns), near);
		(void)text_append(ret_text, size, "%s", near);
		return;
	}
	duration_format(near_ns, near);
	duration_format(far_ns, far);
	(void)text_append(ret_text, size, "%s to %s", near, far);
}

/* What the server would do is then one of the things that cannot be known. */
static bool is_unknown(const struct settings_server *server)
{
	if (server->trouble[0] != '\0')
		return true;
	if (server->server == SERVER_OPENSSH)
		return server->openssh.client_alive_interval_ns == SETTING_UNKNOWN;
	return server->server == SERVER_DROPBEAR &&
	       server->dropbear.keepalive_ns == SETTING_UNKNOWN;
}

static void conclude(const struct situation *situation, bool unknown, struct outcome *out)
{
	sort_effects(out);
	out->what = unknown ? OUTCOME_UNKNOWN : OUTCOME_NOTHING;
	if (out->n == 0 || !out->effects[0].certain)
		return;
	out->what = out->effects[0].what;
	out->connection_stays =
		out->what == OUTCOME_TERMINAL_HUNG_UP ||
		((out->what == OUTCOME_LOGGED_OUT || out->what == OUTCOME_CHANNEL_CLOSED) &&
		 (situation->host_gone || situation->program_stopped || situation->busy_beside ||
		  situation->kind == KIND_FORWARD));
}

void outcome_compute(const struct outcome_case *outcome_case, enum outcome_situation situation,
		     struct outcome *ret_outcome)
{
	struct outcome_work work = { .c = outcome_case,
				     .s = &outcome_situations[situation],
				     .out = ret_outcome };

	memset(ret_outcome, 0, sizeof(*ret_outcome));
	if (outcome_case->server->server == SERVER_TINYSSH &&
	    (work.s->busy_beside || work.s->kind == KIND_FORWARD || work.s->kind == KIND_NONE)) {
		ret_outcome->what = OUTCOME_IMPOSSIBLE;
		outcome_remark(&work,
			       "tinysshd has one channel in a connection and forwards nothing");
		return;
	}
	switch (outcome_case->server->server) {
	case SERVER_OPENSSH:
		outcome_add_openssh(&work);
		break;
	case SERVER_DROPBEAR:
		outcome_add_dropbear(&work);
		break;
	case SERVER_TINYSSH:
		outcome_add_tinyssh(&work);
		break;
	case SERVER_N:
		break;
	}
	outcome_add_shell(&work);
	outcome_add_logind(&work);
	outcome_add_tcp(&work);
	outcome_add_sshidle(&work);
	if (work.silent)
		outcome_remark(&work,
			       "the connection has no TCP keepalive, and nothing is sent that "
			       "could fail");
	conclude(work.s, is_unknown(outcome_case->server), ret_outcome);
}
