#include "base/fake-directory.h"

#include <errno.h>

#include "base/directory.h"

/* Names of ld(1)'s --wrap. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
int __real_directory_next(DIR *directory, const struct dirent **ret_entry);
int __wrap_directory_next(DIR *directory, const struct dirent **ret_entry);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static int fail_at;

void fake_directory_fail_at(int number)
{
	fail_at = number;
}

int __wrap_directory_next(DIR *directory, const struct dirent **ret_entry)
{
	return fail_at > 0 && --fail_at == 0 ? -EIO : __real_directory_next(directory, ret_entry);
}
