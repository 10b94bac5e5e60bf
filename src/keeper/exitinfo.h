/* How a process ended that is not our child: PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15. */
#pragma once

#include <stdint.h>

/* A wait status. -EAGAIN: its parent has not waited for it yet; -ENOSYS: the kernel does not tell;
 * else negative errno. */
int exitinfo_get(int pidfd, int32_t *ret_status);
