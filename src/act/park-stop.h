/*
 * Stops a terminal's output without losing a byte.
 *
 * TCOOFF alone may: the line discipline looks for room, and then writes a line end as two bytes without
 * looking at what became of them (drivers/tty/n_tty.c, do_output_char(); drivers/tty/pty.c, pty_write());
 * stopped in between, they are gone.  Measured with seq(1) at full speed: 2 to 6 of 100 stops lost a line
 * end.  So nobody may be inside a write(2) to the terminal at that moment.  The kernel lets one writer in
 * at a time, and copies what is to be written when it is in: so a write of our own, from a page that
 * does not come (userfaultfd(2)), keeps all others out for as long as it takes, and fails with EFAULT when
 * the page is taken away.  Nothing of it reaches the terminal.  Measured so: 0 of 30000, 0.7 ms each.
 *
 * The write needs a thread, as it waits in the kernel.  It is the only one in the daemon, and short-lived.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* Zeroed: not begun. */
struct park_stop {
	pthread_t writer;
	void *page;
	int faults; /* userfaultfd; owned */
	int slave;  /* blocking, the writer's; owned */
	bool begun;
};

/* -EPERM, -ENOSYS: the kernel does not give this; -errno. */
int park_stop_begin(struct park_stop *stop, int master);

/* Whether all others are kept out now; look again soon. */
bool park_stop_is_alone(const struct park_stop *stop);

/* Lets them in again. Also when it never came so far. */
void park_stop_end(struct park_stop *stop);
