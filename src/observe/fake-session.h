/*
 * A stand-in for a session: a child of the test that holds a connection over the loopback interface.  For tests
 * only.
 */
#pragma once

#include <sys/types.h>

#include "observe/watch.h"

struct fake_session {
	pid_t pid;  /* of the ledger process */
	int client; /* the other end of its connection ... */
	int far;    /* ... and of the forwarded one; -1: there is none */
};

enum fake_forward { FORWARD_NONE, FORWARD_TCP, FORWARD_UNIX };

/*
 * Starts one, which holds such a forwarded connection too, and watches it; the watch is the caller's.  Skips the test
 * where nothing can be borrowed: a sandbox, valgrind 3.19, or qemu-user 7.2, which has no SO_COOKIE.
 */
struct watch *fake_session_start(struct fake_session *session, enum fake_forward forward);

/* Ends it. */
void fake_session_stop(struct fake_session *session);
