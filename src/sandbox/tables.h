/* Tables for sandbox_forbid_calls() that more than one process has need of. */
#pragma once

#include "sandbox/sandbox.h"

/* A call with whatever arguments. */
#define CALL(name)               \
	{                        \
		name, 0, 0, 0, 0 \
	}

/* The last row of a table. */
#define END                      \
	{                        \
		NULL, 0, 0, 0, 0 \
	}

/* One value of an argument: requests of ioctl(2), options of prctl(2), address families. */
#define SANDBOX_ONLY(call, argument, value)                      \
	{                                                        \
		call, argument, UINT32_MAX, (uint32_t)(value), 0 \
	}

/* Not in clone(2): a new namespace of any kind. */
#define SANDBOX_NEW_NAMESPACES                                                                  \
	(0x00000080u /* CLONE_NEWTIME */ | 0x00020000u /* NEWNS */ | 0x02000000u /* CGROUP */ | \
	 0x04000000u /* UTS */ | 0x08000000u /* IPC */ | 0x10000000u /* USER */ |               \
	 0x20000000u /* PID */ | 0x40000000u /* NET */)

extern const struct sandbox_row sandbox_basics[];     /* memory, time, own signals, end */
extern const struct sandbox_row sandbox_streams[];    /* what is open already */
extern const struct sandbox_row sandbox_loop[];	      /* libevent */
extern const struct sandbox_row sandbox_reading[];    /* opening files, looking at them */
extern const struct sandbox_row sandbox_local[];      /* clients of local sockets: syslog, NSS */
extern const struct sandbox_row sandbox_children[];   /* forking, threads */
extern const struct sandbox_row sandbox_execution[];  /* starting a program */
extern const struct sandbox_row sandbox_replacing[];  /* a file of its own renamed and removed */
extern const struct sandbox_row sandbox_keeper[];     /* what only a keeper does */
extern const struct sandbox_row sandbox_sanitizers[]; /* empty, unless compiled with them */

extern const bool sandbox_is_sanitized;

/* All of a keeper's, for sandbox_forbid_calls(). */
extern const struct sandbox_row *const sandbox_keeper_tables[];
