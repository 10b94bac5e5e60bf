/*
 * The configuration as the core sees it: blocks of settings, each with the criteria of its
 * Match line.
 *
 * Block 0 is what stands outside of any Match.  As in sshd_config(5) the settings of the Match
 * blocks that fit override those outside, and among the blocks that fit the first one in the file
 * decides.  Within one block the first value wins.  text/config.h makes one of these from
 * text; it is not changed after that, so it may be read from anywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"
#include "core/policy.h"

/* One value each.  Those by kind take KIND_N places: SETTING_IDLE_TIMEOUT + KIND_SFTP. */
enum config_setting {
	SETTING_IDLE_TIMEOUT = 0,	   /* ns, TIME_NEVER: none; by kind */
	SETTING_COUNTS_AS_USE = KIND_N,	   /* USE_BIT()s; by kind */
	SETTING_IDLE_WARNING = 2 * KIND_N, /* ns */
	SETTING_IDLE_ACTION,		   /* enum idle_action */
	SETTING_AFTER_CUT,		   /* enum after_cut */
	SETTING_WORK_MAX,		   /* ns, TIME_NEVER: no end */
	SETTING_WORK_THRESHOLD,		   /* ppm */
	SETTING_KEEP_MAX,		   /* ns */
	SETTING_CLIENT_ALIVE_INTERVAL,	   /* ns */
	SETTING_CLIENT_ALIVE_COUNT_MAX,
	SETTING_PARK_FALLBACK,	  /* enum idle_action, not ACTION_PARK */
	SETTING_PARK_LIFETIME,	  /* ns, TIME_NEVER: no end */
	SETTING_PARK_MAX,	  /* number */
	SETTING_PARK_PERMIT_ROOT, /* 0, 1 */
	SETTING_MAX_CUTS,	  /* number ... */
	SETTING_MAX_CUTS_SPAN,	  /* ... in so many ns */
	SETTING_N
};

struct config_value {
	int64_t number;
	const char *source; /* "FILE:LINE", owned by the configuration; NULL: not set */
};

enum config_criterion_id {
	CRITERION_USER,
	CRITERION_GROUP,
	CRITERION_ADDRESS,
	CRITERION_LOCAL_PORT,
	CRITERION_SERVER,
	CRITERION_KIND,
	CRITERION_COMMAND,
	CRITERION_N
};

struct config_criterion {
	enum config_criterion_id id;
	char *list; /* owned; patterns, addresses or ports with commas between */
};

struct config_block {
	struct config_criterion *criteria; /* all must fit; none of them: fits always */
	size_t n_criteria;
	struct config_value values[SETTING_N];
};

/* Why a session is cut, as a profile has it; a control of a standard is served by one of them. */
enum config_control { CONTROL_IDLE, CONTROL_UNRESPONSIVE, CONTROL_N };

struct config {
	struct config_block *blocks; /* [0] is outside of any Match */
	size_t n_blocks;
	char **sources;
	size_t n_sources;
	char *profile; /* owned; a name or an absolute path, NULL: none */
	const char *profile_source;
	char *controls[CONTROL_N]; /* owned; "pci-dss-4.0:8.2.8", NULL: none; from the profile */
};

/* An empty configuration: all defaults. -ENOMEM. */
int config_new(struct config **ret_config);
void config_free(struct config *config);

/* A new block with the criteria of block `parent` (0: none), to which others are added. -ENOMEM. */
int config_add_block(struct config *config, size_t parent, size_t *ret_block);
int config_add_criterion(struct config *config, size_t block, enum config_criterion_id id,
			 const char *list);

/* Keeps a source text for the life of the configuration. -ENOMEM. */
int config_add_source(struct config *config, const char *source, const char **ret_source);

/* Whether any Match asks for it. */
bool config_asks(const struct config *config, enum config_criterion_id id);

/* Sets a value unless the block has one already: then false. */
bool config_set(struct config *config, size_t block, size_t setting, int64_t number,
		const char *source);

/*
 * A configuration of its own with the Match blocks of `first` before those of `config`; what stands
 * outside of any Match is that of `config` alone.  -ENOMEM.
 */
int config_join(const struct config *first, const struct config *config,
		struct config **ret_config);

/* What holds when nothing is set. */
int64_t config_default(size_t setting);

/*
 * All values for one case, complete with the defaults (their source is "default").  NULL `query`:
 * what stands outside of any Match.  NULL `config`: the defaults.
 */
void config_merge(const struct config *config, const struct policy_query *query,
		  struct config_value ret_values[static SETTING_N]);

/* MaxCuts: at most so many cuts in such a span. */
void config_max_cuts(const struct config *config, uint32_t *ret_n, int64_t *ret_span_ns);

/* The smallest IdleTimeout anywhere in it, TIME_NEVER without any. */
int64_t config_shortest_limit(const struct config *config);
