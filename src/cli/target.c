#include "cli/target.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/output.h"
#include "text/procstat.h"

enum { ANCESTORS_MAX = 64, ADDRESS_BYTES = 64 };

enum place { PLACE_UNKNOWN, PLACE_HERE, PLACE_ELSEWHERE };

static json_int_t id_of(const json_t *session)
{
	return json_integer_value(json_object_get(session, "id"));
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

	json_array_foreach (json_object_get(session, "tty"), i, one)
		if (json_string_value(one) && text_equal(json_string_value(one), tty))
			return true;
	return false;
}

static pid_t parent_of(pid_t pid)
{
	struct procstat process;

	return procstat_read((int32_t)pid, &process) == 0 ? process.parent : 0;
}

/* Of the nearest process of a server that led to us, 0 for none: sudo, su and tmux may give us another
 * terminal, but its number says nothing as long as the ancestors do. */
static json_int_t find_by_ancestors(const json_t *sessions)
{
	pid_t ancestors[ANCESTORS_MAX];
	size_t n = 0, i, nearest;
	const json_t *session;
	json_int_t id = 0;

	for (pid_t pid = getppid(); pid > 1 && n < ANCESTORS_MAX; pid = parent_of(pid))
		ancestors[n++] = pid;
	nearest = n;
	json_array_foreach (sessions, i, session) {
		const json_int_t pid = json_integer_value(json_object_get(session, "pid"));

		for (size_t j = 0; j < nearest; j++) {
			if (ancestors[j] != pid)
				continue;
			nearest = j;
			id = id_of(session);
		}
	}
	return id;
}

/* SSH_CONNECTION: address and port of the client, address and port of the server. */
static bool is_connection(const json_t *session)
{
	const char *connection = getenv("SSH_CONNECTION");
	char ours[2 * ADDRESS_BYTES];

	if (!connection)
		return false;
	(void)snprintf(ours, sizeof(ours), "%s %lld %s %lld", output_text(session, "from", ""),
		       (long long)json_integer_value(json_object_get(session, "from_port")),
		       output_text(session, "local", ""),
		       (long long)json_integer_value(json_object_get(session, "local_port")));
	return text_equal(connection, ours);
}

static json_int_t find_by_connection(const json_t *sessions)
{
	const json_t *session;
	size_t i;

	json_array_foreach (sessions, i, session)
		if (is_connection(session))
			return id_of(session);
	return 0;
}

/* Containers number their terminals too. Whether a session's one is the device `here`; only root may
 * ask for those of others. */
static enum place place_of(const json_t *session, const char *tty, const struct stat *here)
{
	struct stat there;
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/%lld/root/dev/%s",
		       (long long)json_integer_value(json_object_get(session, "pid")), tty);
	if (here->st_rdev == 0 || stat(path, &there) < 0)
		return PLACE_UNKNOWN;
	return there.st_dev == here->st_dev && there.st_ino == here->st_ino ? PLACE_HERE
									    : PLACE_ELSEWHERE;
}

static bool is_callers(const json_t *session)
{
	return json_is_integer(json_object_get(session, "uid")) &&
	       json_integer_value(json_object_get(session, "uid")) == (json_int_t)getuid();
}

/* How surely `tty` of the session is meant; 0: it is not. `named`: that may be anywhere. */
static int likeness(const json_t *session, const char *tty, const struct stat *here, bool named)
{
	if (!has_tty(session, tty))
		return 0;
	switch (place_of(session, tty, here)) {
	case PLACE_HERE:
		return 4;
	case PLACE_ELSEWHERE:
		return named ? 1 : 0;
	case PLACE_UNKNOWN:
		break;
	}
	/* Users end and keep only their own. */
	return getuid() != 0 && is_callers(session) ? 3 : 2;
}

/* *ret_id is 0 where there is none; several that are as like are told. */
static enum command_exit find_by_terminal(const json_t *sessions, const char *tty,
					  const struct stat *here, bool named, json_int_t *ret_id)
{
	const json_t *session;
	char ids[128] = "";
	size_t i, n = 0;
	int best = 1;

	*ret_id = 0;
	json_array_foreach (sessions, i, session) {
		const int like = likeness(session, tty, here, named);

		if (like < best)
			continue;
		n = like > best ? 1 : n + 1;
		if (n == 1)
			ids[0] = '\0';
		best = like;
		*ret_id = id_of(session);
		(void)text_append(ids, sizeof(ids), "%s%lld", n > 1 ? ", " : "",
				  (long long)*ret_id);
	}
	if (n <= 1)
		return COMMAND_OK;
	output_error("%s is a terminal of several sessions (containers number their own): name one "
		     "by its ID: %s",
		     tty, ids);
	return COMMAND_FAILED;
}

static enum command_exit find_by_our_terminal(const json_t *sessions, json_int_t *ret_id)
{
	struct stat here;
	char path[128];

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ttyname_r(fd, path, sizeof(path)) == 0 && fstat(fd, &here) == 0)
			return find_by_terminal(sessions, tty_name(path), &here, false, ret_id);
	*ret_id = 0;
	return COMMAND_OK;
}

/* The surest sign first: the environment may be that of an older session (tmux). */
static enum command_exit find_own(const json_t *sessions, json_int_t *ret_id)
{
	enum command_exit result = COMMAND_OK;

	*ret_id = find_by_ancestors(sessions);
	if (*ret_id == 0)
		result = find_by_our_terminal(sessions, ret_id);
	if (result == COMMAND_OK && *ret_id == 0)
		*ret_id = find_by_connection(sessions);
	if (result == COMMAND_OK && *ret_id == 0) {
		output_error(
			"this is not within an SSH session that sshidled knows; name one by ID "
			"or TTY, sshidle list shows them");
		result = COMMAND_FAILED;
	}
	return result;
}

/* `tty` NULL: the caller's own session. */
static enum command_exit find(const struct arguments *arguments, const char *tty,
			      json_int_t *ret_id)
{
	json_t *reply = NULL;
	const json_t *sessions;
	struct stat here = { 0 };
	char path[128];
	enum command_exit result = client_call(arguments, "io.sshidle.List", NULL, &reply);

	if (result != COMMAND_OK)
		return result;
	sessions = json_object_get(reply, "sessions");
	if (tty) {
		(void)snprintf(path, sizeof(path), "/dev/%s", tty);
		if (stat(path, &here) < 0)
			here.st_rdev = 0;
		result = find_by_terminal(sessions, tty, &here, true, ret_id);
	} else {
		result = find_own(sessions, ret_id);
	}
	json_decref(reply);
	return result;
}

enum command_exit target_parse(const struct arguments *arguments, const char *text,
			       json_t **ret_parameters)
{
	const char *tty = text ? tty_name(text) : NULL;
	enum command_exit result;
	uint64_t number;
	json_int_t id;

	if (text && text_to_u64(text, UINT32_MAX, &number) == 0) {
		*ret_parameters = json_pack("{s:I}", "id", (json_int_t)number);
		return COMMAND_OK;
	}
	if (text && (!text_starts(tty, "pts/") ||
		     text_to_u64(tty + strlen("pts/"), INT32_MAX, &number) < 0))
		return command_usage(
			NULL, "\"%s\" is neither the ID of a session (41) nor a terminal (pts/3)",
			text);
	result = find(arguments, tty, &id);
	/* The daemon says that it does not know one. */
	if (result == COMMAND_OK)
		*ret_parameters =
			id != 0 ? json_pack("{s:I}", "id", id) : json_pack("{s:s}", "tty", tty);
	return result;
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
