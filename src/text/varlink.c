#include "text/varlink.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { READER_LEAST_BYTES = 1024 };

void varlink_reader_init(struct varlink_reader *reader, size_t most_bytes)
{
	*reader = (struct varlink_reader){ .most_bytes = most_bytes };
}

void varlink_reader_deinit(struct varlink_reader *reader)
{
	free(reader->bytes);
	*reader = (struct varlink_reader){ .most_bytes = reader->most_bytes };
}

/* Messages that were taken make room. */
static void reader_compact(struct varlink_reader *reader)
{
	if (reader->start == 0)
		return;
	memmove(reader->bytes, reader->bytes + reader->start, reader->used - reader->start);
	reader->used -= reader->start;
	reader->scanned -= reader->start;
	reader->start = 0;
}

static int reader_reserve(struct varlink_reader *reader, size_t n)
{
	size_t size = reader->size > 0 ? reader->size : READER_LEAST_BYTES;
	char *bytes;

	if (n > SIZE_MAX / 2 - reader->used)
		return -ENOMEM;
	while (size < reader->used + n)
		size *= 2;
	if (size == reader->size)
		return 0;
	bytes = realloc(reader->bytes, size);
	if (!bytes)
		return -ENOMEM;
	reader->bytes = bytes;
	reader->size = size;
	return 0;
}

int varlink_reader_feed(struct varlink_reader *reader, const void *bytes, size_t n)
{
	int r;

	if (n == 0)
		return 0;
	reader_compact(reader);
	r = reader_reserve(reader, n);
	if (r < 0)
		return r;
	memcpy(reader->bytes + reader->used, bytes, n);
	reader->used += n;
	return 0;
}

int varlink_reader_next(struct varlink_reader *reader, const char **ret_message, size_t *ret_bytes)
{
	const char *message, *end;

	if (reader->scanned == reader->used)
		return reader->used - reader->start > reader->most_bytes ? -EMSGSIZE : 0;
	end = memchr(reader->bytes + reader->scanned, '\0', reader->used - reader->scanned);
	if (!end) {
		reader->scanned = reader->used;
		return reader->used - reader->start > reader->most_bytes ? -EMSGSIZE : 0;
	}
	message = reader->bytes + reader->start;
	if ((size_t)(end - message) > reader->most_bytes)
		return -EMSGSIZE;
	*ret_message = message;
	*ret_bytes = (size_t)(end - message);
	reader->start = (size_t)(end - reader->bytes) + 1;
	reader->scanned = reader->start;
	return 1;
}

bool varlink_reader_partial(const struct varlink_reader *reader)
{
	return reader->used > reader->start;
}

/* Brackets outside of strings.  The parser's own limit is its recursion, far deeper than we
 * want. */
static bool nested_too_deeply(const char *message, size_t n)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		const char c = message[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > VARLINK_DEPTH_MAX)
			return true;
	}
	return false;
}

int varlink_parse(const char *message, size_t n, json_t **ret_object)
{
	json_t *value;

	if (nested_too_deeply(message, n))
		return -ELOOP;
	value = json_loadb(message, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (!value)
		return -EBADMSG;
	if (!json_is_object(value)) {
		json_decref(value);
		return -ENOMSG;
	}
	*ret_object = value;
	return 0;
}

/* "io.sshidle.List": an interface, a dot, and a name. */
static int split_method(const char *method, struct varlink_call *call)
{
	const char *dot = strrchr(method, '.');

	if (!dot || dot == method || dot[1] == '\0')
		return -EINVAL;
	call->method = method;
	call->name = dot + 1;
	call->interface_bytes = (size_t)(dot - method);
	return 0;
}

static int take_flag(const json_t *value, bool *ret_flag)
{
	if (!json_is_boolean(value))
		return -EINVAL;
	*ret_flag = json_is_true(value);
	return 0;
}

static int take_call_field(const char *field, const json_t *value, struct varlink_call *call)
{
	bool upgrade = true;

	if (strcmp(field, "method") == 0)
		return json_is_string(value) ? split_method(json_string_value(value), call)
					     : -EINVAL;
	if (strcmp(field, "parameters") == 0) {
		call->parameters = json_is_null(value) ? NULL : value;
		return json_is_object(value) || json_is_null(value) ? 0 : -EINVAL;
	}
	if (strcmp(field, "more") == 0)
		return take_flag(value, &call->more);
	if (strcmp(field, "oneway") == 0)
		return take_flag(value, &call->oneway);
	if (strcmp(field, "upgrade") == 0 && take_flag(value, &upgrade) == 0 && !upgrade)
		return 0;
	return -EINVAL;
}

int varlink_call_parse(const json_t *message, struct varlink_call *ret_call, const char **ret_field)
{
	struct varlink_call call = { .method = NULL };
	const char *field;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)message, field, value) {
		if (take_call_field(field, value, &call) < 0) {
			*ret_field = field;
			return -EINVAL;
		}
	}
	if (!call.method || (call.more && call.oneway)) {
		*ret_field = call.method ? "oneway" : "method";
		return -EINVAL;
	}
	*ret_call = call;
	return 0;
}

int varlink_reply_parse(const json_t *message, struct varlink_reply *ret_reply)
{
	const json_t *error = json_object_get(message, "error");
	const json_t *continues = json_object_get(message, "continues");
	json_t *parameters = json_object_get(message, "parameters");

	if (!json_is_object(message) || (error && !json_is_string(error)) ||
	    (continues && !json_is_boolean(continues)) ||
	    (parameters && !json_is_object(parameters) && !json_is_null(parameters)))
		return -EINVAL;
	ret_reply->error = json_string_value(error);
	ret_reply->parameters = json_is_object(parameters) ? parameters : NULL;
	ret_reply->continues = json_is_true(continues);
	return 0;
}

/* {"NAME": TEXT, "parameters": {...}, "FLAG": true}, without the parts that are NULL or false. */
static json_t *message_new(const char *name, const char *text, json_t *parameters, const char *flag)
{
	json_t *message = json_object();
	bool failed = !message;

	if (name)
		failed = failed || json_object_set_new(message, name, json_string(text)) < 0;
	if (parameters && failed)
		json_decref(parameters);
	else if (parameters)
		failed = json_object_set_new(message, "parameters", parameters) < 0;
	if (flag)
		failed = failed || json_object_set_new(message, flag, json_true()) < 0;
	if (failed) {
		json_decref(message);
		return NULL;
	}
	return message;
}

json_t *varlink_call_new(const char *method, json_t *parameters, bool more)
{
	return message_new("method", method, parameters, more ? "more" : NULL);
}

json_t *varlink_reply_new(json_t *parameters, bool continues)
{
	/* Many clients want the member even when it is empty. */
	return message_new(NULL, NULL, parameters ? parameters : json_object(),
			   continues ? "continues" : NULL);
}

json_t *varlink_error_new(const char *error, json_t *parameters)
{
	return message_new("error", error, parameters ? parameters : json_object(), NULL);
}

int varlink_encode(json_t *message, char **ret_text, size_t *ret_bytes)
{
	char *text = message ? json_dumps(message, VARLINK_DUMP_FLAGS) : NULL;

	json_decref(message);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	*ret_bytes = strlen(text) + 1;
	return 0;
}
