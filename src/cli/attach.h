/*
 * The terminal that `sshidle resume` is called on, joined to a parked one.
 *
 * Keys go to the keeper, output comes from it, unchanged.  The terminal is in raw mode meanwhile
 * and put in order on every way out, signals included.
 */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

struct attach_end {
	enum { ATTACH_ENDED, ATTACH_LET_GO, ATTACH_LOST, ATTACH_SIGNAL } how;
	int32_t status;	  /* ENDED: wait status of the shell, -1: not known; SIGNAL: its number */
	char reason[256]; /* LET_GO: foreign text */
};

/* The size of the terminal, with rows and columns always, and whether there is one on standard input and
 * output. -ENOTTY. */
int attach_size(struct winsize *ret_size);

/* Until one side ends. `fd` stays the caller's; the reply to Attach has been taken from it.
 * Negative errno when the terminal cannot be used. */
int attach_run(int fd, int escape_character, struct attach_end *ret_end);
