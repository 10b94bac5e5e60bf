/* What of a channel's CPU time is work. */
#include "core/session-work.h"

/* CPU time is counted in ticks: less than one is nothing. */
#define WORK_LEAST_NS (10 * NS_PER_MS)

/* The CPU time that makes work of a span since the anchor: the policy's share of it. Spans below an
 * eighth of the limit count as that eighth, or a single burst of a program that polls would be
 * work. */
static int64_t work_threshold_ns(const struct policy *policy, int64_t span_ns)
{
	int64_t eighth_ns = policy->idle_timeout_ns / 8, least_ns;

	if (span_ns < eighth_ns)
		span_ns = eighth_ns;
	/* Longer only where nobody looked: all of the work may have been at its end. */
	if (span_ns > policy->idle_timeout_ns)
		span_ns = policy->idle_timeout_ns;
	least_ns = span_ns / 1000000 * policy->work_threshold_ppm;
	return least_ns < WORK_LEAST_NS ? WORK_LEAST_NS : least_ns;
}

void session_observe_work(struct channel *channel, const struct channel_sample *now,
			  int64_t from_ns, int64_t at_ns)
{
	const struct policy *policy = channel->policy;
	struct channel_notes *notes;
	int64_t span_ns;
	bool first, worked;

	notes = (now->known & TERMINAL_WORK) ? session_need_channel_notes(channel) : NULL;
	if (!notes) {
		bounds_use(&channel->work, from_ns, at_ns);
		return;
	}
	span_ns = at_ns - notes->work_anchor_at_ns;
	first = notes->work_anchor_at_ns == 0;
	/* A process that left the tree took its share with it: what it did is unknown. So is what was done
	 * before anybody asked, unless it has just been opened. */
	if (first)
		worked = channel->opened.latest_ns < from_ns;
	else
		worked = now->work_ns < notes->work_anchor_ns ||
			 now->work_ns - notes->work_anchor_ns >=
				 (uint64_t)work_threshold_ns(policy, span_ns);
	if (worked)
		bounds_use(&channel->work, from_ns, at_ns);
	if (first || worked || span_ns > policy->idle_timeout_ns) {
		notes->work_anchor_ns = now->work_ns;
		notes->work_anchor_at_ns = at_ns;
	}
}
