#include "cli/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/text.h"
#include "cli/output.h"
#include "native/manager.h"
#include "text/varlink.h"

/* A daemon that says nothing for so long is none. */
enum { ANSWER_WITHIN_S = 10 };

/* Tens of thousands of sessions. */
#define REPLY_MOST_BYTES (64UL * 1024 * 1024)

struct client_stream {
	const struct arguments *arguments;
	struct varlink_reader reader;
	int fd;
	bool continues; /* after the last reply more of them come */
};

static enum command_exit unreachable(const struct sockaddr_un *address, int error)
{
	if (error == ENOENT || error == ECONNREFUSED)
		output_error("sshidled is not running: %s at %s; start it with: %s",
			     error == ENOENT ? "there is no socket" : "nobody listens",
			     address->sun_path,
			     manager_is_systemd() ? "systemctl start sshidle"
						  : "service sshidle start");
	else
		output_error("cannot reach sshidled at %s: %s", address->sun_path, strerror(error));
	return COMMAND_UNREACHABLE;
}

bool client_runs(const struct arguments *arguments)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	       text_append(address.sun_path, sizeof(address.sun_path), "%s/io.sshidle",
			   arguments->runtime_dir) &&
	       connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static enum command_exit client_open(struct client_stream *client,
				     const struct arguments *arguments)
{
	const struct timeval patience = { .tv_sec = ANSWER_WITHIN_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*client = (struct client_stream){ .arguments = arguments, .fd = -1 };
	varlink_reader_init(&client->reader, REPLY_MOST_BYTES);
	if (!text_append(address.sun_path, sizeof(address.sun_path), "%s/io.sshidle",
			 arguments->runtime_dir))
		return command_usage(NULL, "the name of the runtime directory is too long: %s",
				     arguments->runtime_dir);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
	    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return unreachable(&address, errno);
	return COMMAND_OK;
}

static void client_close(struct client_stream *client)
{
	cleanup_close(&client->fd);
	varlink_reader_deinit(&client->reader);
}

static enum command_exit client_send(struct client_stream *client, const char *method,
				     json_t *parameters, bool more)
{
	auto_free char *text = NULL;
	size_t n, sent = 0;

	if (varlink_encode(varlink_call_new(method, parameters, more), &text, &n) < 0) {
		output_error("the request cannot be written as JSON: is all of it UTF-8?");
		return COMMAND_USAGE;
	}
	while (sent < n) {
		const ssize_t wrote = send(client->fd, text + sent, n - sent, MSG_NOSIGNAL);

		/* One that was turned away finds the reason in the reply. */
		if (wrote < 0 && errno == EPIPE)
			return COMMAND_OK;
		if (wrote < 0 && errno != EINTR) {
			output_error("cannot ask sshidled: %s", strerror(errno));
			return COMMAND_UNREACHABLE;
		}
		sent += wrote > 0 ? (size_t)wrote : 0;
	}
	return COMMAND_OK;
}

/* Waits for bytes. */
static enum command_exit client_fill(struct client_stream *client)
{
	char chunk[65536];
	const ssize_t n = recv(client->fd, chunk, sizeof(chunk), 0);

	if (n > 0 && varlink_reader_feed(&client->reader, chunk, (size_t)n) == 0)
		return COMMAND_OK;
	if (n < 0 && errno == EINTR)
		return COMMAND_OK;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		output_error("sshidled has not answered for %d s", ANSWER_WITHIN_S);
	else if (n < 0)
		output_error("no answer from sshidled: %s", strerror(errno));
	else
		output_error("sshidled has closed the connection");
	return COMMAND_UNREACHABLE;
}

static void say_no_session(const json_t *parameters)
{
	const char *tty = json_string_value(json_object_get(parameters, "tty"));

	if (tty)
		output_error("there is no session on %s that you may see; sshidle list shows them",
			     tty);
	else
		output_error("there is no session %lld that you may see; sshidle list shows them",
			     (long long)json_integer_value(json_object_get(parameters, "id")));
}

static void say_too_long(const json_t *parameters)
{
	char most[DURATION_TEXT_BYTES];

	output_span(json_object_get(parameters, "most_s"), "none", most, sizeof(most));
	if (json_number_value(json_object_get(parameters, "most_s")) <= 0) {
		output_error("users may not keep this session (KeepMax 0); ask root");
		return;
	}
	output_error("that is too long: you may keep this session for at most %s", most);
}

static void say_lines(const json_t *parameters)
{
	const json_t *problem;
	size_t i;

	json_array_foreach (json_object_get(parameters, "problems"), i, problem)
		output_error("%s", json_string_value(problem) ? json_string_value(problem) : "?");
}

static void say_problems(const json_t *parameters)
{
	say_lines(parameters);
	output_error("the configuration is wrong; the one that was running stays");
}

static void say_invalid(const json_t *parameters)
{
	output_error("sshidled does not take this value: %s",
		     output_text(parameters, "parameter", "?"));
}

static void say_reason(const json_t *parameters)
{
	output_error("%s", output_text(parameters, "reason", "the request failed"));
}

static void say_not_allowed(const json_t *parameters)
{
	output_error("not allowed: %s", output_text(parameters, "reason", "ask root"));
}

static void say_old(const json_t *parameters)
{
	(void)parameters;
	output_error("the running sshidled does not know this request: it is of another version");
}

static enum command_exit say_error(const struct varlink_reply *reply)
{
	static const struct {
		const char *error;
		void (*say)(const json_t *parameters);
	} rows[] = {
		{ "io.sshidle.NoSuchSession", say_no_session },
		{ "io.sshidle.NotAllowed", say_not_allowed },
		{ "io.sshidle.TooLong", say_too_long },
		{ "io.sshidle.ConfigurationWrong", say_problems },
		{ "io.sshidle.RulesWrong", say_lines },
		{ "io.sshidle.Failed", say_reason },
		{ "org.varlink.service.PermissionDenied", say_not_allowed },
		{ "org.varlink.service.InvalidParameter", say_invalid },
		{ "org.varlink.service.MethodNotFound", say_old },
		{ "org.varlink.service.InterfaceNotFound", say_old },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (text_equal(rows[i].error, reply->error)) {
			rows[i].say(reply->parameters);
			return COMMAND_FAILED;
		}
	}
	output_error("sshidled says %s", reply->error);
	return COMMAND_FAILED;
}

/* The parameters of one reply, and whether more of them come. */
static enum command_exit take_reply(const char *text, size_t n, json_t **ret_parameters,
				    bool *ret_continues)
{
	struct varlink_reply reply;
	enum command_exit result = COMMAND_OK;
	json_t *message = NULL;

	if (varlink_parse(text, n, &message) < 0 || varlink_reply_parse(message, &reply) < 0) {
		json_decref(message);
		output_error("what answers is not sshidled");
		return COMMAND_UNREACHABLE;
	}
	if (reply.error)
		result = say_error(&reply);
	else
		*ret_parameters = reply.parameters ? json_incref(reply.parameters) : json_object();
	*ret_continues = reply.continues;
	json_decref(message);
	return result;
}

enum command_exit client_stream_wait(struct client_stream *stream, json_t **ret_parameters)
{
	enum command_exit result;
	const char *text;
	size_t bytes;
	int r;

	while ((r = varlink_reader_next(&stream->reader, &text, &bytes)) == 0) {
		result = client_fill(stream);
		if (result != COMMAND_OK)
			return result;
	}
	if (r > 0)
		return take_reply(text, bytes, ret_parameters, &stream->continues);
	output_error("what answers is not sshidled");
	return COMMAND_UNREACHABLE;
}

enum command_exit client_call(const struct arguments *arguments, const char *method,
			      json_t *parameters, json_t **ret_parameters)
{
	struct client_stream client;
	enum command_exit result = client_open(&client, arguments);

	if (result != COMMAND_OK)
		json_decref(parameters);
	else
		result = client_send(&client, method, parameters, false);
	if (result == COMMAND_OK)
		result = client_stream_wait(&client, ret_parameters);
	client_close(&client);
	return result;
}

enum command_exit client_follow(const struct arguments *arguments, const char *method,
				enum command_exit (*take)(const struct arguments *arguments,
							  const json_t *parameters))
{
	const struct timeval for_ever = { 0 };
	struct client_stream client;
	enum command_exit result = client_open(&client, arguments);

	if (result == COMMAND_OK)
		result = client_send(&client, method, NULL, true);
	if (result == COMMAND_OK)
		(void)setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
	while (result == COMMAND_OK) {
		json_t *parameters = NULL;

		result = client_stream_wait(&client, &parameters);
		if (result == COMMAND_OK)
			result = take(arguments, parameters);
		json_decref(parameters);
	}
	client_close(&client);
	return result;
}

enum command_exit client_stream_open(const struct arguments *arguments, const char *method,
				     json_t *parameters, struct client_stream **ret_stream)
{
	struct client_stream *stream = calloc(1, sizeof(*stream));
	enum command_exit result = COMMAND_FAILED;

	if (!stream) {
		json_decref(parameters);
		output_error("%s", strerror(ENOMEM));
		return result;
	}
	result = client_open(stream, arguments);
	if (result == COMMAND_OK)
		result = client_send(stream, method, parameters, true);
	else
		json_decref(parameters);
	if (result == COMMAND_OK)
		*ret_stream = stream;
	else
		client_stream_close(stream);
	return result;
}

void client_stream_close(struct client_stream *stream)
{
	if (!stream)
		return;
	client_close(stream);
	free(stream);
}

int client_stream_fd(const struct client_stream *stream)
{
	return stream->fd;
}

bool client_stream_continues(const struct client_stream *stream)
{
	return stream->continues;
}

/* Bytes that are there: 1, none: 0, or -EPIPE. */
static int fill_at_once(struct client_stream *client)
{
	char chunk[4096];
	const ssize_t n = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -EPIPE;
	if (n == 0 || varlink_reader_feed(&client->reader, chunk, (size_t)n) < 0)
		return -EPIPE;
	return 1;
}

int client_stream_take(struct client_stream *stream, json_t **ret_parameters)
{
	const char *text;
	size_t bytes;
	int r;

	while ((r = varlink_reader_next(&stream->reader, &text, &bytes)) == 0) {
		r = fill_at_once(stream);
		if (r <= 0)
			return r;
	}
	if (r < 0 || take_reply(text, bytes, ret_parameters, &stream->continues) != COMMAND_OK)
		return -EPIPE;
	return 1;
}
