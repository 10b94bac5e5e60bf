/*
 * The control socket: Varlink (JSON messages ended by NUL) on a unix socket, io.sshidle and
 * org.varlink.service.  Peers are known by SO_PEERCRED and SO_PEERGROUPS; what they may create is
 * limited (control.c names the limits), and one that is slow or wrong holds up nobody else.
 */
#pragma once

#include "daemon/engine.h"

struct event_base;
struct control;

/* Takes over `listen_fd` (bound and listening, non-blocking). */
int control_new(struct event_base *base, int listen_fd, struct engine *engine,
		struct control **ret_control);
void control_free(struct control *control);

/* Tells those who called Events with "more" and may see the session. */
void control_event(struct control *control, const struct engine_event *event);
