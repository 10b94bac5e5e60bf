#include "observe/diag.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "observe/sockdiag.h"

/* States of include/net/tcp_states.h, for unix sockets too. */
enum {
	STATE_ESTABLISHED = 1,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_LISTEN = 10,
	STATE_CLOSING = 11,
};

#define CONNECTED_STATES                                                           \
	(1U << STATE_ESTABLISHED | 1U << STATE_FIN_WAIT1 | 1U << STATE_FIN_WAIT2 | \
	 1U << STATE_CLOSE_WAIT | 1U << STATE_LAST_ACK | 1U << STATE_CLOSING)
#define LISTEN_STATES (1U << STATE_LISTEN)

/* What the kernel makes of its buffers for a dump is at most that. */
#define ANSWER_BYTES 32768

/* Errors in a row that are taken for older ones. */
#define DRAIN_ERRORS 4

union answer {
	struct nlmsghdr head;
	char bytes[ANSWER_BYTES];
};

/* One message of an answer; an error ends it. */
typedef int message_fn(void *context, const struct nlmsghdr *head);

static const struct rtattr *find_attribute(const struct nlmsghdr *head, size_t fixed, int type)
{
	const struct rtattr *row =
		(const struct rtattr *)((const char *)NLMSG_DATA(head) + NLMSG_ALIGN(fixed));
	/* With a sign: RTA_NEXT() takes more than there is when the last row is not filled up. */
	int left = head->nlmsg_len < NLMSG_LENGTH(fixed) ? 0 : (int)NLMSG_PAYLOAD(head, fixed);

	for (; RTA_OK(row, left); row = RTA_NEXT(row, left))
		if (row->rta_type == type)
			return row;
	return NULL;
}

/* The tcp_info in a message; returns its size, -ENOENT without one. */
static int find_info(const struct nlmsghdr *head, struct tcp_info *ret_info)
{
	const struct rtattr *row =
		find_attribute(head, sizeof(struct inet_diag_msg), INET_DIAG_INFO);
	size_t size = row ? RTA_PAYLOAD(row) : 0;

	if (!row)
		return -ENOENT;
	if (size > sizeof(*ret_info))
		size = sizeof(*ret_info);
	memset(ret_info, 0, sizeof(*ret_info));
	memcpy(ret_info, RTA_DATA(row), size);
	return (int)size;
}

struct question {
	uint32_t number;
	message_fn *function;
	void *context;
};

/* 1: the answer goes on. */
static int take_answer(const union answer *answer, size_t size, const struct question *question)
{
	const struct nlmsghdr *head = &answer->head;
	int r;

	for (; NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
		if (head->nlmsg_seq != question->number)
			continue;
		if (head->nlmsg_type == NLMSG_DONE)
			return 0;
		if (head->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
		r = question->function(question->context, head);
		if (r < 0 || !(head->nlmsg_flags & NLM_F_MULTI))
			return r;
	}
	return 1;
}

/* Reads what is left of an answer that was given up, also by who had the socket before: until its end the kernel
 * begins no other list (EBUSY).  An error that stands there is of that answer too. */
static int drain(int fd)
{
	char byte;
	ssize_t size = 0;

	for (int errors = 0; errors < DRAIN_ERRORS;) {
		size = sockdiag_receive(fd, &byte, sizeof(byte));
		if (size == -EAGAIN)
			return 0;
		if (size < 0)
			errors++;
	}
	return (int)size;
}

/* The kernel answers before send(2) and recv(2) return, so nothing is waited for. */
static int ask(struct nlmsghdr *request, message_fn *function, void *context)
{
	static uint32_t last_number;
	const struct question question = { ++last_number, function, context };
	const int fd = sockdiag_get(SOCKDIAG_QUESTIONS);
	union answer answer;
	int r = fd < 0 ? fd : drain(fd);

	if (r < 0)
		return r;
	request->nlmsg_seq = question.number;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	do {
		ssize_t size = sockdiag_receive(fd, &answer, sizeof(answer));

		r = size < 0 ? (int)size : take_answer(&answer, (size_t)size, &question);
	} while (r == 1);
	return r;
}

/* --- TCP --- */

struct inet_request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static struct inet_request inet_request(uint8_t family, uint16_t flags)
{
	return (struct inet_request){
		.head = { .nlmsg_len = sizeof(struct inet_request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
		.body = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP },
	};
}

struct all {
	diag_fn *function;
	void *context;
	uint8_t listens[65536 / 8]; /* a bit for each port */
};

static void fill_name(uint8_t family, const uint32_t *address, uint16_t port,
		      struct sockaddr_storage *name)
{
	if (family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;

		in6->sin6_port = port;
		memcpy(&in6->sin6_addr, address, sizeof(in6->sin6_addr));
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)name;

		in->sin_port = port;
		memcpy(&in->sin_addr, address, sizeof(in->sin_addr));
	}
	name->ss_family = family;
}

static void describe(const struct inet_diag_msg *message, const struct all *all,
		     struct socket_facts *facts)
{
	const struct inet_diag_sockid *id = &message->id;
	struct sockaddr_storage local = { 0 }, peer = { 0 };

	fill_name(message->idiag_family, id->idiag_src, id->idiag_sport, &local);
	fill_name(message->idiag_family, id->idiag_dst, id->idiag_dport, &peer);
	facts->listening = message->idiag_state == STATE_LISTEN;
	facts->connected = !facts->listening;
	socket_name_tcp(&local, facts->connected ? &peer : NULL, facts);
	facts->reuse = all->listens[facts->local_port / 8] >> (facts->local_port % 8) & 1;
}

static int take_socket(void *context, const struct nlmsghdr *head)
{
	const struct inet_diag_msg *message = NLMSG_DATA(head);
	struct diag_socket socket = { 0 };
	struct all *all = context;
	uint16_t port;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return -EPROTO;
	port = ntohs(message->id.idiag_sport);
	if (message->idiag_state == STATE_LISTEN)
		all->listens[port / 8] |= (uint8_t)(1U << (port % 8));
	socket.inode = message->idiag_inode;
	socket.id = (struct diag_id){ .id = message->id, .family = message->idiag_family };
	describe(message, all, &socket.facts);
	all->function(all->context, &socket);
	return 1;
}

static int dump(struct all *all, uint8_t family, uint32_t states)
{
	struct inet_request request = inet_request(family, NLM_F_DUMP);

	request.body.idiag_states = states;
	return ask(&request.head, take_socket, all);
}

int diag_all(diag_fn *function, void *context)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	static const uint32_t states[] = { LISTEN_STATES, CONNECTED_STATES };
	struct all all = { .function = function, .context = context };
	int r = 0;

	/* Who listens first: it says of the others whether they were accepted. */
	for (size_t i = 0; i < 4 && (r == 0 || r == -ENOENT); i++)
		r = dump(&all, families[i % 2], states[i / 2]);
	return r == -ENOENT ? 0 : r;
}

