#include "observe/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "observe/children.h"
#include "observe/connection.h"
#include "observe/socket.h"
#include "observe/terminal.h"
#include "observe/watch-private.h"
#include "observe/work.h"

static const char *const troubles[TROUBLE_N] = {
	[TROUBLE_BORROW] =
		"its socket cannot be borrowed (pidfd_getfd is refused: Yama scope 3, or CAP_SYS_PTRACE is "
		"missing); it counts as in use",
	[TROUBLE_IO] =
		"its /proc/PID/io cannot be read (CAP_SYS_PTRACE or CAP_DAC_READ_SEARCH is missing); whatever "
		"comes from the client counts as use",
	[TROUBLE_NO_IO] =
		"its /proc/PID/io is missing (the kernel lacks CONFIG_TASK_IO_ACCOUNTING); whatever comes "
		"from the client counts as use",
	[TROUBLE_DESCRIPTORS] =
		"its descriptors cannot be read (CAP_SYS_PTRACE is missing); it counts as in use",
	[TROUBLE_CHANNELS] = "it has more channels than are told apart; it counts as in use",
};

void watch_note_trouble(struct watch *watch, enum trouble trouble)
{
	watch->troubles_seen |= 1U << trouble;
}

bool watch_has_ended(const struct watch *watch)
{
	struct pollfd poller = { .fd = watch->pidfd, .events = POLLIN };

	return poll(&poller, 1, 0) > 0;
}

int watch_new(struct connection *connection, struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int pidfd = take_fd(&connection->pidfd);

	if (!watch) {
		(void)close(pidfd);
		return -ENOMEM;
	}
	watch->channels = calloc(1, sizeof(*watch->channels));
	watch->facts = connection->facts;
	watch->inode = connection->inode;
	watch->fd = connection->fd;
	watch->pidfd = pidfd;
	watch->parent = connection->parent;
	if (connection->refused)
		watch->diag = malloc(sizeof(*watch->diag));
	if (watch->diag)
		*watch->diag = connection->diag;
	if (!watch->channels || (connection->refused && !watch->diag)) {
		watch_free(watch);
		return -ENOMEM;
	}
	watch->channels[0] =
		(struct watch_channel){ .facts = { .kind = KIND_NONE, .tty = -1 }, .master = -1 };
	watch->n_channels = 1;
	*ret_watch = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	struct process_list none = { 0 };

	if (!watch)
		return;
	channels_free(watch->channels, watch->n_channels);
	free(watch->diag);
	watch_keep_children(watch, &none);
	forward_free(watch->forward);
	cleanup_close(&watch->pidfd);
	free(watch);
}

bool watch_is_refused(const struct watch *watch)
{
	return watch->diag != NULL;
}

int watch_pidfd(const struct watch *watch)
{
	return watch->pidfd;
}

const struct session_facts *watch_facts(const struct watch *watch)
{
	return &watch->facts;
}

const struct watch_channel *watch_channels(const struct watch *watch, size_t *ret_n)
{
	*ret_n = watch->n_channels;
	return watch->channels;
}

bool watch_has_more_channels(const struct watch *watch)
{
	return watch->more;
}

struct watch_silence watch_silence(const struct watch *watch)
{
	return (struct watch_silence){ .at_ns = watch->silence_at_ns,
				       .asked = watch->asked,
				       .packets_in = watch->packets_in };
}

int64_t watch_sampled_at_ns(const struct watch *watch)
{
	return watch->sampled_at_ns;
}

void watch_set_work(struct watch *watch, bool with_work)
{
	watch->with_work = with_work;
}

struct process_list watch_children(const struct watch *watch)
{
	const bool few = watch->n_children <= CHILDREN_FEW;

	/* Nobody writes through it. */
	return (struct process_list){
		.pids = few ? (int32_t *)(uintptr_t)watch->children.few : watch->children.many,
		.n = watch->n_children,
	};
}

void watch_keep_children(struct watch *watch, struct process_list *children)
{
	if (watch->n_children > CHILDREN_FEW)
		free(watch->children.many);
	watch->n_children = (uint32_t)children->n;
	if (children->n > CHILDREN_FEW) {
		watch->children.many = take_ptr(children->pids);
	} else if (children->n > 0) {
		memcpy(watch->children.few, children->pids,
		       children->n * sizeof(children->pids[0]));
	}
	process_list_deinit(children);
}

