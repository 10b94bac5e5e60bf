/*
 * Reads what /proc says of one process.
 *
 * Any process may vanish at any moment, also between two reads: that is -ESRCH and no trouble.
 * -EACCES or -EPERM: a capability (SYS_PTRACE, DAC_READ_SEARCH) is missing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/procstat.h"

#define PROCESS_EXECUTABLE_BYTES 64

/* A growing list of pids. Zeroed is empty. */
struct process_list {
	int32_t *pids;
	size_t n, size;
};

/* One open descriptor that is a socket, a pipe or the master of a terminal; others are left out. */
struct process_descriptor {
	uint64_t inode; /* 0 for a master */
	int32_t fd;
	enum procstat_target target;
};

struct process_descriptors {
	struct process_descriptor *rows; /* in no order */
	size_t n, size;
};

void process_list_deinit(struct process_list *list);
int process_list_push(struct process_list *list, int32_t pid);
bool process_list_has(const struct process_list *list, int32_t pid);
void process_descriptors_deinit(struct process_descriptors *descriptors);

/* The file name of the executable, " (deleted)" included; cut off when it does not fit. -ENOENT for
 * zombies and kernel threads. */
int process_executable(int32_t pid, char ret_name[static PROCESS_EXECUTABLE_BYTES]);

/* When it started: what tells it from a later process with its pid. */
int process_start_ticks(int32_t pid, uint64_t *ret_ticks);

int process_status(int32_t pid, struct procstat_status *ret_status);
int process_io(int32_t pid, struct procstat_io *ret_io);

/* See procstat_join_command(). */
int process_command(int32_t pid, char *ret_command, size_t size);

int process_descriptors(int32_t pid, struct process_descriptors *ret_descriptors);

/* How many descriptors are open; -ENOTSUP before Linux 6.2. */
int process_count_descriptors(int32_t pid, uint64_t *ret_n);

/* The open(2) flags of one. */
int process_descriptor_flags(int32_t pid, int fd, uint32_t *ret_flags);

/* The number of the terminal whose master the descriptor is (fdinfo, Linux 4.13). */
int process_descriptor_tty(int32_t pid, int fd, int32_t *ret_tty);

/* CPU time of the process itself (living threads and dead ones), to the nanosecond. */
int process_cpu(int32_t pid, uint64_t *ret_ns);

uint64_t process_ticks_to_ns(uint64_t ticks);

/* Age of a process that started at `start_ticks`; never negative. */
int64_t process_age_ns(uint64_t start_ticks);

/* That was handed out, in our namespace of pids. */
int process_last_pid(int32_t *ret_pid);

/* pidfd_open(2), born close-on-exec. */
int process_open(int32_t pid, int *ret_pidfd);

/* A copy of descriptor `fd` of the process, owned by the caller. -EPERM: refused (Yama,
 * capabilities, a filter). -EBADF: there is none. */
int process_borrow(int pidfd, int fd, int *ret_fd);
