#include "base/fake-proc.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>

enum { ARGUMENTS = 4 };

/* Names of ld(1)'s --wrap. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static int fail_at;
static int32_t (*next_pid)(void);

void fake_proc_fail_at(int number)
{
	fail_at = number;
}

void fake_proc_list(int32_t (*next)(void))
{
	next_pid = next;
}

/* As getdents64(2) fills it. */
static long give_next(struct dirent *entry)
{
	const int32_t pid = next_pid();

	if (pid == 0)
		return 0;
	entry->d_reclen = sizeof(*entry);
	(void)snprintf(entry->d_name, sizeof(entry->d_name), "%" PRId32, pid);
	return entry->d_reclen;
}

/* No call of ours has more. */
long __wrap_syscall(long number, ...)
{
	long values[ARGUMENTS];
	va_list arguments;

	if (number == SYS_getdents64 && fail_at > 0 && --fail_at == 0) {
		errno = EIO;
		return -1;
	}
	va_start(arguments, number);
	for (int i = 0; i < ARGUMENTS; i++)
		values[i] = va_arg(arguments, long);
	va_end(arguments);
	if (number == SYS_getdents64 && next_pid)
		return give_next(
			(struct dirent *)values[1]); /* NOLINT(performance-no-int-to-ptr) */
	return __real_syscall(number, values[0], values[1], values[2], values[3]);
}
