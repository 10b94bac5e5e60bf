/* Programs that are built with sanitizers: where reports of all of them come together. */
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer) || \
	__has_feature(memory_sanitizer)
#define WITH_SANITIZERS 1
#endif
#endif

/* If there is such a directory each process leaves its report there, as report.PID; scripts/check makes it
 * and reads them.  Standard error is no place for it: a keeper and a daemon in the background have none. */
#define SANITIZERS_REPORTS "/tmp/sshidle-sanitizers"
