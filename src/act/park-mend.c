#include "act/park-mend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/helper.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "observe/process.h"

#define MEND_FOR_NS (2 * NS_PER_S)

bool park_mend_is_due(const struct park_terminal *terminal)
{
	struct stat status;

	return terminal->slave >= 0 && fstat(terminal->slave, &status) == 0 &&
	       (status.st_uid != terminal->uid || status.st_gid != terminal->gid ||
		(status.st_mode & 07777) != terminal->mode);
}

static int ask(struct park_terminal *terminal, int starter)
{
	struct helper_request request = {
		.type = HELPER_MEND,
		.uid = terminal->uid,
		.pty = (uint32_t)terminal->channel.tty,
		.gid = terminal->gid,
		.mode = terminal->mode,
	};
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	r = helper_ask(
		starter, &request,
		(int[MEND_N]){ [MEND_FD_ANSWER] = ends[1], [MEND_FD_SLAVE] = terminal->slave },
		MEND_N);
	(void)close(ends[1]);
	if (r < 0)
		(void)close(ends[0]);
	else
		terminal->answer = ends[0];
	return r;
}

int park_mend_step(struct park_terminal *terminal, int starter, int64_t now_ns)
{
	int32_t result;
	ssize_t n;

	if (terminal->answer < 0) {
		int r = ask(terminal, starter);

		terminal->mend_until_ns = now_ns + MEND_FOR_NS;
		return r;
	}
	n = recv(terminal->answer, &result, sizeof(result), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return now_ns < terminal->mend_until_ns ? 0 : -ETIMEDOUT;
	(void)close(take_fd(&terminal->answer));
	if (n != (ssize_t)sizeof(result))
		return -EPIPE;
	return result < 0 ? result : 1;
}

/* One descriptor; the name shows at no cost that it is no terminal. */
static bool leads_to(int directory, const char *name, const struct stat *terminal)
{
	struct stat status;
	char target[64];
	ssize_t n = readlinkat(directory, name, target, sizeof(target) - 1);

	if (n <= 0 || target[0] != '/')
		return false;
	return fstatat(directory, name, &status, 0) == 0 && S_ISCHR(status.st_mode) &&
	       status.st_rdev == terminal->st_rdev && status.st_dev == terminal->st_dev &&
	       status.st_ino == terminal->st_ino;
}

static bool has_open(int32_t pid, const struct stat *terminal)
{
	const struct dirent *entry;
	char path[48];
	bool found = false;
	DIR *list;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	list = opendir(path);
	while (list && !found && (entry = readdir(list)) != NULL)
		found = leads_to(dirfd(list), entry->d_name, terminal);
	if (list)
		(void)closedir(list);
	return found;
}

int32_t park_mend_find_other(const struct park_terminal *terminal, uint32_t *ret_uid)
{
	const struct dirent *entry;
	struct stat status;
	int32_t found = 0;
	DIR *proc;

	if (fstat(terminal->slave, &status) < 0)
		return 0;
	proc = opendir("/proc");
	while (proc && found == 0 && (entry = readdir(proc)) != NULL) {
		struct procstat_status process;
		uint64_t pid;

		if (text_to_u64(entry->d_name, INT32_MAX, &pid) < 0 ||
		    process_status((int32_t)pid, &process) < 0 || process.uid == 0 ||
		    process.uid == terminal->uid || !has_open((int32_t)pid, &status))
			continue;
		found = (int32_t)pid;
		*ret_uid = process.uid;
	}
	if (proc)
		(void)closedir(proc);
	return found;
}

void park_mend_hang_up(const struct park_terminal *terminal)
{
	static const int signals[] = { SIGHUP, SIGCONT, SIGKILL };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)syscall(SYS_pidfd_send_signal, terminal->leader, signals[i], NULL, 0);
}
