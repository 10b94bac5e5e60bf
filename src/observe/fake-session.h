/*
 * A stand-in for a session: a child of the test that holds a connection over the loopback interface.  For tests
 * only.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "observe/watch.h"

struct fake_session {
	pid_t pid;  /* of the ledger process */
	int client; /* the other end of its connection ... */
	int far;    /* ... and of the forwarded one; -1: there is none */
};

/*
 * Starts one, which holds a forwarded connection too if `with_forward`, and watches it; the watch is the
 * caller's.  -EPERM, -ENOSYS: nothing can be borrowed here (Yama, qemu-user).
 */
int fake_session_start(struct fake_session *session, bool with_forward, struct watch **ret_watch);

/* Ends it. */
void fake_session_stop(struct fake_session *session);
