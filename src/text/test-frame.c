#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "text/frame.h"

static void test_head_and_bytes(void **state)
{
	static const uint8_t hello[5] = { 'h', 'e', 'l', 'l', 'o' };
	uint8_t buffer[FRAME_HEAD_BYTES + sizeof(hello)];
	struct frame frame;

	(void)state;
	frame_head(FRAME_INPUT, 5, buffer);
	memcpy(buffer + FRAME_HEAD_BYTES, hello, sizeof(hello));
	for (size_t n = 0; n < sizeof(buffer); n++)
		assert_int_equal(frame_parse(buffer, n, &frame), 0);
	assert_int_equal(frame_parse(buffer, sizeof(buffer), &frame), 1);
	assert_int_equal(frame.type, FRAME_INPUT);
	assert_int_equal(frame.n, 5);
	assert_memory_equal(frame.bytes, "hello", 5);
}

static void test_too_long(void **state)
{
	uint8_t head[FRAME_HEAD_BYTES];
	struct frame frame;

	(void)state;
	frame_head(FRAME_OUTPUT, FRAME_MOST_BYTES, head);
	assert_int_equal(frame_parse(head, sizeof(head), &frame), 0);
	frame_head(FRAME_OUTPUT, FRAME_MOST_BYTES + 1, head);
	assert_int_equal(frame_parse(head, sizeof(head), &frame), -EBADMSG);
}

static void test_number(void **state)
{
	const int32_t numbers[] = { 0, -1, 1, 256, INT32_MAX, INT32_MIN };
	uint8_t bytes[4];
	struct frame frame = { .type = FRAME_END, .n = 4, .bytes = bytes };
	int32_t number = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		frame_put_number(numbers[i], bytes);
		assert_int_equal(frame_number(&frame, &number), 0);
		assert_int_equal(number, numbers[i]);
	}
	frame.n = 3;
	assert_int_equal(frame_number(&frame, &number), -EBADMSG);
}

static void test_window(void **state)
{
	uint8_t bytes[4];
	struct frame frame = { .type = FRAME_WINDOW, .n = 4, .bytes = bytes };
	uint16_t rows, columns;

	(void)state;
	frame_put_window(24, 65535, bytes);
	assert_int_equal(frame_window(&frame, &rows, &columns), 0);
	assert_int_equal(rows, 24);
	assert_int_equal(columns, 65535);
	frame.n = 5;
	assert_int_equal(frame_window(&frame, &rows, &columns), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_and_bytes),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
