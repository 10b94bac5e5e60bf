#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/target.h"

/* What the daemon takes: docs/CONTROL.md. */
enum { MESSAGE_MOST_BYTES = 256 };

enum command_exit command_cut(const struct arguments *arguments)
{
	json_t *parameters, *reply = NULL;
	enum command_exit result;
	json_int_t id;

	if (arguments->message && strlen(arguments->message) > MESSAGE_MOST_BYTES)
		return command_usage(NULL, "the text has %zu bytes, at most %d are shown",
				     strlen(arguments->message), MESSAGE_MOST_BYTES);
	result = target_find(arguments, arguments->operands[0], &id);
	if (result != COMMAND_OK)
		return result;
	parameters = json_pack("{s:I}", "id", id);
	if (arguments->message &&
	    json_object_set_new(parameters, "message", json_string(arguments->message)) < 0) {
		json_decref(parameters);
		return command_usage(NULL, "the text is not UTF-8");
	}
	result = client_call(arguments, "io.sshidle.Cut", parameters, &reply);
	if (result == COMMAND_OK)
		(void)printf("session %lld is being ended\n", (long long)id);
	json_decref(reply);
	return result;
}
