/* One terminal on its way to a keeper. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/order.h"
#include "observe/watch.h"

struct park_setup;

enum park_state { PARK_NEW, PARK_ASKED, PARK_HELD };

struct park_terminal {
	struct channel_facts channel;
	enum park_state state;
	uint32_t id;
	int32_t keeper; /* pid */
	int master;	/* owned copies; -1 */
	int slave;
	int link;   /* owned: to the keeper */
	int leader; /* owned: pidfd */
	int answer; /* owned: to what mends it */
	int64_t mend_until_ns;
	bool stopped;	 /* its output is, by us */
	bool exclusive;	 /* nobody else may open it now, by us */
	bool not_mended; /* and that is not tried again */
	/* Whose it was before the end. */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/*
 * Borrows both ends. -ESRCH: its leader has ended, or nothing is left to keep; -EALREADY: what runs in
 * it shows something that is parked already (sshidle resume); -errno.
 */
int park_terminal_open(struct park_terminal *terminal, const struct watch *watch,
		       const struct channel_facts *channel);
void park_terminal_close(struct park_terminal *terminal);

/* Asks the starter for a keeper. -EPERM: the terminal is not its user's; -ENOTCONN:
 * the starter has ended; -errno. */
int park_terminal_ask(struct park_terminal *terminal, const struct watch *watch,
		      const struct order_park *order, const struct park_setup *setup);

/* 1: the keeper holds it; 0: not yet; -EDQUOT: ParkMax; -EPIPE: it ended; -errno as it told. */
int park_terminal_wait(struct park_terminal *terminal);

/* Whether the shell (or command) in it still runs. */
bool park_terminal_has_leader(const struct park_terminal *terminal);

/* Whether the keeper is still there. */
bool park_terminal_is_held(const struct park_terminal *terminal);

/* Stops the terminal's output (TCOOFF), whatever reads it; writers wait, nothing is lost. */
int park_terminal_stop(struct park_terminal *terminal);
void park_terminal_go_on(struct park_terminal *terminal);

/*
 * Nobody may open the terminal until park_terminal_share(), for a server that will leave it to everybody
 * (TIOCEXCL holds for all but CAP_SYS_ADMIN).  What is open stays open; a program that opens /dev/tty in these
 * milliseconds gets EBUSY.
 */
void park_terminal_exclude(struct park_terminal *terminal);
void park_terminal_share(struct park_terminal *terminal);
/* The connection has been cut: the keeper waits long for the end of the server. */
void park_terminal_commit(const struct park_terminal *terminal);
/* Output goes on, the keeper lets go. */
void park_terminal_cancel(struct park_terminal *terminal);

/* Output that the server has not taken yet. */
int park_terminal_waiting(const struct park_terminal *terminal);
