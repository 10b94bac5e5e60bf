#include "text/frame.h"

#include <errno.h>

void frame_head(enum frame_type type, size_t n, uint8_t ret_head[static FRAME_HEAD_BYTES])
{
	ret_head[0] = (uint8_t)type;
	ret_head[1] = (uint8_t)n;
	ret_head[2] = (uint8_t)(n >> 8);
	ret_head[3] = (uint8_t)(n >> 16);
}

int frame_parse(const uint8_t *buffer, size_t n, struct frame *ret_frame)
{
	size_t length;

	if (n < FRAME_HEAD_BYTES)
		return 0;
	length = (size_t)buffer[1] | (size_t)buffer[2] << 8 | (size_t)buffer[3] << 16;
	if (length > FRAME_MOST_BYTES)
		return -EBADMSG;
	if (n - FRAME_HEAD_BYTES < length)
		return 0;
	ret_frame->type = (enum frame_type)buffer[0];
	ret_frame->n = length;
	ret_frame->bytes = buffer + FRAME_HEAD_BYTES;
	return 1;
}

void frame_put_number(int32_t number, uint8_t ret_bytes[static 4])
{
	const uint32_t bits = (uint32_t)number;

	for (unsigned i = 0; i < 4; i++)
		ret_bytes[i] = (uint8_t)(bits >> 8 * i);
}

int frame_number(const struct frame *frame, int32_t *ret_number)
{
	uint32_t bits = 0;

	if (frame->n != 4)
		return -EBADMSG;
	for (unsigned i = 0; i < 4; i++)
		bits |= (uint32_t)frame->bytes[i] << 8 * i;
	*ret_number = (int32_t)bits;
	return 0;
}

void frame_put_window(uint16_t rows, uint16_t columns, uint8_t ret_bytes[static 4])
{
	ret_bytes[0] = (uint8_t)rows;
	ret_bytes[1] = (uint8_t)(rows >> 8);
	ret_bytes[2] = (uint8_t)columns;
	ret_bytes[3] = (uint8_t)(columns >> 8);
}

int frame_window(const struct frame *frame, uint16_t *ret_rows, uint16_t *ret_columns)
{
	if (frame->n != 4)
		return -EBADMSG;
	*ret_rows = (uint16_t)(frame->bytes[0] | frame->bytes[1] << 8);
	*ret_columns = (uint16_t)(frame->bytes[2] | frame->bytes[3] << 8);
	return 0;
}
