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
	TROUBLE_DESCRIPTORS,
	TROUBLE_CHANNELS,
	TROUBLE_N
};

/* Up to so many children are held without memory of their own. */
#define CHILDREN_FEW 2

/*
 * There are thousands of these: what most sessions do not have is behind a pointer, and nothing is wider than what
 * it holds.  232 bytes are what malloc gives without loss.
 */
struct watch {
	struct session_facts facts;
	/* The last complete list of channels, or the first ones of too many. */
	struct watch_channel *channels;
	struct forward *forward; /* NULL: nothing was forwarded so far */
	struct diag_id *diag; /* where borrowing is refused: the connection's socket; else NULL */
	uint64_t inode;	      /* of the connection's socket */
	/* What the next sample is compared with, and last_known. */
	uint64_t wchar, rchar, sent, received;
	/* The direct children of the ledger process. */
	union {
		int32_t few[CHILDREN_FEW];
		int32_t *many; /* with more of them */
	} children;
	int64_t sampled_at_ns; /* from_ns of the last sample ... */
	int64_t still_ns;      /* ... and so long nothing had moved since; 0: not looked */
	int64_t realtime_offset_ns;
	int64_t silence_at_ns; /* these three: struct watch_silence */
	uint32_t packets_in;
	uint16_t asked;
	uint8_t n_channels;
	uint8_t last_known; /* SAMPLE_IO, SAMPLE_SOCKET */
	uint32_t waiting;
	uint32_t n_children;
	uint32_t
		n_descriptors; /* when something last moved on the socket; 0: the kernel does not tell */
	int fd;		       /* the connection's socket in the ledger process */
	int pidfd;
	int32_t parent; /* who is asked to sign; 0: nobody, or nothing of it can be read ... */
	uint32_t parent_rchar, parent_wchar;  /* ... as last read, the lower half */
	uint8_t troubles_seen, troubles_said; /* a bit for each enum trouble */
	/* As of struct channels. */
	bool more : 1, young : 1, agent : 1, unmeasured : 1;
	bool listed : 1;	  /* the last attempt to read the channels was complete */
	bool forwards_unread : 1; /* what they moved is not known */
	bool settled : 1; /* until anything moves on the socket another sample would say the same */
	bool with_work : 1; /* samples read CPU time */
	bool moved : 1;	    /* plain bytes, at the last sample: a key may still be on its way */
};

/* The children, to be looked at until watch_keep_children(), and not to be freed. */
struct process_list watch_children(const struct watch *watch);

/* Takes over a list; it is empty then. */
void watch_keep_children(struct watch *watch, struct process_list *children);

void watch_note_trouble(struct watch *watch, enum trouble trouble);

/* The ledger process is dead, reaped or not. */
bool watch_has_ended(const struct watch *watch);

/* As watch_borrow_socket(); remembers where it was found. */
int watch_find_socket(struct watch *watch, int *ret_fd);