const char *watch_trouble(struct watch *watch)
{
	for (uint32_t i = 0; i < TROUBLE_N; i++) {
		uint32_t bit = 1U << i;

		if (!(watch->troubles_seen & bit) || (watch->troubles_said & bit))
			continue;
		watch->troubles_said |= bit;
		return troubles[i];
	}
	return NULL;
}

/* A copy of one descriptor, if that is the connection's socket. */
static int borrow_number(const struct watch *watch, int number, int *ret_fd)
{
	auto_close int fd = -1;
	uint64_t cookie = 0;
	int r = process_borrow(watch->pidfd, number, &fd);

	if (r == 0)
		r = socket_cookie(fd, &cookie);
	if (r < 0)
		return r == -EBADF || r == -ENOTSOCK ? -ESTALE : r;
	if (cookie != watch->facts.identity.cookie)
		return -ESTALE;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The server may have moved it to another number. */
static int borrow_anew(const struct watch *watch, int *ret_number, int *ret_fd)
{
	struct process_descriptors descriptors;
	int r = process_descriptors(watch->facts.identity.pid, &descriptors);

	if (r < 0)
		return r;
	r = -ESTALE;
	for (size_t i = 0; i < descriptors.n && r == -ESTALE; i++) {
		const struct process_descriptor *row = &descriptors.rows[i];

		if (row->target != TARGET_SOCKET || row->inode != watch->inode)
			continue;
		r = borrow_number(watch, row->fd, ret_fd);
		if (r == 0)
			*ret_number = row->fd;
	}
	process_descriptors_deinit(&descriptors);
	return r;
}

int watch_find_socket(struct watch *watch, int *ret_fd)
{
	int r = borrow_number(watch, watch->fd, ret_fd);

	return r == -ESTALE ? borrow_anew(watch, &watch->fd, ret_fd) : r;
}

int watch_borrow_socket(const struct watch *watch, int *ret_fd)
{
	int number;
	int r = borrow_number(watch, watch->fd, ret_fd);

	return r == -ESTALE ? borrow_anew(watch, &number, ret_fd) : r;
}

static int borrow_master_number(const struct watch *watch, int number, int32_t tty, int *ret_fd)
{
	auto_close int fd = -1;
	int32_t is_tty = -1;
	int r = process_borrow(watch->pidfd, number, &fd);

	if (r == 0)
		r = terminal_number(fd, &is_tty);
	if (r < 0)
		return r == -EBADF || r == -ENOTTY ? -ENOENT : r;
	if (is_tty != tty)
		return -ENOENT;
	*ret_fd = take_fd(&fd);
	return 0;
}

int watch_borrow_master(const struct watch *watch, int32_t tty, int *ret_fd)
{
	for (size_t i = 0; i < watch->n_channels; i++) {
		const struct watch_channel *row = &watch->channels[i];

		if (tty >= 0 && row->facts.tty == tty)
			return borrow_master_number(watch, row->master, tty, ret_fd);
	}
	return -ENOENT;
}

int watch_open_terminal(const struct watch *watch, int32_t tty, int *ret_fd)
{
	auto_close int master = -1;
	int r = watch_borrow_master(watch, tty, &master);

	return r < 0 ? r : terminal_open_slave(master, ret_fd);
}

struct processes {
	struct watch_process *rows;
	size_t n, size;
	int32_t root;
};

static int add_process(void *context, const struct procstat *stat)
{
	struct processes *processes = context;
	struct watch_process *row;

	if (processes->n == processes->size)
		return -ENOSPC;
	row = &processes->rows[processes->n++];
	*row = (struct watch_process){
		.start_ticks = stat->start_ticks,
		.pid = stat->pid,
		.parent = stat->parent,
		.sid = stat->sid,
		.root = processes->root,
		.tty = stat->tty,
	};
	memcpy(row->name, stat->name, sizeof(row->name));
	return 0;
}

int watch_processes(const struct watch *watch, struct watch_process *ret_processes, size_t size)
{
	struct processes processes = { .rows = ret_processes, .size = size };
	struct process_list children = { 0 };
	int r;

	children_hold();
	r = children_read(watch->facts.identity.pid, 1, &children);
	for (size_t i = 0; r == 0 && i < children.n; i++) {
		processes.root = children.pids[i];
		r = work_walk(processes.root, add_process, &processes);
		if (r == -ESRCH)
			r = 0;
	}
	children_release();
	process_list_deinit(&children);
	if (r == 0 && watch_has_ended(watch))
		r = -ESRCH;
	return r < 0 && r != -ENOSPC ? r : (int)processes.n;
}
