/*
 * Terminals through the master that a server holds.  No path is used: neither the reuse of a
 * number nor a mount namespace of the user can lead to another terminal.
 */
#pragma once

#include <stdint.h>

#include "core/facts.h"

/* The number N of the slave /dev/pts/N of a master (TIOCGPTN). -ENOTTY: it is none. */
int terminal_number(int master, int32_t *ret_tty);

/* The leader of its session; 0: it has none, or not one that we can see. */
int32_t terminal_leader(int master);

/* The slave: O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC. Owned by the caller. -EIO: hung up. */
int terminal_open_slave(int master, int *ret_fd);

/* Reads atime_s and the TERMINAL_ bits other than TERMINAL_WORK into `sample`; none of them on
 * failure. */
int terminal_sample(int master, struct channel_sample *sample);
