/*
 * What a process may ask of the kernel from here on: a list of system calls (seccomp(2)) and of
 * places in the file system (landlock(7)).  Neither can be taken back, and children inherit both.
 *
 * A call that is not in the list ends the process by SIGSYS.  Before that it leaves the number of
 * the call where another process of the daemon finds it, so that the log can name it: the exit
 * status has no room for it, and the kernel's own log (audit, type=1326) is not where an
 * administrator looks first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_NAME_BYTES 40

/*
 * One call, by its name.  A name that this machine or libseccomp does not know is skipped: a table
 * has the calls of all machines and C libraries.  The last row of a table has no name.
 */
struct sandbox_row {
	const char *call;
	/* Where `mask` is not 0: only if (argument & mask) == value.  Rows of one call add up. */
	unsigned argument; /* from 0 */
	uint32_t mask, value;
	/* The other way about: answered with this error where the argument is not `value`, or
	 * always where `mask` is 0. */
	int error;
};

/* The number of the forbidden call, in memory that is shared; see sandbox_call_name(). */
struct sandbox_witness {
	volatile int32_t call;
};

/* False: built without libseccomp, sandbox_forbid_calls() does nothing. */
bool sandbox_is_built(void);

/*
 * From here on only what is in the tables (NULL after the last) may be called; no_new_privs must
 * be set.  `witness` may be NULL; standard error is told too.  -ENOSYS or -EINVAL: the kernel has
 * no such filters.  Other errors leave it half done: the process should not go on.
 */
int sandbox_forbid_calls(const struct sandbox_row *const tables[], struct sandbox_witness *witness);

/* What was forbidden: its name, or its number. False: nothing yet. */
bool sandbox_call_name(const struct sandbox_witness *witness, char ret_name[SANDBOX_NAME_BYTES]);

enum sandbox_access {
	SANDBOX_READ, /* files and lists of directories, no execution */
	SANDBOX_USE,  /* a file or a device is also written */
	SANDBOX_KEEP, /* a directory's files are also made, written, renamed and removed */
};

struct sandbox_place {
	const char *
		path; /* a directory with all below it, or a file; one that is not there is skipped */
	enum sandbox_access access;
};

/*
 * From here on only these places may be opened (a rule is bound to the directory that is there now,
 * not to its name).  Nor may it open TCP connections or ports, signal others, or, for what it
 * opens later, drive devices: as far as the kernel knows these.  0, or a version of Landlock below
 * SANDBOX_FILES_BEST: not all of it could be had; -EOPNOTSUPP: nothing of it.
 */
int sandbox_close_files(const struct sandbox_place *places, size_t n);

/* landlock(7): 1 files, 2 links, 3 truncation, 4 TCP, 5 devices, 6 signals and abstract sockets. */
#define SANDBOX_FILES_BEST 6
