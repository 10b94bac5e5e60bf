#include "cli/target.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/output.h"

enum { ANCESTORS_MAX = 64, ADDRESS_BYTES = 64 };

static const char *string_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* "/dev/pts/3" and "pts/3" are "pts/3". */
static const char *tty_name(const char *path)
{
	return text_starts(path, "/dev/") ? path + strlen("/dev/") : path;
}

static bool has_tty(const json_t *session, const char *tty)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(session, "tty"), i,
			   one) if (json_string_value(one) &&
				    text_equal(json_string_value(one), tty)) return true;
	return false;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[256];
	auto_fclose FILE *file = NULL;
	pid_t parent = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (text_starts(line, "PPid:"))
			parent = (pid_t)strtol(line + strlen("PPid:"), NULL, 10);
	return parent;
}

/* sudo and su may give us another terminal, but the server's process stays an ancestor. */
static bool is_ancestor(const json_t *session)
{
	const json_int_t wanted = json_integer_value(json_object_get(session, "pid"));
	pid_t pid = getppid();

	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		if (pid == wanted)
			return true;
		pid = parent_of(pid);
	}
	return false;
}

/* SSH_CONNECTION: address and port of the client, address and port of the server. */
static bool is_connection(const json_t *session)
{
	const char *connection = getenv("SSH_CONNECTION");
	char ours[2 * ADDRESS_BYTES];

	if (!connection)
		return false;
	(void)snprintf(ours, sizeof(ours), "%s %lld %s %lld", string_of(session, "from"),
		       (long long)json_integer_value(json_object_get(session, "from_port")),
		       string_of(session, "local"),
		       (long long)json_integer_value(json_object_get(session, "local_port")));
	return text_equal(connection, ours);
}

static bool on_our_terminal(const json_t *session)
{
	char path[128];

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ttyname_r(fd, path, sizeof(path)) == 0)
			return has_tty(session, tty_name(path));
	return false;
}

/* The surest sign first: the environment may be that of an older session (tmux). */
static enum command_exit find_own(const struct arguments *arguments, json_int_t *ret_id)
{
	static bool (*const signs[])(const json_t *session) = { on_our_terminal, is_ancestor,
								is_connection };
	json_t *reply = NULL;
	const json_t *session;
	size_t index;
	enum command_exit result = client_call(arguments, "io.sshidle.List", NULL, &reply);

	if (result != COMMAND_OK)
		return result;
	result = COMMAND_FAILED;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]) && result != COMMAND_OK; i++) {
		json_array_foreach(json_object_get(reply, "sessions"), index, session)
		{
			if (signs[i](session)) {
				*ret_id = json_integer_value(json_object_get(session, "id"));
				result = COMMAND_OK;
				break;
			}
		}
	}
	json_decref(reply);
	if (result != COMMAND_OK)
		output_error(
			"this is not within an SSH session that sshidled knows; name one by ID "
			"or TTY, sshidle list shows them");
	return result;
}

enum command_exit target_parse(const struct arguments *arguments, const char *text,
			       json_t **ret_parameters)
{
	enum command_exit result;
	uint64_t number;
	json_int_t id;

	if (!text) {
		result = find_own(arguments, &id);
		if (result == COMMAND_OK)
			*ret_parameters = json_pack("{s:I}", "id", id);
		return result;
	}
	if (text_to_u64(text, UINT32_MAX, &number) == 0)
		*ret_parameters = json_pack("{s:I}", "id", (json_int_t)number);
	else if (text_starts(tty_name(text), "pts/") &&
		 text_to_u64(tty_name(text) + strlen("pts/"), INT32_MAX, &number) == 0)
		*ret_parameters = json_pack("{s:s}", "tty", tty_name(text));
	else
		return command_usage(
			NULL, "\"%s\" is neither the ID of a session (41) nor a terminal (pts/3)",
			text);
	return COMMAND_OK;
}

enum command_exit target_find(const struct arguments *arguments, const char *text,
			      json_int_t *ret_id)
{
	json_t *parameters = NULL, *reply = NULL;
	enum command_exit result = target_parse(arguments, text, &parameters);
	json_int_t id = -1;

	if (result != COMMAND_OK)
		return result;
	if (json_unpack(parameters, "{s:I}", "id", ret_id) == 0) {
		json_decref(parameters);
		return COMMAND_OK;
	}
	result = client_call(arguments, "io.sshidle.Why", parameters, &reply);
	if (result != COMMAND_OK)
		return result;
	if (json_unpack(reply, "{s:{s:{s:I}}}", "explanation", "session", "id", &id) < 0) {
		output_error("sshidled's answer is not understood");
		result = COMMAND_FAILED;
	} else {
		*ret_id = id;
	}
	json_decref(reply);
	return result;
}
