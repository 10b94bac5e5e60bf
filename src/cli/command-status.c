#include <stdio.h>

#include "base/duration.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"

static void put_string(const json_t *status, const char *name)
{
	output_put(output_text(status, name, "?"));
}

static long long integer_of(const json_t *status, const char *name)
{
	return json_integer_value(json_object_get(status, name));
}

static void put_status(const json_t *status)
{
	char limit[DURATION_TEXT_BYTES];
	const json_t *trouble;
	size_t i;

	output_span(json_object_get(status, "shortest_limit_s"), "none", limit, sizeof(limit));
	(void)fputs("sshidled ", stdout);
	put_string(status, "version");
	(void)printf(" runs as process %lld since ", integer_of(status, "pid"));
	put_string(status, "since");
	(void)fputs("\nconfiguration   ", stdout);
	put_string(status, "config");
	(void)fputs(", read ", stdout);
	put_string(status, "config_loaded");
	(void)printf("\nsessions        %lld that you may see\n", integer_of(status, "sessions"));
	(void)printf("shortest limit  %s\n", limit);
	(void)printf(
		"so far          %lld warned, %lld ended, %lld parked, %lld held back by MaxCuts\n",
		integer_of(status, "warnings"), integer_of(status, "cuts"),
		integer_of(status, "parks"), integer_of(status, "held"));
	json_array_foreach (json_object_get(status, "temporary_rules"), i, trouble) {
		(void)printf("%sin force%s        ", output_style(STYLE_ATTENTION),
			     output_style_end());
		output_put(json_string_value(trouble) ? json_string_value(trouble) : "?");
		(void)putchar('\n');
	}
	json_array_foreach (json_object_get(status, "troubles"), i, trouble) {
		(void)printf("%strouble%s         ", output_style(STYLE_ATTENTION),
			     output_style_end());
		output_put(json_string_value(trouble) ? json_string_value(trouble) : "?");
		(void)putchar('\n');
	}
}

enum command_exit command_status(const struct arguments *arguments)
{
	json_t *reply = NULL;
	enum command_exit result = client_call(arguments, "io.sshidle.Status", NULL, &reply);

	if (result != COMMAND_OK)
		return result;
	if (arguments->json)
		output_json(reply, false);
	else
		put_status(reply);
	json_decref(reply);
	return COMMAND_OK;
}
