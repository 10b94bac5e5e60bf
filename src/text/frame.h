/*
 * Frames: what goes over a connection to a keeper once it has answered Attach.
 *
 * Both ways: one byte of type, three bytes of length, little endian, then that many bytes.  Buffer
 * in, structure out; nothing here reads or writes a descriptor.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_BYTES 4
#define FRAME_MOST_BYTES 65536 /* without the head */

enum frame_type {
	/* to the client */
	FRAME_OUTPUT = 1,   /* for its terminal, as it is */
	FRAME_END = 2,	    /* frame_number(): wait status of the shell, or -1: not known */
	FRAME_DETACHED = 3, /* why, text without a terminator */
	/* to the keeper */
	FRAME_INPUT = 16,
	FRAME_WINDOW = 17, /* frame_window() */
	FRAME_DETACH = 18, /* empty */
	FRAME_PIXELS =
		19, /* frame_window(): the height and width in pixels of the next FRAME_WINDOW */
};

struct frame {
	enum frame_type type;
	size_t n;
	const uint8_t *bytes; /* within the buffer */
};

/* Writes the head of a frame with so many bytes, at most FRAME_MOST_BYTES. */
void frame_head(enum frame_type type, size_t n, uint8_t ret_head[static FRAME_HEAD_BYTES]);

/* The frame at the start of a buffer: 1, 0 when it is not complete, -EBADMSG when it is none (the
 * stream is then lost). */
int frame_parse(const uint8_t *buffer, size_t n, struct frame *ret_frame);

/* The four bytes of FRAME_END; -EBADMSG. */
void frame_put_number(int32_t number, uint8_t ret_bytes[static 4]);
int frame_number(const struct frame *frame, int32_t *ret_number);

/* The four bytes of FRAME_WINDOW: rows, columns; -EBADMSG. */
void frame_put_window(uint16_t rows, uint16_t columns, uint8_t ret_bytes[static 4]);
int frame_window(const struct frame *frame, uint16_t *ret_rows, uint16_t *ret_columns);
