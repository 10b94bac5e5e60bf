/* Files of /proc, any bytes: a refusal, or a structure whose texts are terminated. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/procstat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void numbers(const char *text, size_t size)
{
	struct procstat_status status;
	struct procstat_io io;
	uint32_t flags;
	int32_t pid;

	(void)procstat_parse_status(text, size, &status);
	(void)procstat_parse_io(text, size, &io);
	(void)procstat_parse_fdinfo(text, size, &flags);
	if (procstat_parse_last_pid(text, size, &pid) == 0)
		assert(pid >= 0);
}

static void name(const char *text, size_t size)
{
	struct procstat stat;

	if (procstat_parse(text, size, &stat) < 0)
		return;
	assert(stat.pid > 0 && memchr(stat.name, '\0', sizeof(stat.name)));
	assert(stat.tty >= -1);
}

static void command(const char *text, size_t size)
{
	/* Of its own size each, so that a byte too many is seen. */
	for (size_t room = 1; room <= 16; room += 5) {
		char *command = malloc(room);

		if (!command)
			return;
		procstat_join_command(text, size, command, room);
		assert(strlen(command) < room);
		free(command);
	}
}

static void target(const char *text, size_t size)
{
	char *link = strndup(text, size);
	uint64_t inode;

	if (!link)
		return;
	if (procstat_parse_link(link, &inode) == TARGET_MASTER)
		assert(inode == 0);
	free(link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	numbers(text, size);
	name(text, size);
	command(text, size);
	target(text, size);
	return 0;
}
