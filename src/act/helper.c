#include "act/helper.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int helper_ask(int starter, const struct helper_request *request, const int *fds, size_t n)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(HELPER_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct helper_request copy = *request;
	struct iovec part = { .iov_base = &copy, .iov_len = sizeof(copy) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *head;

	assert(n > 0 && n <= HELPER_FDS_MAX);
	message.msg_control = control.bytes;
	message.msg_controllen = CMSG_SPACE(n * sizeof(int));
	head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(head), fds, n * sizeof(int));
	if (sendmsg(starter, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}
