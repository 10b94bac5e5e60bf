#include "act/park-drain.h"

#include "core/facts.h"

#define FROZEN_FOR_NS (1 * NS_PER_S)
/* A slow line takes what its buffers hold in this time, or it counts as frozen. */
#define LONGEST_NS (60 * NS_PER_S)

static bool moved(const struct park_look *a, const struct park_look *b)
{
	return a->runnable || a->waiting != b->waiting || a->unsent != b->unsent ||
	       a->plain_out != b->plain_out;
}

enum park_drained park_drain_judge(struct park_drain *drain, const struct park_look *look,
				   int64_t now_ns)
{
	bool still = drain->looked && look->plain_out == drain->last.plain_out;

	if (!drain->looked)
		drain->from_ns = now_ns;
	if (!drain->looked || moved(look, &drain->last))
		drain->moved_at_ns = now_ns;
	drain->looked = true;
	drain->last = *look;
	still = still && look->asleep && look->waiting == 0 && look->unsent == 0;
	drain->still = still ? drain->still + 1 : 0;
	if (drain->still >= PARK_DRAIN_LOOKS)
		return PARK_DRAINED;
	if (now_ns - drain->moved_at_ns >= FROZEN_FOR_NS || now_ns - drain->from_ns >= LONGEST_NS)
		return PARK_FROZEN;
	return PARK_DRAINING;
}
