#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/parked.h"

static enum command_exit drop(const struct parked *parked)
{
	enum command_exit result = COMMAND_FAILED;
	json_t *reply = NULL;
	auto_close int fd = -1;
	int r = parked_connect(parked, &fd);

	if (r < 0) {
		output_error("cannot reach the keeper of %u: %s", parked->id, strerror(-r));
		return result;
	}
	result = parked_call(fd, "io.sshidle.keeper.Drop", NULL, &reply);
	if (result == COMMAND_OK)
		(void)printf("parked session %u gets a hang-up\n", parked->id);
	json_decref(reply);
	return result;
}

enum command_exit command_drop(const struct arguments *arguments)
{
	enum command_exit result = COMMAND_FAILED;
	const struct parked *parked;
	struct parked_list list;
	int r = parked_find(arguments->runtime_dir, PARKED_ALL, &list);

	if (r < 0) {
		output_error("what is parked cannot be found: %s", strerror(-r));
		return result;
	}
	parked = parked_get(&list, arguments->operands[0]);
	if (parked)
		result = drop(parked);
	parked_deinit(&list);
	return result;
}
