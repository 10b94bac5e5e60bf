/* The saved state, any bytes: as the whole file, and as the sessions in a file of this boot.  What is
 * restored can be saved again. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64], directory[] = "/tmp/fuzz-state-XXXXXX", saved[64];

static void remove_directory(void)
{
	(void)unlink(saved);
	(void)rmdir(directory);
}

static void prepare(void)
{
	if (saved[0])
		return;
	log_open("fuzz", true, LOG_LEVEL_ALERT);
	assert(mkdtemp(directory));
	(void)snprintf(saved, sizeof(saved), "%s/saved", directory);
	(void)snprintf(path, sizeof(path), "%s/state", directory);
	(void)atexit(remove_directory);
}

static const struct session *only(void *context, const struct session *after)
{
	return after ? NULL : context;
}

static void take_up(struct state *state)
{
	const struct session_facts facts = {
		.identity = { .cookie = 7, .start_ticks = 8, .pid = 9 }, .uid = UINT32_MAX
	};
	const struct channel_facts channels[2] = {
		{ .kind = KIND_SHELL, .tty = 3, .pid = 78, .start_ticks = 12346 },
		{ .kind = KIND_FORWARD, .tty = -1 },
	};
	struct session session;

	session_init(&session, &facts, 600 * NS_PER_S);
	assert(session_set_channels(&session, channels, 2, 10 * NS_PER_S, 600 * NS_PER_S) == 0);
	(void)state_find_id(state, &facts.identity);
	if (state_restore(state, &session))
		assert(state_save(saved, 1, only, &session) == 0);
	for (size_t at = 0; state_record(state, at); at++)
		;
	session_deinit(&session);
}

static void load(const char *head, const void *data, size_t size, const char *tail)
{
	FILE *file = fopen(path, "we");
	struct state *state;

	assert(file);
	(void)fputs(head, file);
	(void)fwrite(data, 1, size, file);
	(void)fputs(tail, file);
	assert(fclose(file) == 0);
	if (state_load(path, &state) == 0) {
		assert(state_next_id(state) > 0);
		take_up(state);
		state_free(state);
	}
	(void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char head[160], boot_id[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	prepare();
	if (!file || !fgets(boot_id, sizeof(boot_id), file))
		return 0;
	(void)fclose(file);
	boot_id[strcspn(boot_id, "\n")] = '\0';
	(void)snprintf(head, sizeof(head),
		       "{\"format\":1,\"boot_id\":\"%s\",\"next_id\":5,\"sessions\":", boot_id);
	load("", data, size, "");
	load(head, data, size, "}");
	return 0;
}
