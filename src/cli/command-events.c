#include <stdio.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"

static void put_with(const char *before, const char *text)
{
	if (text[0] == '\0')
		return;
	(void)fputs(before, stdout);
	output_put(text);
}

static void put_event(const json_t *event)
{
	const json_t *rule = json_object_get(event, "rule");
	const json_t *id = json_object_get(event, "id");
	const json_t *tty;
	size_t i;

	output_put(output_text(event, "at", ""));
	(void)printf(" %s", output_style(STYLE_HEAD));
	output_put(output_text(event, "event", ""));
	(void)fputs(output_style_end(), stdout);
	if (json_is_integer(id))
		(void)printf(" session %lld", (long long)json_integer_value(id));
	put_with(" of ", output_text(event, "user", ""));
	put_with(" from ", output_text(event, "from", ""));
	json_array_foreach (json_object_get(event, "tty"), i, tty)
		put_with(i == 0 ? " on " : ",",
			 json_string_value(tty) ? json_string_value(tty) : "");
	put_with(": ", output_text(event, "reason", ""));
	if (json_is_integer(rule))
		(void)printf(" (rule %lld)", (long long)json_integer_value(rule));
	(void)putchar('\n');
}

static enum command_exit take_event(const struct arguments *arguments, const json_t *parameters)
{
	const json_t *event = json_object_get(parameters, "event");

	if (arguments->json)
		output_json(event, true);
	else
		put_event(event);
	return output_finish() ? COMMAND_OK : COMMAND_FAILED;
}

enum command_exit command_events(const struct arguments *arguments)
{
	return client_follow(arguments, "io.sshidle.Events", take_event);
}
