/*
 * What a daemon that was killed in the middle of a park has left: dropbear opens the terminal of an ended connection
 * to everybody, and nobody was there to give it back.  Until 2025.88 it also gives it to root; since then it
 * is the user itself, who cannot.
 */
#pragma once

#include <sys/types.h>

/*
 * Makes a terminal, by any descriptor of it, its user's alone. It has to be exclusive meanwhile (TIOCEXCL).
 *
 * 1: it is root's and closed to everybody (mode 0): without CAP_CHOWN only process 1 can give it away,
 * leftover_ask_back() has it done; -errno.
 */
int leftover_give_back(int fd, uid_t uid, gid_t gid, mode_t mode);

/* After a 1: process 1 gives it away, then the rest is done. Takes up to some seconds, in a process that ends soon
 * (daemon/owner.h). 0; -errno. */
int leftover_ask_back(int fd, uid_t uid, gid_t gid, mode_t mode);

/* Gives such terminals to the users whose shells run in them: in a process that ends soon. Says so in the log. */
void leftover_mend(void);
