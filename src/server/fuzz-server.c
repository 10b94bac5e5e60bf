/* Names of executables and sockets that users choose, and shapes of processes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void names(const char *name)
{
	enum server_id id;

	if (server_by_executable(name, &id) == 0)
		assert(id < SERVER_N && server_get(id)->executables[0]);
	if (server_by_name(name, &id) == 0)
		assert(text_equal(server_name(id), name));
	(void)server_is_sftp(name);
	for (int i = 0; i < SERVER_N; i++)
		(void)server_get((enum server_id)i)->is_agent(name);
}

/* Nobody is logged in where not even the first process could be read. */
static void shapes(const uint8_t *data, size_t size)
{
	struct server_holder holders[3];
	struct server_shape shape = { .holders = holders };
	uint8_t bits;

	if (size < 1 + sizeof(holders))
		return;
	bits = data[0];
	memcpy(holders, data + 1, sizeof(holders));
	for (size_t i = 0; i < 3; i++) {
		holders[i].known = bits >> i & 1;
		holders[i].no_new_privs = bits >> (3 + i) & 1;
		holders[i].executable[SERVER_EXECUTABLE_BYTES - 1] = '\0';
	}
	shape.n_holders = bits % 4;
	shape.parent_is_holder = shape.n_holders > 1;
	shape.other_child = bits >> 6 & 1;
	shape.per_connection = bits >> 7 & 1;
	for (int i = 0; i < SERVER_N; i++) {
		const struct server *server = server_get((enum server_id)i);

		if (server->is_authenticated(&shape))
			assert(shape.n_holders > 0 && holders[0].known);
		(void)server->user(holders[0].uid, UINT32_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size);

	if (!name)
		return 0;
	names(name);
	free(name);
	/* bool has two values, and memcpy() no type. */
	if (size <= 1024)
		shapes(data, size);
	return 0;
}
