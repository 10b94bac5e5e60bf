/*
 * A ping: asks the client's machine for a sign of life, whatever state the connection is in.
 *
 * setsockopt(TCP_REPAIR, 0) has the kernel send one window probe at once (net/ipv4/tcp.c,
 * tcp_send_window_probe()), which every TCP answers with an acknowledgement, be the window full or
 * the program stopped.  Nothing of it reaches the client's program.  A host answers such probes at
 * most twice a second.
 *
 * The call also clears SO_REUSEADDR, by which an accepted socket is told from others
 * (observe/connection.c) and a restarted server gets its port again, so that is set once more.
 */
#pragma once

#include "observe/watch.h"

/* -EPERM: CAP_NET_ADMIN is missing.  -ENOTCONN: half closed, on which nothing can be sent.
 * -ESRCH, -errno. */
int ping_send(const struct watch *watch);
