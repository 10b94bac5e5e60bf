#include "base/sanitizers.h"

#include <unistd.h>

/* What the sanitizers ask a program for; a keeper has no variables that could say it. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

/* scripts/check finds the names: to start a symbolizer is nothing that a confined process may do. */
#define ALWAYS "symbolize=0:print_summary=0"

__attribute__((no_sanitize("address", "undefined"))) const char *__asan_default_options(void)
{
	return access(SANITIZERS_REPORTS, W_OK) == 0
		       ? ALWAYS ":log_path=" SANITIZERS_REPORTS "/report:log_exe_name=1"
		       : ALWAYS;
}

__attribute__((no_sanitize("address", "undefined"))) const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:halt_on_error=1";
}
