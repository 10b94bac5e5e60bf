#include "core/brake.h"

#include <errno.h>
#include <stdlib.h>

int brake_set(struct brake *brake, uint32_t most, int64_t span_ns)
{
	struct brake_cut *cuts;

	if (most == 0 || most > BRAKE_MOST)
		return -EINVAL;
	cuts = malloc(most * sizeof(*cuts));
	if (!cuts)
		return -ENOMEM;
	for (uint32_t i = 0; i < most; i++)
		cuts[i] = (struct brake_cut){ .at_ns = INT64_MIN };
	/* The newest of the old ones go to the end of the new ring: its oldest entry is at 0. */
	for (uint32_t i = 0; i < most && i < brake->most; i++)
		cuts[most - 1 - i] = brake->cuts[(brake->next + brake->most - 1 - i) % brake->most];
	free(brake->cuts);
	brake->cuts = cuts;
	brake->most = most;
	brake->next = 0;
	brake->span_ns = span_ns;
	return 0;
}

void brake_deinit(struct brake *brake)
{
	free(brake->cuts);
	*brake = (struct brake){ 0 };
}

static bool counts(const struct brake *brake, uint32_t i, int64_t now_ns)
{
	return brake->cuts[i].at_ns > now_ns - brake->span_ns;
}

bool brake_on(const struct brake *brake, int64_t now_ns)
{
	/* The entry to be overwritten next is the oldest of the last `most` cuts. */
	return brake->most > 0 && counts(brake, brake->next, now_ns);
}

void brake_note_cut(struct brake *brake, uint32_t uid, int64_t now_ns)
{
	if (brake->most == 0)
		return;
	brake->cuts[brake->next] = (struct brake_cut){ now_ns, uid };
	brake->next = (brake->next + 1) % brake->most;
}

void brake_take_back(struct brake *brake, uint32_t uid, int64_t noted_at_ns)
{
	struct brake_cut *cuts = brake->cuts;
	uint32_t i = 0;

	while (i < brake->most && (cuts[i].at_ns != noted_at_ns || cuts[i].uid != uid))
		i++;
	if (i == brake->most)
		return;
	/* Those before it move up, and the oldest is none. */
	for (uint32_t before; i != brake->next; i = before) {
		before = (i + brake->most - 1) % brake->most;
		cuts[i] = cuts[before];
	}
	cuts[i] = (struct brake_cut){ .at_ns = INT64_MIN };
}

uint32_t brake_free(const struct brake *brake, int64_t now_ns)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < brake->most; i++)
		n += !counts(brake, i, now_ns);
	return n;
}

uint32_t brake_taken(const struct brake *brake, uint32_t uid, int64_t now_ns)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < brake->most; i++)
		n += brake->cuts[i].uid == uid && counts(brake, i, now_ns);
	return n;
}
