#include "core/brake.h"

#include <errno.h>
#include <stdlib.h>

int brake_set(struct brake *brake, uint32_t most, int64_t span_ns)
{
	int64_t *cuts;

	if (most == 0 || most > BRAKE_MOST)
		return -EINVAL;
	cuts = malloc(most * sizeof(*cuts));
	if (!cuts)
		return -ENOMEM;
	for (uint32_t i = 0; i < most; i++)
		cuts[i] = INT64_MIN;
	/* The newest of the old ones go to the end of the new ring: its oldest entry is at 0. */
	for (uint32_t i = 0; i < most && i < brake->most; i++)
		cuts[most - 1 - i] =
			brake->cuts_at_ns[(brake->next + brake->most - 1 - i) % brake->most];
	free(brake->cuts_at_ns);
	brake->cuts_at_ns = cuts;
	brake->most = most;
	brake->next = 0;
	brake->span_ns = span_ns;
	return 0;
}

void brake_deinit(struct brake *brake)
{
	free(brake->cuts_at_ns);
	*brake = (struct brake){ 0 };
}

bool brake_on(const struct brake *brake, int64_t now_ns)
{
	/* The entry to be overwritten next is the oldest of the last `most` cuts. */
	return brake->most > 0 && brake->cuts_at_ns[brake->next] > now_ns - brake->span_ns;
}

void brake_note_cut(struct brake *brake, int64_t now_ns)
{
	if (brake->most == 0)
		return;
	brake->cuts_at_ns[brake->next] = now_ns;
	brake->next = (brake->next + 1) % brake->most;
}

void brake_take_back(struct brake *brake)
{
	if (brake->most == 0)
		return;
	brake->next = (brake->next + brake->most - 1) % brake->most;
	brake->cuts_at_ns[brake->next] = INT64_MIN;
}
