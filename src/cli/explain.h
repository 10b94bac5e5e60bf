/* What `sshidle explain` has gathered, and the two ways to show it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/outcome.h"

#define EXPLAIN_PATH_BYTES 512
#define EXPLAIN_GROUPS_MAX 128

struct explain {
	struct settings_host *host; /* owned */
	struct config *config;	    /* owned; NULL: none is in force */
	bool running;		    /* sshidled */
	bool assumed;		    /* the configuration is the one of -f, whatever runs */
	char config_path[EXPLAIN_PATH_BYTES];
	char trouble[OUTCOME_NOTE_BYTES]; /* why the configuration is not known; "" it is */
	bool all;			  /* also what comes second */
	const char *user, *from;	  /* NULL: not asked */
	char *groups[EXPLAIN_GROUPS_MAX]; /* owned each */
	size_t n_groups;
	const struct settings_server *shown[SETTINGS_SERVERS_MAX];
	size_t n_shown;
};

/* The case of one server; lives as long as `explain`. */
void explain_case(const struct explain *explain, const struct settings_server *server,
		  struct outcome_case *ret_case);

/* "OpenSSH 9.2 on port 22", printable only after output_escape(). */
void explain_server_title(const struct settings_server *server, char *ret_text, size_t size);

void explain_print(const struct explain *explain);

/* NULL without memory. */
json_t *explain_json_new(const struct explain *explain);
