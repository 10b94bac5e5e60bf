#include <stdint.h>
#include <stdio.h>

#include "base/duration.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/target.h"

enum command_exit command_keep(const struct arguments *arguments)
{
	const char *duration = arguments->operands[arguments->n_operands - 1];
	const char *target = arguments->n_operands > 1 ? arguments->operands[0] : NULL;
	json_t *reply = NULL;
	enum command_exit result;
	const char *until;
	int64_t for_ns;
	json_int_t id;

	if (duration_parse(duration, &for_ns) < 0)
		return command_usage(command_find("keep"),
				     "\"%s\" is no span of time; 90, 15m or 1h30m would be",
				     duration);
	result = target_find(arguments, target, &id);
	if (result != COMMAND_OK)
		return result;
	result = client_call(
		arguments, "io.sshidle.Keep",
		json_pack("{s:I,s:I}", "id", id, "duration_s", (json_int_t)(for_ns / NS_PER_S)),
		&reply);
	if (result != COMMAND_OK)
		return result;
	until = json_string_value(json_object_get(reply, "until"));
	(void)printf("session %lld is kept ", (long long)id);
	if (until) {
		(void)fputs("until ", stdout);
		output_put(until);
		(void)putchar('\n');
	} else {
		(void)puts("no longer");
	}
	json_decref(reply);
	return COMMAND_OK;
}
