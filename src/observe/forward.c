#include "observe/forward.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "observe/process.h"
#include "observe/socket.h"

void forward_free(struct forward *forward)
{
	if (!forward)
		return;
	free(forward->rows);
	free(forward);
}

static const struct forward_row *find_row(const struct forward *forward, uint64_t cookie)
{
	for (size_t i = 0; i < forward->n; i++)
		if (forward->rows[i].cookie == cookie)
			return &forward->rows[i];
	return NULL;
}

static int read_row(int pidfd, struct forward_row *row)
{
	struct socket_counters counters = { 0 };
	auto_close int fd = -1;
	uint64_t cookie = 0;
	int r = process_borrow(pidfd, row->fd, &fd);

	if (r == 0)
		r = socket_cookie(fd, &cookie);
	if (r == 0 && row->cookie != 0 && cookie != row->cookie)
		r = -ESTALE;
	if (r == 0)
		r = socket_count(fd, &counters);
	if (r < 0)
		return r;
	row->cookie = cookie;
	row->written = counters.sent;
	row->read = counters.received - counters.waiting;
	return 0;
}

/* Closed since the list was read, or another one by now: that it has gone is for the next list. */
static bool has_gone(int error)
{
	return error == -EBADF || error == -ENOTSOCK || error == -ESTALE || error == -ESRCH ||
	       error == -EINVAL || error == -EOPNOTSUPP;
}

int forward_set(struct forward *forward, int pidfd, const int32_t *fds, size_t n)
{
	struct forward_row *rows = NULL;
	size_t kept = 0;

	if (n > 0) {
		rows = calloc(n, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct forward_row *known;
		int r;

		rows[kept] = (struct forward_row){ .fd = fds[i] };
		r = read_row(pidfd, &rows[kept]);
		if (r < 0 && !has_gone(r)) {
			free(rows);
			return r;
		}
		if (r < 0)
			continue;
		known = find_row(forward, rows[kept].cookie);
		if (known) {
			/* What it moved since then is for forward_read() to add. */
			rows[kept].written = known->written;
			rows[kept].read = known->read;
		} else {
			forward->opened++;
		}
		kept++;
	}
	free(forward->rows);
	forward->rows = rows;
	forward->n = kept;
	return 0;
}

static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

int forward_read(struct forward *forward, int pidfd)
{
	int result = 0;

	for (size_t i = 0; i < forward->n; i++) {
		struct forward_row *row = &forward->rows[i];
		struct forward_row before = *row;

		const int r = read_row(pidfd, row);

		if (r < 0) {
			if (!has_gone(r))
				result = r;
			else if (result == 0)
				result = -ESTALE;
			continue;
		}
		forward->written += grown(row->written, before.written);
		forward->read += grown(row->read, before.read);
	}
	return result;
}
