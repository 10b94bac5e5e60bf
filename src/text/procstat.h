/*
 * Parsers for what /proc says of a process (proc(5)).  Buffer in, structure out, but for procstat_read().
 *
 * A process chooses its own name, so /proc/PID/stat may hold parentheses, spaces and newlines where
 * the name is: the fields begin after the last parenthesis.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCSTAT_NAME_BYTES 16

struct procstat {
	uint64_t start_ticks;  /* since boot, in clock ticks */
	uint64_t cpu_ticks;    /* utime + stime */
	uint64_t reaped_ticks; /* cutime + cstime */
	int32_t pid;
	int32_t parent;
	int32_t group;
	int32_t sid;
	int32_t tty; /* N of /dev/pts/N, -1: no terminal or another kind of one */
	int32_t n_threads;
	char state;			/* R S D Z T ... */
	char name[PROCSTAT_NAME_BYTES]; /* foreign text */
};

struct procstat_status {
	uint32_t uid;	    /* real */
	uint32_t seccomp;   /* 0 off, 1 strict, 2 filter */
	uint64_t caught;    /* signals with a handler: bit N - 1 is signal N */
	uint32_t n_filters; /* of seccomp; 0: not told, as before Linux 5.9 */
	bool no_new_privs;
	bool nested; /* in a pid namespace below that of /proc */
};

struct procstat_io {
	uint64_t rchar, wchar;
};

/* What a link in /proc/PID/fd leads to. */
enum procstat_target { TARGET_OTHER, TARGET_SOCKET, TARGET_PIPE, TARGET_MASTER };

/* Also before it is reaped. */
static inline bool procstat_has_ended(const struct procstat *stat)
{
	return stat->state == 'Z' || stat->state == 'X';
}

/* What /proc/PID/stat says now: -ESRCH, or another error, when it cannot be read. */
int procstat_read(int32_t pid, struct procstat *ret_stat);

/* All of them: -EINVAL when the text is not what the kernel writes. `size` is the length of the
 * text, which need not be terminated. */
int procstat_parse(const char *text, size_t size, struct procstat *ret_stat);
int procstat_parse_status(const char *text, size_t size, struct procstat_status *ret_status);
int procstat_parse_io(const char *text, size_t size, struct procstat_io *ret_io);

/* The open(2) flags in /proc/PID/fdinfo/N. */
int procstat_parse_fdinfo(const char *text, size_t size, uint32_t *ret_flags);

/* The number of a terminal in /proc/PID/fdinfo/FD of its master. */
int procstat_parse_tty_index(const char *text, size_t size, int32_t *ret_tty);

/* The last pid handed out: the last field of /proc/loadavg, all of /proc/sys/kernel/ns_last_pid. */
int procstat_parse_last_pid(const char *text, size_t size, int32_t *ret_last_pid);

/* "socket:[123]", "pipe:[45]" and the multiplexers of pseudo terminals; the inode is 0 for others.
 */
enum procstat_target procstat_parse_link(const char *text, uint64_t *ret_inode);

/*
 * /proc/PID/cmdline as text for people: the arguments joined by spaces; of a shell's "-c X" only X.
 * Always terminated, cut off at the end. Foreign bytes stay as they are.
 */
void procstat_join_command(const char *text, size_t text_size, char *ret_command, size_t size);
