/* What is to be said of settings that do not do what they are taken for. */
#include <string.h>

#include "base/text.h"
#include "core/config.h"
#include "core/outcome-private.h"

#define SAY(notes, ...) (void)text_append(next_note(notes), OUTCOME_NOTE_BYTES, __VA_ARGS__)

/* Room for one more; beyond the last one that is written over. */
static char *next_note(struct outcome_notes *notes)
{
	char *text = notes->texts[notes->n < OUTCOME_NOTES_MAX ? notes->n++ : notes->n - 1];

	text[0] = '\0';
	return text;
}

static void note_client_alive(const struct settings_openssh *sshd, struct outcome_notes *notes)
{
	const int64_t interval_ns = sshd->client_alive_interval_ns;
	const int count = sshd->client_alive_count_max;
	struct outcome_span end;

	if (interval_ns <= 0 || count < 0)
		return;
	if (!outcome_sshd_alive(sshd, &end)) {
		SAY(notes,
		    "ClientAliveCountMax 0 switches the end off (since OpenSSH 8.2): "
		    "ClientAliveInterval %s ends nothing. Before 8.2 it was taken for an "
		    "idle limit.",
		    outcome_span_text(interval_ns).text);
		return;
	}
	SAY(notes,
	    "ClientAliveInterval and ClientAliveCountMax are no idle limit: the client of a "
	    "person who is away answers for days. They end only clients that do not answer.");
	if (count > 0 && end.latest_ns - end.earliest_ns > 2 * WHOLE_SECOND_NS)
		SAY(notes,
		    "%s x %d is not %s: this version ends a client that does not answer after "
		    "%s to %s.",
		    outcome_span_text(interval_ns).text, count,
		    outcome_span_text(interval_ns * count).text,
		    outcome_span_text(end.earliest_ns + WHOLE_SECOND_NS).text,
		    outcome_span_text(end.latest_ns - WHOLE_SECOND_NS).text);
	else if (count > 0)
		SAY(notes,
		    "%s x %d is not %s: sshd ends a client that does not answer after "
		    "interval x (count + 1), here %s.",
		    outcome_span_text(interval_ns).text, count,
		    outcome_span_text(interval_ns * count).text,
		    outcome_span_text(end.earliest_ns + WHOLE_SECOND_NS).text);
	if (!outcome_sshd_older(sshd, 9, 2))
		SAY(notes,
		    "No probe goes out while a session prints more often than every "
		    "%s: its client is then never missed.",
		    outcome_span_text(interval_ns).text);
}

static void note_channel_timeouts(const struct settings_openssh *sshd, struct outcome_notes *notes)
{
	for (size_t i = 0; i < sshd->n_channel_timeouts; i++) {
		const struct settings_channel_timeout *one = &sshd->channel_timeouts[i];

		if (text_equal(one->type, "session"))
			SAY(notes,
			    "ChannelTimeout session=%s matches no channel and has no "
			    "effect; session:*=%s would.",
			    outcome_span_text(one->after_ns).text,
			    outcome_span_text(one->after_ns).text);
		else if (text_equal(one->type, "global") && outcome_sshd_older(sshd, 9, 7))
			SAY(notes,
			    "ChannelTimeout global=%s has no effect before "
			    "OpenSSH 9.7.",
			    outcome_span_text(one->after_ns).text);
		else if (text_starts(one->type, "session:"))
			SAY(notes,
			    "ChannelTimeout %s=%s counts output as use: top, and the clock "
			    "of tmux, keep a session for ever. It warns nobody.",
			    one->type, outcome_span_text(one->after_ns).text);
	}
}

static void note_dropbear(const struct settings_dropbear *dropbear, struct outcome_notes *notes)
{
	if (dropbear->idle_ns > 0)
		SAY(notes, "dropbear -I counts traffic in either direction: top keeps a session "
			   "for ever, and so does dbclient -K.");
	if (dropbear->keepalive_ns <= 0)
		SAY(notes, "Without -K dropbear does not notice that a client has gone: it sets no "
			   "TCP keepalive. It finds out when it has something to send.");
}

void outcome_server_notes(const struct outcome_case *outcome_case, struct outcome_notes *ret_notes)
{
	const struct settings_server *server = outcome_case->server;

	ret_notes->n = 0;
	if (server->trouble[0] != '\0')
		return;
	switch (server->server) {
	case SERVER_OPENSSH:
		note_client_alive(&server->openssh, ret_notes);
		note_channel_timeouts(&server->openssh, ret_notes);
		return;
	case SERVER_DROPBEAR:
		note_dropbear(&server->dropbear, ret_notes);
		return;
	case SERVER_TINYSSH:
		SAY(ret_notes, "tinysshd's hour is built in, and counts what the client sends: any "
			       "client keepalive makes it endless.");
		return;
	case SERVER_N:
		return;
	}
}

static void note_logind(const struct settings_logind *logind, struct outcome_notes *notes)
{
	if (!logind->running || logind->stop_idle_session_ns <= 0)
		return;
	SAY(notes,
	    "StopIdleSessionSec %s looks at the access time of the terminal: typing at a program "
	    "that does not read is idle to it, and a session without a terminal never is. It "
	    "kills tmux and nohup jobs with the session.",
	    outcome_span_text(logind->stop_idle_session_ns).text);
	if (logind->idle_action_ns > 0 && logind->idle_action_ns < logind->stop_idle_session_ns)
		SAY(notes,
		    "IdleActionSec %s is smaller than StopIdleSessionSec %s: a session may be "
		    "killed after the smaller one already.",
		    outcome_span_text(logind->idle_action_ns).text,
		    outcome_span_text(logind->stop_idle_session_ns).text);
}

static void note_tmout(const struct settings_shell *shell, struct outcome_notes *notes)
{
	const struct settings_tmout *tmout;

	if (shell->effective < 0 || (size_t)shell->effective >= shell->n)
		return;
	tmout = &shell->places[shell->effective];
	if (tmout->after_ns <= 0)
		return;
	SAY(notes,
	    "TMOUT=%lld (%s:%d) works at the shell's prompt only, also in the middle of typing; "
	    "not in vim, less or top, and not for sftp.%s",
	    (long long)(tmout->after_ns / NS_PER_S), tmout->file, (int)tmout->line,
	    tmout->read_only ? "" : " It is not read-only: any user can switch it off.");
}

void outcome_host_notes(const struct outcome_case *outcome_case, struct outcome_notes *ret_notes)
{
	ret_notes->n = 0;
	note_tmout(&outcome_case->host->shell, ret_notes);
	note_logind(&outcome_case->host->logind, ret_notes);
}
