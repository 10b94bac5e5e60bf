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

static int borrow_all(int pidfd, const struct process_descriptors *descriptors,
		      struct sockets *sockets)
{
	for (size_t i = 0; i < descriptors->n; i++) {
		const struct process_descriptor *descriptor = &descriptors->rows[i];
		struct sockets_row *row = &sockets->rows[sockets->n];
		int r;

		if (descriptor->target != TARGET_SOCKET || has_inode(sockets, descriptor->inode))
			continue;
		r = read_row(pidfd, descriptor, row);
		/* Only one that was closed meanwhile may be missing. */
		if (r < 0 && r != -EBADF && r != -ENOTSOCK)
			return r;
		if (r == 0 && row->facts.family != SOCKET_OTHER)
			sockets->n++;
	}
	return 0;
}

static void take_tcp(void *context, const struct diag_socket *socket)
{
	struct sockets *sockets = context;

	for (size_t i = 0; i < sockets->n; i++) {
		struct sockets_row *row = &sockets->rows[i];

		if (row->inode != socket->inode)
			continue;
		row->facts = socket->facts;
		row->diag = socket->id;
	}
}

/* What is neither TCP of the network namespace that is asked nor a unix stream is left out. */
static void take_unix(struct sockets *sockets)
{
	size_t kept = 0;

	for (size_t i = 0; i < sockets->n; i++) {
		struct sockets_row *row = &sockets->rows[i];

		if (row->facts.family != SOCKET_TCP && diag_unix(row->inode, &row->facts) < 0)
			continue;
		sockets->rows[kept++] = *row;
	}
	sockets->n = kept;
}

static int look_up_all(const struct process_descriptors *descriptors, struct sockets *sockets)
{
	int r;

	sockets->n = 0;
	sockets->refused = true;
	for (size_t i = 0; i < descriptors->n; i++) {
		const struct process_descriptor *descriptor = &descriptors->rows[i];

		if (descriptor->target == TARGET_SOCKET && !has_inode(sockets, descriptor->inode))
			sockets->rows[sockets->n++] =
				(struct sockets_row){ .inode = descriptor->inode,
						      .fd = descriptor->fd };
	}
	r = diag_all(take_tcp, sockets);
	if (r == 0)
		take_unix(sockets);
	return r;
}

int sockets_read(int pidfd, const struct process_descriptors *descriptors, enum sockets_way way,
		 struct sockets *ret_sockets)
{
	struct sockets sockets = { 0 };
	int r = 0;

	sockets.rows = calloc(descriptors->n + 1, sizeof(*sockets.rows));
	if (!sockets.rows)
		return -ENOMEM;
	if (way != SOCKETS_LOOK_UP)
		r = borrow_all(pidfd, descriptors, &sockets);
	if (way == SOCKETS_LOOK_UP || (way == SOCKETS_EITHER && r == -EPERM))
		r = look_up_all(descriptors, &sockets);
	if (r < 0) {
		sockets_deinit(&sockets);
		return r;
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
