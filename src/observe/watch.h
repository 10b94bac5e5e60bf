/*
 * One authenticated SSH connection under watch: reads its facts, its channels and its counters,
 * and lends its socket and terminals to those who act.  Never decides, never changes anything.
 *
 * The ledger process is held by a pidfd.  Its socket is borrowed with pidfd_getfd(2) for each
 * sample and closed at once: a held copy would keep the connection from closing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"

struct connection;
struct watch;

struct watch_process {
	uint64_t start_ticks;
	int32_t pid;
	int32_t parent;
	int32_t sid;
	int32_t root;  /* the direct child of the ledger process it descends from */
	int32_t tty;   /* N of its controlling /dev/pts/N, -1 none */
	char name[16]; /* comm: foreign text */
};

/* One open channel, and what was last read of it. */
struct watch_channel {
	struct channel_facts facts;
	char *command;		    /* of an exec channel; NULL: none.  Foreign text */
	struct channel_sample last; /* of its terminal; work_ns: the highest that was read */
	int32_t master;		    /* descriptor of its master in the ledger process; -1 none */
};

/* How it stands with the answers of the client's machine. */
struct watch_silence {
	int64_t at_ns;
	uint32_t asked;	     /* times the kernel has asked, or sent again, without an answer */
	uint32_t packets_in; /* that had come by then */
};

/* Takes over the connection's pidfd, also on failure. */
int watch_new(struct connection *connection, struct watch **ret_watch);
void watch_free(struct watch *watch);

/* Nothing of it can be borrowed; it can be looked at, and ended by a signal. */
bool watch_is_refused(const struct watch *watch);

/* Borrowed for as long as the watch lives; readable (POLLIN) when the ledger process has ended. */
int watch_pidfd(const struct watch *watch);

/* uid may become known later (dropbear and tinyssh show their user only through a child). */
const struct session_facts *watch_facts(const struct watch *watch);

/* The channels as of the last watch_sample(); at least one. */
const struct watch_channel *watch_channels(const struct watch *watch, size_t *ret_n);

/* These are the first FACTS_CHANNELS_MAX of them.  Then no sample has SAMPLE_CHANNELS. */
bool watch_has_more_channels(const struct watch *watch);

/*
 * Takes one sample. Looks at the channels anew when anything moved on the socket since the last
 * time; `ret_changed` says that their list (or the uid) is not the one of the sample before. Facts
 * that cannot be read are missing from ret_sample->known, that is no error. -ESRCH: the ledger
 * process has ended.
 */
int watch_sample(struct watch *watch, struct sample *ret_sample, bool *ret_changed);

/* Its from_ns; 0: none was taken yet. */
int64_t watch_sampled_at_ns(const struct watch *watch);

/*
 * Whether another sample would certainly say the same as the last one, at a fifth of its cost: nothing
 * was left open by that, nothing came or went on the connection since, and no clock was set.  The CPU
 * time of process trees is not looked at.  The next sample then says in still_ns how long that was so.
 */
bool watch_is_still(struct watch *watch);

/* As of the last look that could read the socket. */
struct watch_silence watch_silence(const struct watch *watch);

/*
 * Whether samples read the CPU time of the channels' process trees, 12 us for each process; at the start
 * they do not. Only a sample that has read it has TERMINAL_WORK.
 */
void watch_set_work(struct watch *watch, bool with_work);

/* A copy of the connection's socket, checked by its cookie. Owned by the caller. -ESRCH, -EPERM,
 * -ESTALE. */
int watch_borrow_socket(const struct watch *watch, int *ret_fd);

/*
 * The slave side of one of the session's terminals, opened through the server's own master
 * (TIOCGPTPEER: no path, so neither reuse of the number nor a mount namespace of the user can lead
 * elsewhere), O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_RDWR. Owned by the caller. -ENOENT: the session
 * has no such terminal.
 */
int watch_open_terminal(const struct watch *watch, int32_t tty, int *ret_fd);

/* A copy of the master side. Owned by the caller. */
int watch_borrow_master(const struct watch *watch, int32_t tty, int *ret_fd);

/*
 * The processes of the session: all descendants of the ledger process's children, as far as their
 * parentage shows (a process that was left by its parents is not found). At most `size`; returns
 * how many were found, or -errno.
 */
int watch_processes(const struct watch *watch, struct watch_process *ret_processes, size_t size);

/* Sentences about what cannot be read or does not fit, for the log, said once: NULL when there is
 * nothing new. */
const char *watch_trouble(struct watch *watch);
