/* Processes of a session, recorded before its end so that each can be told from a later one with
 * the same pid. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/order.h"
#include "observe/watch.h"

#define PROCESSES_MAX 64

struct process_record {
	struct watch_process facts;
	int pidfd;    /* owned */
	bool hung_up; /* got SIGHUP from us */
};

struct processes {
	struct process_record records[PROCESSES_MAX];
	size_t n;
	bool incomplete; /* not all could be looked at: there may be more */
};

/* Records the session's processes, at most PROCESSES_MAX; those that end meanwhile are left out. */
void processes_record(struct processes *processes, const struct watch *watch);
/* Adds those of the user that left the session before, of the list that strays_look() has made
 * (observe/strays.h), as far as there is room. */
void processes_record_strays(struct processes *processes, const struct session_facts *facts);
void processes_deinit(struct processes *processes);

/* SIGHUP and SIGCONT to the commands without a terminal, as a terminal's hang-up would send; not to
 * what has left the session id of its command (setsid, daemons). */
void processes_hang_up_commands(struct processes *processes);

/* One signal through its pidfd to the recorded process `pid`. -ESRCH. */
int processes_signal(const struct processes *processes, int32_t pid, int signal);

bool processes_alive(const struct processes *processes, size_t index);
size_t processes_count_alive(const struct processes *processes);
