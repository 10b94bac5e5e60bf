#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/target.h"

static long long integer_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void put_span(const json_t *object, const char *name)
{
	char text[DURATION_TEXT_BYTES];

	output_span(json_object_get(object, name), "none", text, sizeof(text));
	(void)fputs(text, stdout);
}

static void put_heading(const char *text)
{
	(void)printf("%s%s%s", output_style(STYLE_HEAD), text, output_style_end());
}

static void put_session(const json_t *session)
{
	const char *user = output_text(session, "user", "");
	char title[64];

	(void)snprintf(title, sizeof(title), "session %lld", integer_of(session, "id"));
	put_heading(title);
	(void)fputs(user[0] ? " of " : " of a user that is not known", stdout);
	output_put(user);
	(void)fputs(" from ", stdout);
	output_put(output_text(session, "from", ""));
	(void)printf(" port %lld to ", integer_of(session, "from_port"));
	output_put(output_text(session, "local", ""));
	(void)printf(" port %lld\n  ", integer_of(session, "local_port"));
	output_put(output_text(session, "server", ""));
	(void)printf(", process %lld, since ", integer_of(session, "pid"));
	output_put(output_text(session, "since", ""));
	(void)putchar('\n');
}

static bool is_unresponsive(const json_t *explanation)
{
	return strncmp(output_text(explanation, "rule_name", ""), "unresponsive", 12) == 0;
}

static void put_verdict(const json_t *explanation, const json_t *session)
{
	(void)fputs("  ", stdout);
	output_put(output_text(session, "state", ""));
	(void)fputs(": ", stdout);
	output_put(output_text(explanation, "reason", ""));
	(void)printf("\n  by rule %lld (", integer_of(explanation, "rule"));
	output_put(output_text(explanation, "rule_name", ""));
	(void)fputs("), limit ", stdout);
	put_span(session, is_unresponsive(explanation) ? "alive_limit_s" : "limit_s");
	(void)fputs(strcmp(output_text(explanation, "source", ""), "default") == 0 ? " by "
										   : " set at ",
		    stdout);
	output_put(output_text(explanation, "source", ""));
	(void)putchar('\n');
}

static void put_use(const json_t *use)
{
	char near[DURATION_TEXT_BYTES], far[DURATION_TEXT_BYTES];

	output_span(json_object_get(use, "latest_s"), "?", near, sizeof(near));
	output_span(json_object_get(use, "earliest_s"), "?", far, sizeof(far));
	(void)fputs("      last ", stdout);
	output_put(output_text(use, "what", ""));
	if (strcmp(near, far) == 0)
		(void)printf(" %s ago", near);
	else
		(void)printf(" between %s and %s ago", near, far);
	(void)puts(json_is_true(json_object_get(use, "counts")) ? "" : " (does not count)");
}

static void put_channel(const json_t *channel)
{
	const char *tty = output_text(channel, "tty", ""),
		   *command = output_text(channel, "command", "");
	const json_t *use;
	size_t i;

	(void)fputs("    ", stdout);
	output_put(output_text(channel, "kind", ""));
	if (tty[0] != '\0') {
		(void)fputs(" on ", stdout);
		output_put(tty);
	}
	if (json_is_integer(json_object_get(channel, "pid")))
		(void)printf(", process %lld", integer_of(channel, "pid"));
	if (command[0] != '\0') {
		(void)fputs(", command: ", stdout);
		output_put(command);
	}
	(void)fputs("\n      idle ", stdout);
	put_span(channel, "idle_s");
	(void)fputs(", limit ", stdout);
	put_span(channel, "limit_s");
	(void)fputs(" (", stdout);
	output_put(output_text(channel, "source", ""));
	(void)putchar(')');
	if (json_is_number(json_object_get(channel, "ends_in_s"))) {
		(void)fputs(", reached in ", stdout);
		put_span(channel, "ends_in_s");
	}
	(void)putchar('\n');
	json_array_foreach (json_object_get(channel, "uses"), i, use)
		put_use(use);
}

static void put_explanation(const json_t *explanation)
{
	const json_t *session = json_object_get(explanation, "session");
	const json_t *item;
	size_t i;

	put_session(session);
	put_verdict(explanation, session);
	put_heading("  open in it:");
	(void)putchar('\n');
	json_array_foreach (json_object_get(explanation, "channels"), i, item)
		put_channel(item);
	put_heading("  facts:");
	(void)putchar('\n');
	json_array_foreach (json_object_get(explanation, "facts"), i, item) {
		(void)fputs("    ", stdout);
		output_put(json_string_value(item) ? json_string_value(item) : "");
		(void)putchar('\n');
	}
	put_heading("  next: ");
	output_put(output_text(explanation, "next", ""));
	if (json_is_number(json_object_get(explanation, "next_in_s"))) {
		(void)fputs(" (in ", stdout);
		put_span(explanation, "next_in_s");
		(void)putchar(')');
	}
	(void)putchar('\n');
}

enum command_exit command_why(const struct arguments *arguments)
{
	json_t *parameters = NULL, *reply = NULL;
	enum command_exit result = target_parse(
		arguments, arguments->n_operands > 0 ? arguments->operands[0] : NULL, &parameters);

	if (result == COMMAND_OK)
		result = client_call(arguments, "io.sshidle.Why", parameters, &reply);
	if (result != COMMAND_OK)
		return result;
	if (arguments->json)
		output_json(reply, false);
	else
		put_explanation(json_object_get(reply, "explanation"));
	json_decref(reply);
	return COMMAND_OK;
}
