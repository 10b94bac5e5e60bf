#include "observe/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void roster_deinit(struct roster *roster)
{
	free(roster->rows);
	*roster = (struct roster){ 0 };
}

/* Where a row with this pid is, or would be. */
static size_t position(const struct roster *roster, int32_t pid)
{
	size_t low = 0, high = roster->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (roster->rows[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct roster_row *roster_find(const struct roster *roster, int32_t pid)
{
	size_t at = position(roster, pid);

	return at < roster->n && roster->rows[at].pid == pid ? &roster->rows[at] : NULL;
}

struct roster_row *roster_pending_from(const struct roster *roster, int32_t pid)
{
	for (size_t at = position(roster, pid); at < roster->n; at++)
		if (roster->rows[at].state == ROSTER_PENDING)
			return &roster->rows[at];
	return NULL;
}

int roster_add(struct roster *roster, int32_t pid, enum server_id server,
	       struct roster_row **ret_row)
{
	size_t at = position(roster, pid);

	if (at < roster->n && roster->rows[at].pid == pid) {
		*ret_row = &roster->rows[at];
		return 0;
	}
	if (roster->n == roster->size) {
		size_t size = roster->size ? roster->size * 2 : 64;
		struct roster_row *rows = reallocarray(roster->rows, size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		roster->rows = rows;
		roster->size = size;
	}
	memmove(&roster->rows[at + 1], &roster->rows[at], (roster->n - at) * sizeof(*roster->rows));
	roster->n++;
	roster->rows[at] = (struct roster_row){ .pid = pid, .server = (uint8_t)server };
	*ret_row = &roster->rows[at];
	return 0;
}

void roster_remove(struct roster *roster, int32_t pid)
{
	size_t at = position(roster, pid);

	if (at == roster->n || roster->rows[at].pid != pid)
		return;
	roster->n--;
	memmove(&roster->rows[at], &roster->rows[at + 1], (roster->n - at) * sizeof(*roster->rows));
}

bool roster_has_session(const struct roster *roster, uint64_t cookie)
{
	for (size_t i = 0; i < roster->n; i++)
		if (roster->rows[i].cookie == cookie && roster->rows[i].state == ROSTER_SESSION)
			return true;
	return false;
}

void roster_reopen(struct roster *roster, uint64_t cookie)
{
	for (size_t i = 0; i < roster->n; i++)
		if (roster->rows[i].cookie == cookie)
			roster->rows[i].state = ROSTER_PENDING;
}
