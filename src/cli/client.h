/*
 * Asks sshidled.  Everything blocks: the command has nothing else to do.  Whatever goes wrong
 * has been said on standard error when one of these does not return COMMAND_OK.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "cli/command.h"

/* Whether there is a sshidled to ask; says nothing. */
bool client_runs(const struct arguments *arguments);

/* One call. Takes over `parameters` (NULL: none); ret_parameters is the caller's, never NULL. */
enum command_exit client_call(const struct arguments *arguments, const char *method,
			      json_t *parameters, json_t **ret_parameters);

/* A call whose replies are taken as they come. */
struct client_stream;

/* Sends the call and waits for no reply. Takes over `parameters`. */
enum command_exit client_stream_open(const struct arguments *arguments, const char *method,
				     json_t *parameters, struct client_stream **ret_stream);
void client_stream_close(struct client_stream *stream); /* NULL is fine */

/* For poll(2). */
int client_stream_fd(const struct client_stream *stream);

/* Waits for one reply. */
enum command_exit client_stream_wait(struct client_stream *stream, json_t **ret_parameters);

/* Whether the last reply was not the last one. */
bool client_stream_continues(const struct client_stream *stream);

/* One that is there already: 1 and the reply, 0 there is none, -EPIPE: there will be none. Says
 * nothing. */
int client_stream_take(struct client_stream *stream, json_t **ret_parameters);

/* A call with many replies, until the daemon goes away or `take` returns something else than
 * COMMAND_OK. */
enum command_exit client_follow(const struct arguments *arguments, const char *method,
				enum command_exit (*take)(const struct arguments *arguments,
							  const json_t *parameters));
