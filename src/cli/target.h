/* Which session is meant: its number, a terminal of it, or the one that the command is called
 * in. */
#pragma once

#include <jansson.h>

#include "cli/command.h"

/* The parameters of io.sshidle.Why for it, owned by the caller. `text` NULL: the caller's own
 * session. */
enum command_exit target_parse(const struct arguments *arguments, const char *text,
			       json_t **ret_parameters);

/* Its number. */
enum command_exit target_find(const struct arguments *arguments, const char *text,
			      json_int_t *ret_id);