uint64_t diag_cookie(const struct diag_id *id)
{
	return id->id.idiag_cookie[0] | (uint64_t)id->id.idiag_cookie[1] << 32;
}

static int take_counters(void *context, const struct nlmsghdr *head)
{
	const struct inet_diag_msg *message = NLMSG_DATA(head);
	struct tcp_info info;
	int size = find_info(head, &info);

	if (size < 0)
		return size;
	/* Both are filled in by one function, what waits before the rest: in the order that
	 * socket_count() has. */
	socket_counters_of(&info, (size_t)size, message->idiag_rqueue, message->idiag_wqueue,
			   context);
	return 0;
}

int diag_count(const struct diag_id *id, struct socket_counters *ret_counters)
{
	struct inet_request request = inet_request(id->family, 0);
	int r;

	request.body.id = id->id;
	request.body.idiag_ext = 1U << (INET_DIAG_INFO - 1);
	r = ask(&request.head, take_counters, ret_counters);
	return r == -ENOENT ? -ESTALE : r;
}

/* --- unix --- */

struct unix_answer {
	struct socket_facts *facts;
	char *name;
	uint32_t peer;
	bool is_stream;
};

static int take_unix(void *context, const struct nlmsghdr *head)
{
	const struct unix_diag_msg *message = NLMSG_DATA(head);
	const struct rtattr *name, *peer;
	struct unix_answer *answer = context;
	size_t length;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return -EPROTO;
	name = find_attribute(head, sizeof(*message), UNIX_DIAG_NAME);
	peer = find_attribute(head, sizeof(*message), UNIX_DIAG_PEER);
	length = name ? RTA_PAYLOAD(name) : 0;
	if (length > SOCKET_PATH_BYTES - 1)
		length = SOCKET_PATH_BYTES - 1;
	if (name)
		memcpy(answer->name, RTA_DATA(name), length);
	answer->name[length] = '\0';
	if (length > 1 && answer->name[0] == '\0')
		answer->name[0] = '@';
	if (peer && RTA_PAYLOAD(peer) >= sizeof(answer->peer))
		memcpy(&answer->peer, RTA_DATA(peer), sizeof(answer->peer));
	answer->is_stream = message->udiag_type == SOCK_STREAM;
	answer->facts->listening = message->udiag_state == STATE_LISTEN;
	return 0;
}

static int ask_unix(uint32_t inode, struct unix_answer *answer)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req body;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_family = AF_UNIX,
			  .udiag_states = UINT32_MAX,
			  .udiag_ino = inode,
			  .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER,
			  .udiag_cookie = { UINT32_MAX, UINT32_MAX } },
	};

	return ask(&request.head, take_unix, answer);
}

int diag_unix(uint64_t inode, struct socket_facts *ret_facts)
{
	struct socket_facts facts = { .family = SOCKET_UNIX }, other = { 0 };
	struct unix_answer own = { .facts = &facts, .name = facts.local_path };
	struct unix_answer peer = { .facts = &other, .name = facts.peer_path };
	int r = ask_unix((uint32_t)inode, &own);

	if (r < 0)
		return r;
	if (!own.is_stream)
		return -ENOENT;
	facts.connected = own.peer != 0;
	if (facts.connected)
		(void)ask_unix(own.peer, &peer);
	*ret_facts = facts;
	return 0;
}
