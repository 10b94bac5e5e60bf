/* What `sshidle explain` has gathered, and the two ways to show it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/host-case.h"
#include "core/outcome.h"

struct explain {
	const struct host_case *host_case;
	bool in_force; /* sshidle's configuration: sshidled runs with it, or -f asks so */
	bool assumed;  /* it is the one of -f, whatever runs */
	bool all;      /* also what comes second */
	const struct settings_server *shown[SETTINGS_SERVERS_MAX];
	size_t n_shown;
};

/* The case of one server; lives as long as `explain`. */
void explain_case(const struct explain *explain, const struct settings_server *server,
		  struct outcome_case *ret_case);

void explain_print(const struct explain *explain);

/* NULL without memory. */
json_t *explain_json_new(const struct explain *explain);
