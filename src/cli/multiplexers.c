#include "cli/multiplexers.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/pids.h"
#include "base/text.h"

/* 1: a server of tmux or screen; names as the kernel keeps them (the first 15 bytes). */
static int is_multiplexer(int32_t pid)
{
	char path[64], name[32] = "";
	auto_fclose FILE *file = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	/* A name of no bytes has no errno. */
	if (file)
		errno = 0;
	if (!file || (!fgets(name, sizeof(name), file) && errno != 0))
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	return text_starts(name, "tmux: server") || text_starts(name, "screen");
}

static int count_multiplexer(void *context, int32_t pid)
{
	int64_t *n = context;
	int r = is_multiplexer(pid);

	if (r > 0)
		(*n)++;
	return r < 0 ? r : 0;
}

int64_t multiplexers_count(void)
{
	int64_t n = 0;
	int r = pids_each(count_multiplexer, &n);

	return r < 0 ? r : n;
}
