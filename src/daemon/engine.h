/*
 * The engine: policy, judgement, timers and answers; unprivileged.
 *
 * Everything that happens to a session is decided here and carried out by the monitor.  The control
 * socket (control.h) looks at the sessions and asks for things through the functions below.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/judge.h"
#include "core/session.h"

struct engine;

enum engine_event_kind {
	EVENT_OPENED,
	EVENT_CLOSED,
	EVENT_WARNED,
	EVENT_CANCELLED,
	EVENT_CUT,
	EVENT_PARKED, /* instead of a cut */
	EVENT_HUNG_UP,
	EVENT_REPORTED,
	EVENT_HELD,
	EVENT_KEPT,
	EVENT_RELOADED,
	EVENT_N
};

struct engine_event {
	enum engine_event_kind kind;
	const struct session *session; /* NULL for reloaded */
	int rule;		       /* enum judge_rule, -1 none */
	int32_t tty;		       /* of one terminal, -1: the whole session */
	const char *reason;	       /* prose, already escaped */
};

struct engine_status {
	int64_t started_at_ns; /* CLOCK_MONOTONIC */
	int64_t config_loaded_at_ns;
	int64_t shortest_limit_ns;
	const char *config_file;
	int32_t monitor_pid;
	uint64_t cuts, parks, warnings, held; /* cuts: without the parks */
	size_t sessions;
	const char *const *rules; /* temporary ones: sentences */
	size_t n_rules;
	const char *const *troubles; /* sentences: what cannot be read on this host */
	size_t n_troubles;
};

/* The sessions in order of their ids. NULL at the end. */
const struct session *engine_next_session(struct engine *engine, const struct session *after);
const struct session *engine_find_session(struct engine *engine, uint32_t id);
/* The first whose id is not below this one. */
const struct session *engine_session_from(struct engine *engine, uint32_t id);

/* The verdict as it stood after the last sample. */
struct verdict engine_verdict(struct engine *engine, const struct session *session);

/* The reason of a verdict in words, as of now: "no input for 14m", "kept until ...". */
void engine_reason(const struct session *session, const struct verdict *verdict, int64_t now_ns,
		   char *ret_text, size_t size);

/* Ends a session now. `uid` asks for it, `who` is for the log ("root", "alice"); `message` may be NULL. -EALREADY: it
 * is being ended; -EDQUOT: so many were ended so that MaxCuts holds it back. */
int engine_cut(struct engine *engine, uint32_t id, uint32_t uid, const char *who,
	       const char *message);

/* No warning and no end until `until_ns`; 0 takes it back. -EALREADY: it is being ended; -EAGAIN: that was
 * asked for too often in this minute. */
int engine_keep(struct engine *engine, uint32_t id, const char *who, int64_t until_ns);

/* Most that an owner may ask for this session. */
int64_t engine_keep_max_ns(struct engine *engine, const struct session *session);

/*
 * Reads the configuration again. 0, or -EINVAL with the problems as lines in `ret_problems`
 * (malloc'ed array of malloc'ed strings, owned by the caller); the running configuration then
 * stays.
 */
int engine_reload(struct engine *engine, char ***ret_problems, size_t *ret_n);

/* The configuration of the file as it is in force, as `sshidled -T` prints it. */
void engine_print_config(struct engine *engine, FILE *file);

/* What became of a set of temporary rules; `problems` as for engine_reload(). */
struct engine_rules {
	uint32_t id;
	char **problems;
	size_t n_problems;
};

/*
 * Puts rules (text/config-rules.h) before all blocks of the configuration, until they are removed.
 * Their sessions neither count for the brake nor are held by it.  `who` is for the log.  -EINVAL:
 * they are wrong; -EBUSY: there are rules or sessions of such an address already, or too many
 * rules; the reason is in `problems`.
 */
int engine_rules_add(struct engine *engine, const char *text, const char *who,
		     struct engine_rules *ret_rules);
void engine_rules_remove(struct engine *engine, uint32_t id);

void engine_get_status(struct engine *engine, struct engine_status *ret_status);

int64_t engine_now_ns(void); /* CLOCK_MONOTONIC */

struct confine_witnesses;

struct engine_options {
	const char *config_file;
	const char *state_file; /* in a directory that the engine may write to */
	int32_t monitor_pid;
	int link_fd;			     /* to the monitor; taken over */
	int control_fd;			     /* bound and listening; taken over */
	struct confine_witnesses *witnesses; /* NULL: not confined */
	void (*ready)(void *context);	     /* called once, when nothing can fail any more */
	void *context;
};

/* Runs until the monitor is gone: 0. 1: cannot start; the reasons are in the log. */
int engine_run(const struct engine_options *options);
