#include "observe/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int get_option(int fd, int name, int *ret_value)
{
	socklen_t size = sizeof(*ret_value);

	return getsockopt(fd, SOL_SOCKET, name, ret_value, &size) < 0 ? -errno : 0;
}

static void take_name(const struct sockaddr_storage *name, struct address *address, uint16_t *port)
{
	if (name->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;

		*port = ntohs(in6->sin6_port);
		memcpy(address->bytes, &in6->sin6_addr, sizeof(address->bytes));
	}
	if (name->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)name;

		*port = ntohs(in->sin_port);
		*address = address_of_ipv4((const uint8_t *)&in->sin_addr);
	}
}

/* Not connected is an answer too. */
static int get_peer(int fd, struct sockaddr *name, socklen_t *size, bool *ret_connected)
{
	*ret_connected = getpeername(fd, name, size) == 0;
	return *ret_connected || errno == ENOTCONN || errno == EINVAL ? 0 : -errno;
}

void socket_name_tcp(const struct sockaddr_storage *local, const struct sockaddr_storage *peer,
		     struct socket_facts *facts)
{
	facts->family = SOCKET_TCP;
	take_name(local, &facts->local, &facts->local_port);
	if (peer)
		take_name(peer, &facts->peer, &facts->peer_port);
}

static int describe_tcp(int fd, struct socket_facts *facts)
{
	struct sockaddr_storage local = { 0 }, peer = { 0 };
	socklen_t size = sizeof(local);
	int r;

	if (getsockname(fd, (struct sockaddr *)&local, &size) < 0)
		return -errno;
	size = sizeof(peer);
	r = get_peer(fd, (struct sockaddr *)&peer, &size, &facts->connected);
	socket_name_tcp(&local, facts->connected ? &peer : NULL, facts);
	return r;
}

static void copy_path(const struct sockaddr_un *name, socklen_t size, char *path)
{
	size_t length = size > offsetof(struct sockaddr_un, sun_path)
				? size - offsetof(struct sockaddr_un, sun_path)
				: 0;

	if (length > sizeof(name->sun_path) - 1)
		length = sizeof(name->sun_path) - 1;
	memcpy(path, name->sun_path, length);
	path[length] = '\0';
	/* An abstract name begins with a NUL. */
	if (length > 1 && path[0] == '\0')
		path[0] = '@';
}

static int describe_unix(int fd, struct socket_facts *facts)
{
	struct sockaddr_un name = { 0 };
	socklen_t size = sizeof(name);
	int r;

	facts->family = SOCKET_UNIX;
	if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
		return -errno;
	copy_path(&name, size, facts->local_path);
	size = sizeof(name);
	r = get_peer(fd, (struct sockaddr *)&name, &size, &facts->connected);
	if (facts->connected)
		copy_path(&name, size, facts->peer_path);
	return r;
}

int socket_describe(int fd, struct socket_facts *ret_facts)
{
	int domain = 0, type = 0, protocol = 0, listening = 0, reuse = 0, r;

	r = get_option(fd, SO_DOMAIN, &domain);
	if (r == 0)
		r = get_option(fd, SO_TYPE, &type);
	if (r == 0)
		r = get_option(fd, SO_PROTOCOL, &protocol);
	if (r < 0)
		return r;
	memset(ret_facts, 0, sizeof(*ret_facts));
	if (type != SOCK_STREAM)
		return 0;
	r = get_option(fd, SO_ACCEPTCONN, &listening);
	if (r == 0)
		r = get_option(fd, SO_REUSEADDR, &reuse);
	if (r < 0)
		return r;
	ret_facts->listening = listening != 0;
	ret_facts->reuse = reuse != 0;
	if ((domain == AF_INET || domain == AF_INET6) && protocol == IPPROTO_TCP)
		r = describe_tcp(fd, ret_facts);
	else if (domain == AF_UNIX)
		r = describe_unix(fd, ret_facts);
	return r;
}

int socket_cookie(int fd, uint64_t *ret_cookie)
{
	uint64_t cookie;
	socklen_t size = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0)
		return -errno;
	*ret_cookie = cookie;
	return 0;
}

/*
 * Before Linux 4.19 there are no bytes_sent and bytes_retrans: acknowledged plus queued is the same
 * number, but of two moments; an acknowledgement in between makes it too small, so the ledger shows
 * use where there is none.
 */
static bool tells_sent(size_t size)
{
	return size >= offsetof(struct tcp_info, tcpi_bytes_retrans) +
			       sizeof(((struct tcp_info *)NULL)->tcpi_bytes_retrans);
}

static uint64_t bytes_sent(const struct tcp_info *info, size_t size, uint64_t queued)
{
	if (tells_sent(size))
		return info->tcpi_bytes_sent - info->tcpi_bytes_retrans + info->tcpi_notsent_bytes;
	return info->tcpi_bytes_acked + queued;
}

void socket_counters_of(const struct tcp_info *info, size_t size, uint64_t waiting, uint64_t queued,
			struct socket_counters *ret_counters)
{
	*ret_counters = (struct socket_counters){
		.sent = bytes_sent(info, size, queued),
		.received = info->tcpi_bytes_received,
		.waiting = waiting,
		.segments_in = info->tcpi_data_segs_in,
		.packets_in = info->tcpi_segs_in,
		.asked = (uint32_t)info->tcpi_probes + info->tcpi_retransmits,
		.last_data_recv_ns = info->tcpi_last_data_recv * NS_PER_MS,
		.last_ack_recv_ns = info->tcpi_last_ack_recv * NS_PER_MS,
		/* Of Linux 4.1 and 4.6: where a socket can be borrowed (5.6) both are there. */
		.acked = info->tcpi_bytes_acked,
		.unsent = info->tcpi_notsent_bytes,
		.settled = info->tcpi_unacked == 0,
	};
}

static int count(int fd, uint64_t waiting, struct socket_counters *ret_counters)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	int queued = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return -errno;
	if (!tells_sent(size))
		(void)ioctl(fd, SIOCOUTQ, &queued);
	socket_counters_of(&info, size, waiting, (uint64_t)queued, ret_counters);
	return 0;
}

int socket_count(int fd, struct socket_counters *ret_counters)
{
	int waiting;

	if (ioctl(fd, SIOCINQ, &waiting) < 0)
		return -errno;
	return count(fd, (uint64_t)waiting, ret_counters);
}

int socket_count_moves(int fd, struct socket_counters *ret_counters)
{
	return count(fd, 0, ret_counters);
}
