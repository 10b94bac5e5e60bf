#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "text/inetdiag.h"

enum { ROWS_AT = NLMSG_SPACE(sizeof(struct inet_diag_msg)) };

/* In memory of exactly its size, so that a sanitizer sees what is read behind it. */
static struct nlmsghdr *message_of(size_t size, uint16_t type, uint16_t row_bytes)
{
	struct nlmsghdr *head = calloc(1, size);
	const size_t before = NLMSG_LENGTH(0);
	struct rtattr row = { .rta_len = row_bytes, .rta_type = type };
	struct inet_diag_msg message = { .id.idiag_cookie = { 7, 1 } };

	assert_non_null(head);
	head->nlmsg_len = (uint32_t)size;
	memcpy(NLMSG_DATA(head), &message,
	       size - before < sizeof(message) ? size - before : sizeof(message));
	if (size >= ROWS_AT + sizeof(row))
		memcpy((char *)head + ROWS_AT, &row, sizeof(row));
	return head;
}

static int parse(size_t size, uint16_t type, uint16_t row_bytes, struct inetdiag *ret_socket)
{
	struct nlmsghdr *head = message_of(size, type, row_bytes);
	struct tcp_info info = { .tcpi_last_data_recv = 5000,
				 .tcpi_segs_in = 12,
				 .tcpi_probes = 3 };
	int r;

	if (size == ROWS_AT + RTA_LENGTH(sizeof(info)))
		memcpy((char *)head + ROWS_AT + RTA_LENGTH(0), &info, sizeof(info));
	r = inetdiag_parse(head, size, ret_socket);
	free(head);
	return r;
}

static void a_whole_one(void **state)
{
	const uint16_t bytes = RTA_LENGTH(sizeof(struct tcp_info));
	struct inetdiag socket;

	(void)state;
	assert_int_equal(parse(ROWS_AT + bytes, INET_DIAG_INFO, bytes, &socket), 0);
	assert_true(socket.cookie == (UINT64_C(1) << 32 | 7));
	assert_int_equal(socket.last_data_recv_ms, 5000);
	assert_int_equal(socket.packets_in, 12);
	assert_int_equal(socket.probes, 3);
}

/* An older kernel has a shorter structure. */
static void a_short_one(void **state)
{
	struct inetdiag socket;

	(void)state;
	assert_int_equal(parse(ROWS_AT + RTA_LENGTH(8), INET_DIAG_INFO, RTA_LENGTH(8), &socket), 0);
	assert_int_equal(socket.packets_in, 0);
}

static void nothing_behind_the_end_is_read(void **state)
{
	struct inetdiag socket;

	(void)state;
	assert_int_equal(parse(ROWS_AT - 1, 0, 0, &socket), -EBADMSG);
	assert_int_equal(parse(ROWS_AT, 0, 0, &socket), -ENOENT);
	/* A last row that is not filled up, and rows of no or too many bytes. */
	for (uint16_t bytes = 0; bytes < 12; bytes++)
		assert_int_equal(parse(ROWS_AT + 5, INET_DIAG_INFO + 1, bytes, &socket), -ENOENT);
	assert_int_equal(parse(ROWS_AT + 8, INET_DIAG_INFO, 9, &socket), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_one),
		cmocka_unit_test(a_short_one),
		cmocka_unit_test(nothing_behind_the_end_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
