/*
 * The kernel's own care for a connection, changed and put back.
 *
 * What stood there is kept from before the first change on.  getsockopt(2) gives the numbers in
 * effect, also where the socket follows the host's sysctls: the numbers are what is put back, as
 * "follow the sysctl" cannot be (TCP_KEEPIDLE 0 is EINVAL).  A sysctl may be what no socket can be set to
 * (net.ipv4.tcp_keepalive_time 86400): then it is the nearest that can.
 */
#pragma once

#include <stdbool.h>

#include "core/order.h"
#include "observe/watch.h"

/* Zeroed: nothing was changed. */
struct keepalive {
	bool known; /* `original` was kept */
	struct order_keepalive original;
};

/* The five values in force. -ESRCH, -errno. */
int keepalive_read(const struct watch *watch, struct order_keepalive *ret_values);

/*
 * Carries out one order; writes only what differs.  ret_done: all but the handle and the result, which stays
 * as it is where nothing can be read and nothing was kept.
 * -EINVAL: a value the kernel does not take (TCP_KEEPIDLE above 32767 s).
 */
int keepalive_tune(struct keepalive *keepalive, const struct watch *watch,
		   const struct order_tune *order, struct order_tuned *ret_done);

/* Writes what stood there before the first change, if there was one. */
int keepalive_put_back(struct keepalive *keepalive, const struct watch *watch);
