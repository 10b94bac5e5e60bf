#include <stdio.h>

#include "cli/client.h"
#include "cli/command.h"

enum command_exit command_reload(const struct arguments *arguments)
{
	json_t *reply = NULL;
	enum command_exit result = client_call(arguments, "io.sshidle.Reload", NULL, &reply);

	if (result == COMMAND_OK)
		(void)puts("the configuration has been read again");
	json_decref(reply);
	return result;
}
