/* libFuzzer harness: frames of a keeper's connection.  What is taken for a frame is the same when it is written
 * again, and no more of the buffer is taken than there is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(const struct frame *frame)
{
	uint8_t bytes[4];
	uint16_t rows, columns;
	int32_t number;
	const int r = frame_number(frame, &number), window = frame_window(frame, &rows, &columns);

	if ((r == 0) != (frame->n == 4) || window != r)
		abort();
	if (r < 0)
		return;
	frame_put_number(number, bytes);
	if (memcmp(bytes, frame->bytes, sizeof(bytes)) != 0)
		abort();
	frame_put_window(rows, columns, bytes);
	if (memcmp(bytes, frame->bytes, sizeof(bytes)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;
	int r;

	do {
		uint8_t head[FRAME_HEAD_BYTES];
		struct frame frame;

		r = frame_parse(data + at, size - at, &frame);
		if (r <= 0)
			break;
		if (frame.n > FRAME_MOST_BYTES || frame.bytes != data + at + FRAME_HEAD_BYTES ||
		    frame.n > size - at - FRAME_HEAD_BYTES)
			abort();
		frame_head(frame.type, frame.n, head);
		if (memcmp(head, data + at, sizeof(head)) != 0)
			abort();
		check_numbers(&frame);
		at += FRAME_HEAD_BYTES + frame.n;
	} while (at < size);
	return 0;
}
