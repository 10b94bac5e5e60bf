/*
 * sshidle prove: synthetic sessions against the SSH servers of this host, and what becomes of them.
 *
 * Each session comes from an address of its own in 127.0.0.0/8, picked at random, so that the
 * temporary rule for that address (docs/CONTROL.md) concerns it and nothing else.  All situations
 * of a server run side by side, one server after the other.  Everything that is made for it is
 * written into a journal first, and taken away by a process of its own that waits for this one to
 * end, however that comes (prove-clean.c).
 */
#pragma once

#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/duration.h"
#include "cli/client.h"
#include "cli/command.h"
#include "core/settings.h"
#include "text/procstat.h"

#define PROVE_MARK	    "SSHIDLE_PROVE" /* in the environment of what runs for it */
#define PROVE_TEXT_BYTES    512
#define PROVE_PATH_BYTES    256
#define PROVE_SAID_BYTES    4096
#define PROVE_PROCESSES_MAX 32
#define PROVE_TAG_BYTES	    24

/* --- prove-case.c: the situations --- */

enum prove_outcome { PROVE_LIVES, PROVE_IDLE, PROVE_UNRESPONSIVE };

enum prove_trait {
	PROVE_TERMINAL = 1 << 0,
	PROVE_KEEPALIVES = 1 << 1, /* of the client, one a second */
	PROVE_SFTP = 1 << 2,
	PROVE_FORWARD = 1 << 3,
	PROVE_BUSY = 1 << 4, /* is used four times within the limit */
	PROVE_FROZEN = 1 << 5,
	PROVE_PRINTS = 1 << 6,
};

struct prove_situation {
	const char *name;
	enum prove_outcome outcome;
	unsigned traits;
	const char *program; /* what runs in a terminal, for sh */
};

enum { PROVE_SITUATIONS = 9 };
extern const struct prove_situation prove_situations[PROVE_SITUATIONS];

/* Seconds of the limit as ClientAliveInterval x ClientAliveCountMax: whole seconds, three or more
 * intervals where that is possible. */
void prove_case_alive(int64_t limit_ns, unsigned *ret_interval_s, unsigned *ret_count);

/* The rule of one session: a Match block for its address. Owned by the caller; NULL: no memory. */
char *prove_case_rule(const struct prove_situation *situation, const char *address,
		      int64_t limit_ns);

/* --- prove-survey.c: which processes there are --- */

struct prove_process {
	uint64_t start_ticks;
	int32_t pid;
	char name[PROCSTAT_NAME_BYTES];
};

struct prove_processes {
	struct prove_process items[PROVE_PROCESSES_MAX];
	size_t n;
};

/* All processes of the host at one moment. */
struct prove_snapshot {
	struct procstat *items;
	size_t n;
};

int prove_survey_take(struct prove_snapshot *ret_snapshot);
void prove_survey_free(struct prove_snapshot *snapshot);

/* Adds what is below `root`, but not itself. */
void prove_survey_tree(const struct prove_snapshot *snapshot, int32_t root,
		       struct prove_processes *processes);
/* Adds what has PROVE_MARK=mark in its environment, whatever its parent, but not `client`. */
void prove_survey_marked(const struct prove_snapshot *snapshot, const char *mark, int32_t client,
			 struct prove_processes *processes);
/* Takes out what has ended. */
void prove_survey_living(const struct prove_snapshot *snapshot, struct prove_processes *processes);

/* Whether a process of the user is there, also in a container. */
bool prove_survey_has_user(const struct prove_snapshot *snapshot, uid_t uid);

/* Kills what has PROVE_MARK=mark..., or what a user runs outside of containers, until nothing of it is
 * left. False: something stays. */
bool prove_survey_kill_marked(const char *mark);
bool prove_survey_kill_user(uid_t uid);

/* --- prove-run.c, prove-clean.c: what is made for a run, and taken away --- */

struct prove_run {
	char tag[PROVE_TAG_BYTES];
	char directory[64];
	char key[PROVE_PATH_BYTES]; /* the private one; the other is key.pub */
	char known_hosts[PROVE_PATH_BYTES];
	char ssh[PROVE_PATH_BYTES]; /* the client */
	char public_key[PROVE_TEXT_BYTES];
	char user[64];
	char home[PROVE_PATH_BYTES];
	uid_t uid;
	gid_t gid;
	bool throwaway;
	bool is_cleaner; /* this process is the one that waits and cleans */
	bool clean;	 /* all was taken away */
	int journal_fd;	 /* locked for as long as this process or the cleaner lives */
	int cleaner_fd;	 /* closed at the end: that is what the cleaner waits for */
	pid_t cleaner;
};

/* Makes the private directory with its journal, and forks the cleaner, which returns with is_cleaner
 * set when it is done.  -errno, and said. */
int prove_run_begin(struct prove_run *run);

/* The key and the user, `name` or a throwaway one.  -errno, with the reason. */
int prove_run_prepare(struct prove_run *run, const char *name,
		      char ret_why[static PROVE_TEXT_BYTES]);

/* Puts the key where a server looks for it: `path` may have %h, %u and %U, as AuthorizedKeysFile. `options`
 * stand before the key. -errno, with the reason. */
int prove_run_install_key(struct prove_run *run, const char *path, const char *options,
			  char ret_why[static PROVE_TEXT_BYTES]);

/* Takes everything away and waits for that. False: something stays, and it was said what. */
bool prove_run_end(struct prove_run *run);

/* A line in the journal: what has to be undone. */
int prove_clean_note(struct prove_run *run, const char *verb, const char *what);

/* Forks; the parent goes on at once. */
int prove_clean_start(struct prove_run *run);

/* Undoes what the journal of a directory says, and removes the directory. */
bool prove_clean_directory(const char *directory);

