/*
 * What commands that reason about this host need: its settings, sshidle's configuration, whether
 * sshidled runs with that, and the case that --user and --from ask about.
 */
#pragma once

#include <stdbool.h>

#include "base/groups.h"
#include "cli/command.h"
#include "core/config.h"
#include "core/policy.h"
#include "core/settings.h"

struct host_case {
	struct settings_host *host; /* owned */
	struct config *config;	    /* owned; NULL: wrong or unreadable, which has been said */
	char config_path[512];	    /* the file of it; "" none */
	bool running;		    /* sshidled answers */
	bool stale;		    /* ... but has read another file, or an older state of it */
	struct policy_query query;  /* user, groups and address; NULL without --user and --from */
	struct groups groups;	    /* those of the query */
};

/*
 * Reads all of it.  The configuration is that of -f, else the one that sshidled runs with, else the
 * usual one; where there is none at all and nothing runs, an empty one.  COMMAND_OK, or another code
 * after saying why not.  The case is not to be moved; deinit it in any case.
 */
enum command_exit host_case_load(const struct arguments *arguments, struct host_case *ret_case);
void host_case_deinit(struct host_case *host_case);

/* Says on standard error that not all servers are looked at, if that is so. */
void host_case_left_out(const struct settings_host *host);
