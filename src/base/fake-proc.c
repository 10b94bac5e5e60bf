#include "base/fake-proc.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

enum { ARGUMENTS = 4 };

/* Names of ld(1)'s --wrap. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static int fail_at;

void fake_proc_fail_at(int number)
{
	fail_at = number;
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
	return __real_syscall(number, values[0], values[1], values[2], values[3]);
}
