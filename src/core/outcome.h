/*
 * The outcome: what becomes of a session on this host, in a situation that administrators ask for.
 *
 * A pure function of the settings that are in force (core/settings.h), of sshidle's configuration
 * while sshidled runs, and of the situation.  Every mechanism that may end a session is a function
 * that adds what it does as an effect: which end, between when and when, by which setting.  What
 * happens first for certain decides; the others stay behind it, for those who want to know what
 * would happen without it.
 *
 * Times count from the last thing that the client sent, which is also the last use.  The bounds
 * hold for a host that is not overloaded.  docs/decisions/0016-outcomes.md says where each rule
 * comes from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/policy.h"
#include "core/settings.h"

#define OUTCOME_EFFECTS_MAX   16
#define OUTCOME_REMARKS_MAX   6
#define OUTCOME_SETTING_BYTES 160
#define OUTCOME_NOTES_MAX     16
#define OUTCOME_NOTE_BYTES    320

enum outcome_situation {
	SITUATION_LID_CLOSED,
	SITUATION_NETWORK_GONE,
	SITUATION_NETWORK_GONE_PRINTING,
	SITUATION_STOPPED_SILENT,
	SITUATION_STOPPED_PRINTING,
	SITUATION_STOPPED_FLOOD,
	SITUATION_PROMPT,
	SITUATION_TOP,
	SITUATION_VIM,
	SITUATION_TMUX,
	SITUATION_MULTIPLEXED,
	SITUATION_SFTP_IDLE,
	SITUATION_COMMAND_WORKS,
	SITUATION_COMMAND_WAITS,
	SITUATION_JOB_IN_SHELL,
	SITUATION_FORWARD_UNUSED,
	SITUATION_FORWARD_IDLE,
	SITUATION_FORWARD_BUSY,
	SITUATION_N
};

enum outcome_what {
	OUTCOME_NOTHING,
	OUTCOME_CONNECTION_ENDED,
	OUTCOME_CHANNEL_CLOSED, /* by the server; the connection stays if something else is open */
	OUTCOME_LOGGED_OUT,	/* the shell ended by itself */
	OUTCOME_TERMINAL_HUNG_UP, /* one terminal of several */
	OUTCOME_SESSION_KILLED,	  /* with everything in it, tmux and nohup too */
	OUTCOME_REPORTED,	  /* only said in the log */
	OUTCOME_UNKNOWN,	  /* the server's settings could not be read */
	OUTCOME_IMPOSSIBLE,	  /* this server cannot do what the situation needs */
	OUTCOME_N
};

enum outcome_mechanism {
	MECHANISM_NONE,
	MECHANISM_SSHD_CLIENT_ALIVE,
	MECHANISM_SSHD_CHANNEL_TIMEOUT,
	MECHANISM_SSHD_UNUSED_CONNECTION,
	MECHANISM_DROPBEAR_KEEPALIVE,
	MECHANISM_DROPBEAR_IDLE,
	MECHANISM_DROPBEAR_REKEY,
	MECHANISM_TINYSSH_HOUR,
	MECHANISM_TMOUT,
	MECHANISM_LOGIND_STOP_IDLE,
	MECHANISM_TCP_KEEPALIVE,
	MECHANISM_TCP_RETRANSMISSION,
	MECHANISM_SSHIDLE_IDLE,
	MECHANISM_SSHIDLE_HOST,
	MECHANISM_SSHIDLE_PROGRAM,
	MECHANISM_N
};

struct outcome_effect {
	enum outcome_what what;
	enum outcome_mechanism mechanism;
	bool certain;	     /* else it may happen: something that is not known decides */
	int64_t earliest_ns; /* after the last thing that the client sent */
	int64_t latest_ns;   /* TIME_NEVER: no bound is known */
	int64_t slack_ns;    /* how much of that is imprecision, at either end */
	int64_t warned_ns;   /* so long before it a line on the terminal says so; 0: none */
	char setting[OUTCOME_SETTING_BYTES]; /* "ClientAliveInterval 15, ClientAliveCountMax 3" */
	char source[SETTINGS_PATH_BYTES];    /* where that is set */
	const char *unless;		     /* what prevents it, in words; NULL: nothing usual */
	const char *note;		     /* what more there is to know; NULL */
};

struct outcome {
	enum outcome_what what; /* of the first effect if that is certain, else nothing */
	bool connection_stays;	/* after that: with a shell or a channel the client has not gone */
	size_t n;
	struct outcome_effect effects[OUTCOME_EFFECTS_MAX]; /* the one that decides first */
	size_t n_remarks;
	const char *remarks[OUTCOME_REMARKS_MAX]; /* why what one would expect does not happen */
};

struct outcome_case {
	const struct settings_host *host;
	const struct settings_server *server; /* one of the host's */
	const struct config *config;	      /* of the sshidled that runs; NULL: none runs */
	struct policy_query query; /* user, groups and address asked for; the rest is filled in */
};

/* The time of an effect in words: "15m", "1m30s to 3m"; imprecision is left out. */
void outcome_effect_time(const struct outcome_effect *effect, char *ret_text, size_t size);

void outcome_compute(const struct outcome_case *outcome_case, enum outcome_situation situation,
		     struct outcome *ret_outcome);

struct outcome_notes {
	size_t n;
	char texts[OUTCOME_NOTES_MAX][OUTCOME_NOTE_BYTES];
};

/* What is to be said once of a server, below its table: settings that do not do what they are taken
 * for. */
void outcome_server_notes(const struct outcome_case *outcome_case, struct outcome_notes *ret_notes);
/* The same of the host: TMOUT, logind, sshidled. */
void outcome_host_notes(const struct outcome_case *outcome_case, struct outcome_notes *ret_notes);

/* "away-at-prompt" for programs, "person away at a prompt" for people. */
const char *outcome_situation_name(enum outcome_situation situation);
const char *outcome_situation_title(enum outcome_situation situation);
/* "connection-ended", "connection ended". */
const char *outcome_what_name(enum outcome_what what);
const char *outcome_what_title(enum outcome_what what);
/* "sshd-client-alive"; "none". */
const char *outcome_mechanism_name(enum outcome_mechanism mechanism);
