#include "sandbox/sandbox.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "config.h"

#if HAVE_SECCOMP
#include <seccomp.h>

static struct sandbox_witness own_witness, *witness_of_process = &own_witness;

/* Without the C library, which may be in the middle of anything. */
static void tell_number(int number)
{
	char text[] = "system call           is forbidden: the process ends\n";
	char *end = text + strlen("system call ") + 8;

	do {
		*end-- = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
}

/*
 * SIGSYS has its usual meaning again (SA_RESETHAND): the next forbidden call is the end, by the
 * signal that the parent then sees.  No table has reboot(2), and with these arguments it does nothing.
 */
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	witness_of_process->call = info->si_syscall + 1;
	tell_number(info->si_syscall);
	(void)syscall(SYS_reboot, 0, 0, 0, 0);
}

static int add_row(scmp_filter_ctx filter, const struct sandbox_row *row)
{
	uint32_t action = row->error ? SCMP_ACT_ERRNO((uint32_t)row->error) : SCMP_ACT_ALLOW;
	int call = seccomp_syscall_resolve_name(row->call), r;
	struct scmp_arg_cmp only = { .arg = row->argument };

	if (call == __NR_SCMP_ERROR)
		return 0;
	if (row->error) {
		only.op = SCMP_CMP_NE;
		only.datum_a = row->value;
	} else {
		only.op = SCMP_CMP_MASKED_EQ;
		only.datum_a = row->mask;
		only.datum_b = row->value;
	}
	r = seccomp_rule_add_array(filter, action, call, row->mask ? 1 : 0,
				   row->mask ? &only : NULL);
	/* Two tables may have the same row, and not every call is on every machine. */
	return r == -EEXIST || r == -EDOM ? 0 : r;
}

static int fill(scmp_filter_ctx filter, const struct sandbox_row *const tables[])
{
	/* Sorted in a tree: a call costs the same wherever it stands in the table. Older libraries
	 * have no such thing. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; tables[i]; i++)
		for (const struct sandbox_row *row = tables[i]; row->call; row++) {
			int r = add_row(filter, row);

			if (r < 0)
				return r;
		}
	return seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
}

static int catch_forbidden(struct sandbox_witness *witness)
{
	struct sigaction action = { .sa_sigaction = on_forbidden,
				    .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER };
	sigset_t forbidden;

	witness_of_process = witness ? witness : &own_witness;
	(void)sigemptyset(&action.sa_mask);
	(void)sigemptyset(&forbidden);
	(void)sigaddset(&forbidden, SIGSYS);
	(void)sigprocmask(SIG_UNBLOCK, &forbidden, NULL);
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

bool sandbox_is_built(void)
{
	return true;
}

int sandbox_forbid_calls(const struct sandbox_row *const tables[], struct sandbox_witness *witness)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int r;

	if (!filter)
		return -ENOMEM;
	/* The kernel's own error, not -ECANCELED for all of them. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	r = fill(filter, tables);
	if (r == 0)
		r = catch_forbidden(witness);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
#ifdef __GLIBC__
	/* What compiling it took. */
	(void)malloc_trim(0);
#endif
	return r;
}

static char *name_of(int number)
{
	return seccomp_syscall_resolve_num_arch(seccomp_arch_native(), number);
}

#else

bool sandbox_is_built(void)
{
	return false;
}

int sandbox_forbid_calls(const struct sandbox_row *const tables[], struct sandbox_witness *witness)
{
	(void)tables;
	(void)witness;
	return 0;
}

static char *name_of(int number)
{
	(void)number;
	return NULL;
}

#endif

bool sandbox_call_name(const struct sandbox_witness *witness, char ret_name[SANDBOX_NAME_BYTES])
{
	int32_t number = witness->call - 1;
	char *name;

	if (number < 0)
		return false;
	name = name_of(number);
	if (name)
		(void)text_copy(name, ret_name, SANDBOX_NAME_BYTES);
	else
		(void)snprintf(ret_name, SANDBOX_NAME_BYTES, "number %d", number);
	free(name);
	return true;
}
