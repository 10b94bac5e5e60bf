#include "base/pids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

int pids_open(struct pids *pids)
{
	pids->fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pids->at = pids->filled = 0;
	return pids->fd < 0 ? -errno : 0;
}

static int fill(struct pids *pids)
{
	long n = syscall(SYS_getdents64, pids->fd, pids->entries.bytes, sizeof(pids->entries));

	if (n < 0)
		return -errno;
	pids->at = 0;
	pids->filled = (size_t)n;
	return n > 0;
}

int pids_next(struct pids *pids, int32_t *ret_pid)
{
	for (;;) {
		const struct dirent *entry;
		uint64_t pid;
		int r = pids->at < pids->filled ? 1 : fill(pids);

		if (r <= 0)
			return r;
		/* Of 64 bits everywhere, as off_t is. */
		entry = (const struct dirent *)(pids->entries.bytes + pids->at);
		pids->at += entry->d_reclen;
		if (text_to_u64(entry->d_name, INT32_MAX, &pid) == 0 && pid > 0) {
			*ret_pid = (int32_t)pid;
			return 1;
		}
	}
}

void pids_close(struct pids *pids)
{
	cleanup_close(&pids->fd);
	pids->fd = -1;
}

int pids_each(pids_look_fn *look, void *context)
{
	struct pids pids;
	int32_t pid;
	int r = pids_open(&pids);

	if (r < 0)
		return r;
	while ((r = pids_next(&pids, &pid)) > 0) {
		r = look(context, pid);
		if (r != 0)
			break;
	}
	pids_close(&pids);
	return r;
}

int pids_error(int error)
{
	return error == ENOENT ? -ESRCH : -error;
}

bool pids_is_nobody(int r)
{
	return r == -ENOENT || r == -ESRCH || r == -EACCES || r == -EPERM;
}
