/*
 * The sockets of sock_diag(7): one hears of TCP sockets that are destroyed (observe/destroyed.h), the other is
 * asked about sockets that are there (observe/diag.h).  Each is made once, or given, and held for the life
 * of the process.
 *
 * A socket tells of the network namespace that it was made in, whichever its holder is in.  So a daemon that
 * its service manager has put into a network of its own is given two of the host's (packaging/sshidle.socket).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

enum sockdiag_use { SOCKDIAG_WORDS, SOCKDIAG_QUESTIONS, SOCKDIAG_N };

/* One that somebody else has made: bound, close-on-exec, non-blocking.  Taken over; in place of one before it. */
void sockdiag_give(enum sockdiag_use use, int fd);

/* Makes those that were not given.  From now on none is made.  -errno: there is one less than two. */
int sockdiag_hold(void);

/* Borrowed; made if it was not yet.  -errno: it could not be made, and that is not tried again. */
int sockdiag_get(enum sockdiag_use use);

/* Closes what is held; all is as at the start. */
void sockdiag_close(void);

/* The next message, without waiting for it; as recv(2), but cut off without a word if it is longer.  0: it is not
 * the kernel's.  -EAGAIN: there is none, -ENOBUFS: some were lost, another errno: an earlier request failed so. */
ssize_t sockdiag_receive(int fd, void *buffer, size_t size);
