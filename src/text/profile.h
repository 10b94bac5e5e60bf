/*
 * A profile: what a standard asks of sessions that nobody uses and of clients that do not answer,
 * as data.  docs/PROFILES.md has the format.
 *
 * A check has an id, the requirement in one line, and conditions from a small closed vocabulary
 * (enum profile_fact), which src/audit compares with a host.  A check can also say that a cut of
 * sshidled serves it; its id then stands in the record of the cut.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "text/config.h"

#define PROFILE_CHECKS_MAX     100
#define PROFILE_CONDITIONS_MAX 10
#define PROFILE_ID_BYTES       64
#define PROFILE_LINE_BYTES     1000 /* of each text */
#define PROFILE_PROBLEM_BYTES  1024
#define PROFILE_CONTROL_BYTES  256

enum profile_fact {
	FACT_SSHIDLED_RUNNING,	 /* it answers, and has read the configuration that is looked at */
	FACT_IDLE_LIMIT,	 /* IdleTimeout of sshidle.conf for some kinds */
	FACT_IDLE_WARNING,	 /* IdleWarning */
	FACT_UNRESPONSIVE_LIMIT, /* ClientAliveInterval x ClientAliveCountMax of sshidle.conf */
	FACT_SERVERS_UNRESPONSIVE, /* when the servers themselves give up a silent client, really */
	FACT_OPENSSH_CLIENT_ALIVE, /* the two lines of sshd_config as they stand there */
	FACT_SHELL_TMOUT,
	FACT_LOGIND_STOP_IDLE,
	FACT_WORK_KEPT, /* nothing on the host kills what the user left running */
	FACT_ANY_OF,	/* one of several others is enough */
	FACT_N
};

/* One of these, with what it is compared with; spans are -1 when they were not given. */
struct profile_condition {
	enum profile_fact fact;
	uint32_t kinds;	   /* 1 << KIND_x */
	uint32_t only_use; /* USE_BIT()s: nothing else may count as use; 0: not asked */
	int64_t at_most_ns, at_least_ns;
	int64_t count_at_least, count_at_most; /* -1: not asked */
	bool read_only, exported;
	bool no_keep;		       /* sshidle keep must not reach beyond the limit */
	struct profile_condition *any; /* of FACT_ANY_OF; owned */
	size_t n_any;
};

/* Texts belong to the profile; those that are optional are NULL without. */
struct profile_check {
	const char *id;
	const char *requirement;
	const char *fix;
	const char *commonly_looks_at; /* what is often looked at in its place; optional */
	const char *commonly_but;      /* why that does not meet it */
	bool serves[CONTROL_N];
	struct profile_condition *conditions; /* all must hold; owned */
	size_t n_conditions;
};

struct profile {
	const char *name;
	const char *title;
	const char *document; /* with its version */
	const char *note;     /* optional */
	struct profile_check *checks;
	size_t n_checks;
	json_t *json; /* owns the texts */
};

/*
 * Parses a profile.  `file` is for messages.  0 and a profile for profile_free(); -EINVAL with
 * "FILE:LINE:COLUMN: ..." or "FILE: checks[2].fix: ..." in `ret_problem` (PROFILE_PROBLEM_BYTES);
 * -ENOMEM.
 */
int profile_parse(const struct config_text *text, char *ret_problem, struct profile **ret_profile);
void profile_free(struct profile *profile);

/*
 * Reads a profile: one of those that are installed by its name, another one by its path (anything
 * with a `/` in it).  Errors as profile_parse(), and -errno with "PATH: cannot read it: ..." in
 * `ret_problem`.
 */
int profile_load(const char *name, char *ret_problem, struct profile **ret_profile);

/* "NAME:ID" or "NAME:ID,ID", those checks that a cut serves. False: there is none. */
bool profile_control(const struct profile *profile, enum config_control control, char *ret_text,
		     size_t size);
