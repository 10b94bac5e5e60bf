/*
 * Descriptors that a service manager has opened for this process (the protocol of sd_listen_fds(3)): those from 3 on,
 * LISTEN_FDS of them, for the process LISTEN_PID.  By hand, for the reason that daemon/notify.c has.
 *
 * Wanted are two sockets of sock_diag(7), which packaging/sshidle.socket makes.
 */
#pragma once

/*
 * Hands them over to observe/sockdiag.h.  What else was passed is closed, so that nobody has it by mistake, and told:
 * the daemon does its work without it.  Nothing is left in the environment, also of what is for another process.
 */
void passed_take(void);
