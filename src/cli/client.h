/*
 * Asks sshidled.  Everything blocks: the command has nothing else to do.  Whatever goes wrong
 * has been said on standard error when one of these does not return COMMAND_OK.
 */
#pragma once

#include <jansson.h>

#include "cli/command.h"

/* One call. Takes over `parameters` (NULL: none); ret_parameters is the caller's, never NULL. */
enum command_exit client_call(const struct arguments *arguments, const char *method,
			      json_t *parameters, json_t **ret_parameters);

/* A call with many replies, until the daemon goes away or `take` returns something else than
 * COMMAND_OK. */
enum command_exit client_follow(const struct arguments *arguments, const char *method,
				enum command_exit (*take)(const struct arguments *arguments,
							  const json_t *parameters));
