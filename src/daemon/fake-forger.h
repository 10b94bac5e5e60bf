/*
 * A stand-in for an engine that somebody else has taken over: a real monitor at the other end of a
 * link over which any bytes can be sent.  For tests only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link.h"

struct forger {
	int fd;
	pid_t monitor;
};

/* Forks a monitor, confined if `confined`, which then needs root. 0 or -errno. */
int forger_start(struct forger *forger, bool confined);
void forger_send(const struct forger *forger, uint32_t type, const void *bytes, uint32_t size);
/* Whatever is there within `wait_ms`: 1 and its type; 0: nothing; -EPIPE: the monitor hung up. */
int forger_receive(const struct forger *forger, int wait_ms, uint32_t *ret_type, void *ret_bytes);
/* The monitor's status for waitpid(2); sends it SIGTERM unless it has `failed`. */
int forger_stop(struct forger *forger, bool failed);

#define FORGER_BYTES_MAX 16384
