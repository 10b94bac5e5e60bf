/* The inside of a watch, shared by its two files: watch.c (its life, what it lends) and
 * watch-sample.c. */
#pragma once

#include "observe/channels.h"
#include "observe/diag.h"
#include "observe/forward.h"
#include "observe/process.h"
#include "observe/watch.h"

enum trouble {
	TROUBLE_BORROW,
	TROUBLE_IO,
	TROUBLE_NO_IO,
	TROUBLE_CHILDREN,
	TROUBLE_DESCRIPTORS,
	TROUBLE_CHANNELS,
	TROUBLE_N
};

/* What a sample is compared with. */
struct counters {
	uint64_t wchar, rchar, sent, received, waiting;
	uint32_t known; /* SAMPLE_IO, SAMPLE_SOCKET */
};

struct watch {
	struct session_facts facts;
	struct channels channels; /* the last complete list, or the first ones of too many */
	struct process_list children;
	struct forward forward;
	struct counters last;
	struct watch_silence silence;
	struct diag_id *diag; /* where borrowing is refused: the connection's socket; else NULL */
	uint64_t inode;	      /* of the connection's socket */
	uint64_t
		n_descriptors; /* when something last moved on the socket; 0: the kernel does not tell */
	int64_t sampled_at_ns; /* from_ns of the last sample ... */
	int64_t still_ns;      /* ... and so long nothing had moved since; 0: not looked */
	int64_t realtime_offset_ns;
	int64_t work_rhythm_ns;
	int64_t work_read_at_ns;
	uint32_t troubles_seen, troubles_said;
	int fd; /* the connection's socket in the ledger process */
	int pidfd;
	bool listed;	      /* the last attempt to read the channels was complete */
	bool forwards_unread; /* what they moved is not known */
	bool settled; /* until anything moves on the socket another sample would say the same */
};

void watch_note_trouble(struct watch *watch, enum trouble trouble);

/* The ledger process is dead, reaped or not. */
bool watch_has_ended(const struct watch *watch);

/* As watch_borrow_socket(); remembers where it was found. */
int watch_find_socket(struct watch *watch, int *ret_fd);
