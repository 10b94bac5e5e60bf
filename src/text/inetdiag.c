#include "text/inetdiag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <string.h>

/* RTA_OK() and RTA_NEXT() count what is left in a number without a sign, and below zero when the
 * last row is not filled up to four bytes: here it is a signed one. */
static int find_info(const struct rtattr *row, int left, struct tcp_info *ret_info)
{
	for (; RTA_OK(row, left); row = RTA_NEXT(row, left)) {
		size_t size = RTA_PAYLOAD(row);

		if (row->rta_type != INET_DIAG_INFO)
			continue;
		memset(ret_info, 0, sizeof(*ret_info));
		memcpy(ret_info, RTA_DATA(row),
		       size < sizeof(*ret_info) ? size : sizeof(*ret_info));
		return 0;
	}
	return -ENOENT;
}

int inetdiag_parse(const void *bytes, size_t size, struct inetdiag *ret_socket)
{
	const size_t rows_at = NLMSG_SPACE(sizeof(struct inet_diag_msg));
	const struct nlmsghdr *head = bytes;
	const struct inet_diag_msg *message = NLMSG_DATA(bytes);
	struct tcp_info info;
	int r;

	if (size < rows_at || size > UINT16_MAX || head->nlmsg_len < rows_at ||
	    head->nlmsg_len > size)
		return -EBADMSG;
	r = find_info((const struct rtattr *)((const char *)bytes + rows_at),
		      (int)(head->nlmsg_len - rows_at), &info);
	if (r < 0)
		return r;
	*ret_socket = (struct inetdiag){
		.cookie = message->id.idiag_cookie[0] | (uint64_t)message->id.idiag_cookie[1] << 32,
		.last_data_recv_ms = info.tcpi_last_data_recv,
		.last_ack_recv_ms = info.tcpi_last_ack_recv,
		.packets_in = info.tcpi_segs_in,
		.probes = info.tcpi_probes,
		.retransmits = info.tcpi_retransmits,
	};
	return 0;
}
