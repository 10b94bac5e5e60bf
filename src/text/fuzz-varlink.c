/* libFuzzer harness: the wire of the control socket.  The first byte is the size of the pieces in
 * which the rest arrives. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "text/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_message(const char *text, size_t n)
{
	struct varlink_reply reply;
	struct varlink_call call;
	const char *field = NULL;
	json_t *message;
	char *again;

	if (varlink_parse(text, n, &message) < 0)
		return;
	if (varlink_call_parse(message, &call, &field) == 0 &&
	    (call.interface_bytes == 0 || call.name[0] == '\0' || call.name[-1] != '.'))
		abort();
	(void)varlink_reply_parse(message, &reply);
	if (varlink_encode(message, &again, &n) < 0)
		abort();
	/* The largest numbers do not survive being rounded to 15 digits. */
	if (varlink_parse(again, n - 1, &message) == 0)
		json_decref(message);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_reader reader;
	size_t piece;

	if (size == 0)
		return 0;
	piece = data[0] > 0 ? data[0] : 1;
	varlink_reader_init(&reader, 4096);
	for (size_t at = 1; at < size; at += piece) {
		const char *message;
		size_t n;
		int r;

		if (varlink_reader_feed(&reader, data + at, size - at < piece ? size - at : piece))
			abort();
		while ((r = varlink_reader_next(&reader, &message, &n)) > 0)
			take_message(message, n);
		if (r < 0)
			break;
	}
	varlink_reader_deinit(&reader);
	return 0;
}
