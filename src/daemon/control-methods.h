/* The methods of io.sshidle and org.varlink.service: one row each. */
#pragma once

#include <jansson.h>

#include "daemon/control-client.h"

/* Answers one message of a client. */
void control_methods_take(struct control_client *client, const char *message, size_t n);

/* org.varlink.service.InvalidParameter, also for what is no parameter ("message: not JSON"). */
json_t *control_methods_invalid(const char *what);

/* Queues the next reply to a List that the client takes in parts (list_from), and notes from where to
 * go on. */
void control_methods_list_on(struct control_client *client);
