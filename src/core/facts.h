/*
 * The facts: what the observers read and the judge reasons about.
 *
 * Plain numbers only, all of fixed size, so that the same structures travel from the monitor to
 * the engine without translation.  Times are CLOCK_MONOTONIC in nanoseconds unless a name says
 * otherwise: that clock stands still in a suspend, as the kernel's TCP ages do, so neither a
 * suspend nor a step of the wall clock makes a session idle.
 *
 * Whatever could not be read is not set in `known`.  Unknown is not idle: the core takes a
 * missing fact as use.
 */
#pragma once

#include <stdint.h>

#include "base/duration.h"
#include "core/address.h"

/* "Never" for limits and deadlines: later than any time there is. */
#define TIME_NEVER INT64_MAX

/* TCP ages are counted in ticks of the kernel, of 1 to 10 ms: what came may be so much younger or
 * older than its age says. */
#define FACTS_AGE_SLACK_NS (20 * NS_PER_MS)

/* Channels of one connection that are told apart; OpenSSH's MaxSessions is 10 by default.  With
 * more of them the rest is unknown, and the connection counts as in use. */
#define FACTS_CHANNELS_MAX 32

/* The command line of an exec channel as text, cut off at the end.  Foreign bytes: escape before
 * print. */
#define FACTS_COMMAND_BYTES 192

enum server_id { SERVER_OPENSSH, SERVER_DROPBEAR, SERVER_TINYSSH, SERVER_N };

/* What a channel is for; the order is the one in which a session is named when it has several. */
enum channel_kind { KIND_SHELL, KIND_SFTP, KIND_EXEC, KIND_FORWARD, KIND_NONE, KIND_N };

/* Ways to use a session.  Each has a clock of its own; policy says which ones count. */
enum use { USE_INPUT, USE_OUTPUT, USE_WORK, USE_TRAFFIC, USE_N };
#define USE_BIT(u) (1u << (u))

/* What makes a connection the same one over looks and restarts: pids and fd numbers are reused,
 * SO_COOKIE is not within one boot. */
struct session_identity {
	uint64_t cookie;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat of the ledger process */
	int32_t pid;	      /* of the ledger process */
	int32_t reserved;     /* 0 */
};

/* What is fixed for the life of a connection. */
struct session_facts {
	struct session_identity identity;
	int64_t started_at_ns; /* start of the ledger process */
	uint16_t server;       /* enum server_id */
	uint16_t container;    /* 1: in a pid namespace below ours, with users of its own */
	uint32_t uid;	       /* of the user, UINT32_MAX while unknown (may be learned later) */
	uint16_t peer_port;
	uint16_t local_port;
	struct address peer, local;
};

/* One open channel.  Kinds shell, sftp and exec have a child process; forward and none have not. */
struct channel_facts {
	uint64_t start_ticks;  /* of the child, 0 without one */
	int64_t started_at_ns; /* the same as a time, 0 when not known */
	int32_t pid;	       /* direct child of the ledger process, 0 without one */
	int32_t tty;	       /* N of /dev/pts/N, -1 without a terminal */
	uint32_t kind;	       /* enum channel_kind */
	uint32_t reserved;     /* 0 */
};

enum sample_known {
	SAMPLE_IO = 1 << 0,	  /* wchar, rchar */
	SAMPLE_SOCKET = 1 << 1,	  /* sent .. last_ack_recv_ns */
	SAMPLE_CHANNELS = 1 << 2, /* the list of channels is complete and true */
	SAMPLE_FORWARDS = 1 << 3, /* forward_written, forward_read */
	SAMPLE_REAPED = 1 << 4,	  /* not a lack: a direct child has gone since the last sample, so
				      wchar and rchar grew by what that child did in its life */
	SAMPLE_AGENT = 1 << 5,	  /* not a lack: the session forwards an agent */
	SAMPLE_NO_PING = 1 << 6,  /* a ping was asked for and could not be sent */
	SAMPLE_DESCRIPTORS = 1 << 7, /* n_descriptors */
	SAMPLE_SETTLED = 1 << 8,     /* not a lack: all that the kernel has sent is acknowledged */
	SAMPLE_PARENT = 1 << 9,	     /* parent_rchar, parent_wchar */
	SAMPLE_UNMEASURED = 1 << 10, /* not a lack: a forwarded connection is open on which the
				      kernel counts nothing (a unix socket) */
};

/* What a sample must know for a reading of the ledger. */
#define SAMPLE_LEDGER (SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_FORWARDS)

enum terminal_known {
	TERMINAL_KNOWN = 1 << 0,   /* all of the terminal's fields were read */
	TERMINAL_RAW = 1 << 1,	   /* ICANON is off: each key is readable (or read) at once */
	TERMINAL_PENDING = 1 << 2, /* keys wait for the program (FIONREAD > 0) */
	TERMINAL_WORK = 1 << 3,	   /* work_ns was read */
	TERMINAL_SIGNALS =
		1 << 4, /* ISIG or IXON is on: ^C, ^Z, ^S take effect and are never read */
};

/* What moves of one channel; same order and count as the channel list sent before. */
struct channel_sample {
	int64_t atime_s;  /* CLOCK_REALTIME, of the terminal: steps of 8 s, see core/terminal.h */
	uint64_t work_ns; /* CPU time of the child's process tree, reaped children included */
	int32_t tty;
	uint32_t known; /* enum terminal_known */
};

/*
 * One look at a session.  Read in the order io, SIOCINQ, TCP_INFO, so that the ledger computed
 * from it can be too small for a moment but never too large.
 */
struct sample {
	int64_t from_ns;	    /* before the first read */
	int64_t at_ns;		    /* after the last read */
	int64_t realtime_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC at that time */
	uint64_t wchar, rchar;	    /* /proc/PID/io */
	uint64_t sent;		    /* bytes_sent - bytes_retrans + notsent_bytes */
	uint64_t received;	    /* bytes_received */
	uint64_t segments_in;	    /* data_segs_in */
	uint64_t waiting;	    /* SIOCINQ: received, not yet read by the server */
	int64_t last_data_recv_ns;  /* ages */
	int64_t last_ack_recv_ns;
	uint64_t acked;	 /* bytes that the client's machine has acknowledged */
	uint64_t unsent; /* bytes that wait in the kernel because the client's window is full */
	int64_t pinged_at_ns;	/* a ping was sent then, after all else was read; 0: none */
	uint64_t n_descriptors; /* open in the ledger process */
	int64_t still_ns; /* so long nothing had moved on the connection since the sample before; 0: nobody
			     looked */
	/* On forwarded sockets, read after io, each socket from the moment it was first seen on
	 * (what it moved before is in wchar and rchar of samples that are past).  Sums that never
	 * shrink. */
	uint64_t forward_written;
	uint64_t forward_read;
	uint32_t forward_opened; /* forwarded sockets first seen so far */
	/* The lower half of the same two of the process that the ledger process asks to sign (OpenSSH's
	 * monitor), read before io.  As of the last time that more moved than the server's own protocol:
	 * it moves for nothing else that the ledger process does. */
	uint32_t parent_rchar, parent_wchar;
	uint32_t reserved; /* 0 */
	uint32_t known;	   /* enum sample_known */
	uint32_t n_channels;
	struct channel_sample channels[FACTS_CHANNELS_MAX];
};
