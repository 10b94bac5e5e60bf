#include "daemon/starter.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/helper.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/leftover.h"
#include "daemon/owner.h"
#include "daemon/starting.h"
#include "observe/terminal.h"

/* Of the slaves of terminals, as /proc/devices has it. */
#define PTY_MAJOR 136

/* Terminals for which keepers were started, the last ones. */
#define STARTED_MAX 256

struct started {
	uint32_t uid;
	dev_t device; /* that the terminal's node is on */
	ino_t inode;
};

struct starter {
	const struct starter_options *options;
	struct started started[STARTED_MAX];
	size_t n_started;
	bool child; /* this process is one: it has nothing more to take */
};

struct message {
	struct helper_request request;
	int fds[HELPER_FDS_MAX];
	size_t n_fds;
};

typedef int starter_handler(struct starter *starter, const struct message *message);

/* The slave of that number, and whose it is. */
static int check_slave(int slave, const struct helper_request *request, struct stat *ret_status)
{
	if (fstat(slave, ret_status) < 0)
		return -errno;
	if (!S_ISCHR(ret_status->st_mode) || major(ret_status->st_rdev) != PTY_MAJOR ||
	    minor(ret_status->st_rdev) != request->pty)
		return -EINVAL;
	return 0;
}

static int check_master(int master, const struct helper_request *request, struct stat *ret_status)
{
	auto_close int slave = -1;
	int32_t pty;
	int r = terminal_number(master, &pty);

	if (r == 0 && (uint32_t)pty != request->pty)
		r = -EINVAL;
	if (r == 0)
		r = terminal_open_slave(master, &slave);
	if (r == 0)
		r = check_slave(slave, request, ret_status);
	/* Nobody's terminal is given to anybody else. */
	if (r == 0 && ret_status->st_uid != request->uid)
		r = -EPERM;
	return r;
}

static void note_started(struct starter *starter, uint32_t uid, const struct stat *status)
{
	starter->started[starter->n_started++ % STARTED_MAX] =
		(struct started){ .uid = uid, .device = status->st_dev, .inode = status->st_ino };
}

static bool was_started(const struct starter *starter, uint32_t uid, const struct stat *status)
{
	size_t n = starter->n_started < STARTED_MAX ? starter->n_started : STARTED_MAX;

	for (size_t i = 0; i < n; i++)
		if (starter->started[i].uid == uid &&
		    starter->started[i].device == status->st_dev &&
		    starter->started[i].inode == status->st_ino)
			return true;
	return false;
}

/* 1 in the child of a child, which belongs to process 1; 0: nothing is left to do here; -errno, also in the child. */
static int leave_to_init(struct starter *starter)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0) {
		(void)waitpid(pid, NULL, 0);
		return 0;
	}
	starter->child = true;
	/* The monitor knows by it that the starter lives. */
	(void)close(starter->options->fd);
	pid = fork();
	return pid < 0 ? -errno : pid == 0;
}

/* The child's child becomes the keeper. */
static int take_start(struct starter *starter, const struct message *message)
{
	struct stat status;
	int r = check_master(message->fds[START_FD_MASTER], &message->request, &status);

	if (r == 0) {
		note_started(starter, message->request.uid, &status);
		r = leave_to_init(starter);
	}
	if (r < 0)
		starting_refuse(message->fds[START_FD_LINK], r);
	if (r <= 0)
		return 0;
	return starting_become(&message->request, message->fds, starter->options->keeper,
			       starter->options->runtime_dir);
}

/* 1: process 1 has to be asked. */
static int mend(struct starter *starter, const struct message *message)
{
	const struct helper_request *request = &message->request;
	int slave = message->fds[MEND_FD_SLAVE];
	struct stat status;
	int r = check_slave(slave, request, &status);

	if (r < 0)
		return r;
	if ((status.st_uid != 0 && status.st_uid != request->uid) ||
	    !was_started(starter, request->uid, &status))
		return -EPERM;
	return owner_give_back(slave, request->uid, request->gid, request->mode & 0666);
}

static int take_mend(struct starter *starter, const struct message *message)
{
	const struct helper_request *request = &message->request;
	int32_t result = mend(starter, message);

	if (result == 1) {
		result = leave_to_init(starter);
		if (result == 0)
			return 0;
		if (result == 1)
			result = owner_ask_back(message->fds[MEND_FD_SLAVE], request->uid,
						request->gid, request->mode & 0666);
	}
	(void)send(message->fds[MEND_FD_ANSWER], &result, sizeof(result),
		   MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

static const struct starter_row {
	enum helper_type type;
	size_t n_fds;
	bool after_start; /* legal only once a keeper was started */
	starter_handler *handler;
} rows[] = {
	{ HELPER_START, START_N, false, take_start },
	{ HELPER_MEND, MEND_N, true, take_mend },
};

static void take_fds(const struct msghdr *head, struct message *message)
{
	struct msghdr copy = *head;

	for (struct cmsghdr *one = CMSG_FIRSTHDR(&copy); one; one = CMSG_NXTHDR(&copy, one)) {
		size_t n = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(message->fds, CMSG_DATA(one), n * sizeof(int));
		message->n_fds = n;
	}
}

/* 1: took one; 0: the monitor has gone; -errno. */
static int receive(int fd, struct message *ret_message)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(HELPER_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = &ret_message->request,
			      .iov_len = sizeof(ret_message->request) };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	head.msg_control = control.bytes;
	head.msg_controllen = sizeof(control.bytes);
	ret_message->n_fds = 0;
	do {
		n = recvmsg(fd, &head, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(&head, ret_message);
	if (n == 0)
		return 0;
	if (n != sizeof(ret_message->request) || (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return -EPROTO;
	return 1;
}

static int handle(struct starter *starter, const struct message *message)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct starter_row *row = &rows[i];

		if (row->type != message->request.type)
			continue;
		if (row->n_fds != message->n_fds || (row->after_start && starter->n_started == 0))
			return -EPROTO;
		return row->handler(starter, message);
	}
	return -EPROTO;
}

static void close_fds(const struct message *message)
{
	for (size_t i = 0; i < message->n_fds; i++)
		(void)close(message->fds[i]);
}

int starter_run(const struct starter_options *options)
{
	struct starter starter = { .options = options };
	int r;

	r = leave_to_init(&starter);
	if (r < 0)
		log_error("terminals that were left to everybody stay as they are: %s",
			  strerror(-r));
	if (r == 1)
		leftover_mend();
	if (starter.child)
		return 0;
	do {
		struct message message;

		r = receive(options->fd, &message);
		if (r > 0) {
			r = handle(&starter, &message);
			if (starter.child)
				return r < 0 ? 1 : 0;
			if (r == 0)
				r = 1;
		}
		close_fds(&message);
	} while (r > 0);
	if (r < 0)
		log_error("the monitor sent a request that is not allowed: %s", strerror(-r));
	return 0;
}
