#include "observe/sockets.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

static bool has_inode(const struct sockets *sockets, uint64_t inode)
{
	for (size_t i = 0; i < sockets->n; i++)
		if (sockets->rows[i].inode == inode)
			return true;
	return false;
}

static int read_row(int pidfd, const struct process_descriptor *descriptor,
		    struct sockets_row *ret_row)
{
	auto_close int fd = -1;
	int r = process_borrow(pidfd, descriptor->fd, &fd);

	if (r < 0)
		return r;
	r = socket_describe(fd, &ret_row->facts);
	ret_row->inode = descriptor->inode;
	ret_row->fd = descriptor->fd;
	return r;
}

int sockets_read(int pidfd, const struct process_descriptors *descriptors,
		 struct sockets *ret_sockets)
{
	struct sockets sockets = { 0 };

	sockets.rows = calloc(descriptors->n + 1, sizeof(*sockets.rows));
	if (!sockets.rows)
		return -ENOMEM;
	for (size_t i = 0; i < descriptors->n; i++) {
		const struct process_descriptor *descriptor = &descriptors->rows[i];
		struct sockets_row *row = &sockets.rows[sockets.n];
		int r;

		if (descriptor->target != TARGET_SOCKET || has_inode(&sockets, descriptor->inode))
			continue;
		r = read_row(pidfd, descriptor, row);
		/* Only one that was closed meanwhile may be missing. */
		if (r < 0 && r != -EBADF && r != -ENOTSOCK) {
			sockets_deinit(&sockets);
			return r;
		}
		if (r == 0 && row->facts.family != SOCKET_OTHER)
			sockets.n++;
	}
	*ret_sockets = sockets;
	return 0;
}

void sockets_deinit(struct sockets *sockets)
{
	free(sockets->rows);
	*sockets = (struct sockets){ 0 };
}

bool sockets_listen_on(const struct sockets *sockets, uint16_t port)
{
	for (size_t i = 0; i < sockets->n; i++) {
		const struct socket_facts *facts = &sockets->rows[i].facts;

		if (facts->family == SOCKET_TCP && facts->listening && facts->local_port == port)
			return true;
	}
	return false;
}
