/*
 * Varlink: JSON objects, each ended by a NUL byte (https://varlink.org).
 *
 * Framing and messages only, for both sides of a connection: bytes in, complete messages out.
 * Nothing here reads or writes a descriptor.  What a peer can make us hold is limited: the bytes
 * of one message by the reader, its nesting by VARLINK_DEPTH_MAX.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Objects and arrays within each other; io.sshidle needs seven. */
#define VARLINK_DEPTH_MAX 16

/* Collects bytes until a message is complete.  At most `most_bytes` for one message, without its
 * NUL, plus what one feed brought beyond it. */
struct varlink_reader {
	char *bytes; /* owned */
	size_t size;
	size_t used;
	size_t start;	/* of the message that is not taken yet */
	size_t scanned; /* no NUL before here */
	size_t most_bytes;
};

/* A call. Everything is borrowed from the message it was parsed from. */
struct varlink_call {
	const char *method;	  /* all of it: "io.sshidle.List" */
	const char *name;	  /* its last part: "List" */
	size_t interface_bytes;	  /* length of the part before: "io.sshidle" */
	const json_t *parameters; /* NULL: none were given */
	bool more;
	bool oneway;
};

/* A reply. Borrowed as well. */
struct varlink_reply {
	const char *error;  /* NULL: success */
	json_t *parameters; /* NULL: none were given */
	bool continues;
};

void varlink_reader_init(struct varlink_reader *reader, size_t most_bytes);
void varlink_reader_deinit(struct varlink_reader *reader);

/* Appends bytes. -ENOMEM. */
int varlink_reader_feed(struct varlink_reader *reader, const void *bytes, size_t n);

/*
 * The next complete message, terminated, valid until the next feed. 1 and the message without
 * its NUL, 0 when there is none yet, -EMSGSIZE when it is larger than allowed (the stream is
 * then lost).
 */
int varlink_reader_next(struct varlink_reader *reader, const char **ret_message, size_t *ret_bytes);

/* Bytes of a message that is not complete are waiting. */
bool varlink_reader_partial(const struct varlink_reader *reader);

/*
 * Text to object, owned by the caller. -EBADMSG: not JSON (names given twice, bytes that are not
 * UTF-8 and numbers too large for 64 bits are not), -ENOMSG: JSON, but not an object, -ELOOP:
 * nested too deeply.
 */
int varlink_parse(const char *message, size_t n, json_t **ret_object);

/* -EINVAL: ret_field names the part that is wrong ("method", "upgrade", an unknown one ...); it is
 * untouched on success. `upgrade` is always wrong. */
int varlink_call_parse(const json_t *message, struct varlink_call *ret_call,
		       const char **ret_field);

/* -EINVAL: this is no reply. */
int varlink_reply_parse(const json_t *message, struct varlink_reply *ret_reply);

/* Messages to send; each takes over `parameters` (NULL: none), also on failure. NULL: no memory. */
json_t *varlink_call_new(const char *method, json_t *parameters, bool more);
json_t *varlink_reply_new(json_t *parameters, bool continues);
json_t *varlink_error_new(const char *error, json_t *parameters);

/* Object to text, ended by a NUL that is counted in ret_bytes; owned by the caller, free(3).
 * Takes over `message`; NULL is -ENOMEM. */
int varlink_encode(json_t *message, char **ret_text, size_t *ret_bytes);

/* How numbers and all are written, for json_dump*(3): 0.1 stays 0.1. */
#define VARLINK_DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))
