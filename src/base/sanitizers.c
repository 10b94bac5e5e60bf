#include "base/sanitizers.h"

#include <unistd.h>

/* What the sanitizers ask a program for; a keeper has no variables that could say it. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are theirs */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/*
 * scripts/check finds the names: to start a symbolizer is nothing that a confined process may do.
 * What was freed is kept, 256 MiB of it if nothing is said: with less a keeper's growth still shows.
 */
#define ALWAYS "symbolize=0:print_summary=0:quarantine_size_mb=16"

__attribute__((no_sanitize("address", "undefined"))) const char *__asan_default_options(void)
{
	return access(SANITIZERS_REPORTS, W_OK) == 0 ? ALWAYS ":log_path=" SANITIZERS_REPORTS
							      "/report:log_exe_name=1"
						     : ALWAYS;
}

__attribute__((no_sanitize("address", "undefined"))) const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:halt_on_error=1";
}