/* Those of runs that were killed with their cleaners. */
void prove_clean_leftovers(void);

/* --- prove-client.c: one ssh(1) --- */

struct prove_client {
	pid_t pid; /* 0: none */
	int fd;	   /* the terminal's master, or one end of a pair; -1: closed */
};

/* -errno. */
int prove_client_start(const struct prove_run *run, const struct prove_situation *situation,
		       const char *const *argv, const char *mark, struct prove_client *ret_client);
void prove_client_end(struct prove_client *client);
/* -EPIPE: it takes nothing any more. */
int prove_client_send(const struct prove_client *client, const void *bytes, size_t n);

/* --- prove-server.c: the servers --- */

struct prove_server {
	struct settings_server
		native; /* what src/native knows of it; executable is "" if it does not */
	enum server_id id;
	uint16_t port;
	char address[INET_ADDRSTRLEN]; /* to connect to */
	char banner[128];
	char cannot[PROVE_TEXT_BYTES]; /* why nothing can be proved there; "" it can */
	struct prove_case *cases;      /* PROVE_SITUATIONS of them; NULL: none were played */
};

struct prove_servers {
	struct prove_server *items;
	size_t n;
};

/* `which` as on the command line. -errno, and said: none fits, not a name. */
int prove_servers_find(const char *which, struct prove_servers *ret_servers);
void prove_servers_free(struct prove_servers *servers);

/* Puts the key where this server looks for it, good for clients from these addresses, and logs in once
 * from the last of them. False: server->cannot says why not. */
bool prove_server_ready(struct prove_server *server, struct prove_run *run,
			const char addresses[][INET_ADDRSTRLEN], size_t n);

/* The words of ssh(1) for one session, NULL at the end; they point into what is given. */
enum { PROVE_ARGV_MAX = 48 };
struct prove_command {
	const char *argv[PROVE_ARGV_MAX];
	char port[8], login[64 + INET_ADDRSTRLEN + 2], forward[64], known[PROVE_PATH_BYTES + 32];
	size_t n;
};
void prove_command_init(struct prove_command *command, const struct prove_run *run,
			const struct prove_server *server, const char *from);
void prove_command_add(struct prove_command *command, const char *word);

/* --- prove-watch.c: a server's sessions side by side --- */

enum prove_phase {
	PROVE_WAITING,
	PROVE_LOGIN,	/* until sshidled has seen it */
	PROVE_SETTLING, /* until sshidled has taken its first sample */
	PROVE_STARTING, /* until what it is to do goes on */
	PROVE_RUNNING,
	PROVE_ENDED, /* until sshidled has said why */
	PROVE_DONE,
};

enum prove_verdict {
	PROVE_COULD_NOT_RUN, /* as long as nothing else is known */
	PROVE_AS_PROMISED,
	PROVE_NOT_AS_PROMISED,
	PROVE_NOT_APPLICABLE, /* the server has no such thing */
};

struct prove_case {
	const struct prove_situation *situation;
	char address[INET_ADDRSTRLEN];
	char mark[PROVE_TAG_BYTES + INET_ADDRSTRLEN];
	char *rule; /* owned */
	enum prove_phase phase;
	struct prove_client client;
	int pidfd; /* of the server's process of the session */
	int32_t pid;
	int64_t phase_at_ns, last_use_ns, busy_at_ns, warned_at_ns, ended_at_ns;
	char said[PROVE_SAID_BYTES]; /* the last of what it printed, terminated */
	size_t n_said;
	int ended_by; /* rule of sshidled, 0: none */
	bool told;    /* sshidled has said why */
	char reason[PROVE_TEXT_BYTES / 2];
	struct prove_processes processes; /* of the session; at the end those left alive */
	enum prove_verdict verdict;
	int64_t after_ns; /* from its last use to its end, or to when it was let go */
	char happened[PROVE_TEXT_BYTES];
};

struct prove_watch {
	const struct arguments *arguments;
	struct prove_run *run;
	struct prove_server *server;
	struct client_stream *events, *rules;
	int echo_fd; /* listens; what comes in is sent back */
	uint16_t echo_port;
	int64_t limit_ns, now_ns, worst_delay_ns, surveyed_at_ns;
	bool daemon_gone;
};

/* Set by SIGINT and the like. */
extern volatile sig_atomic_t prove_interrupted;

/* Plays all situations; each case has its verdict then. -EINTR: interrupted; -EPIPE: sshidled has
 * gone; both leave cases that could not run. */
int prove_watch_play(struct prove_watch *watch);

/* What one case is to become, in words; and how late it may be. */
void prove_verdict_promise(const struct prove_case *one, int64_t limit_ns, char *ret_text,
			   size_t size);
int64_t prove_verdict_tolerance_ns(const struct prove_watch *watch, int64_t limit_ns);
/* How long after its last use it is watched. */
int64_t prove_verdict_patience_ns(const struct prove_watch *watch, const struct prove_case *one);
/* Once it is over (or was let go): verdict and happened. */
void prove_verdict_give(const struct prove_watch *watch, struct prove_case *one);

/* --- prove-report.c: text, JSON, evidence --- */

struct prove_report {
	const struct arguments *arguments;
	const struct prove_run *run;
	const struct prove_servers *servers;
	json_t *status;		   /* of sshidled */
	const char *configuration; /* in force */
	int64_t limit_ns, worst_delay_ns;
	char began[CLOCK_TEXT_BYTES], ended[CLOCK_TEXT_BYTES];
	bool clean;
	enum prove_verdict verdict;
};

void prove_report_print(const struct prove_report *report);
json_t *prove_report_new(const struct prove_report *report);
/* Writes and signs. -errno, and said. */
int prove_report_keep(const struct prove_report *report, const json_t *evidence);
