/* Who goes first when the brake lets go: nobody's many sessions hold back the few of others. */
#include "daemon/engine-table.h"

/* Of whose user fewer were ended just now, then who is held for longer. */
static bool goes_before(const struct entry *a, uint32_t a_taken, const struct entry *b,
			uint32_t b_taken)
{
	if (a_taken != b_taken)
		return a_taken < b_taken;
	return !b->waits || a->held_since_ns < b->held_since_ns;
}

static bool is_end(enum verdict_action action)
{
	return action == VERDICT_DISCONNECT || action == VERDICT_PARK ||
	       action == VERDICT_HANGUP_TERMINAL;
}

uint32_t turn_of(const struct entry *entry)
{
	return entry->nameless ? UINT32_MAX : entry->session.facts.uid;
}

bool turn_has_come(const struct entry *entry)
{
	const struct engine *engine = entry->engine;
	const struct brake *brake = rules_brake(entry);
	const int64_t now_ns = engine_now_ns();
	uint32_t free, taken, before = 0;

	if (brake->most == 0 || !is_end(entry->verdict.action))
		return true;
	free = brake_free(brake, now_ns);
	taken = brake_taken(brake, turn_of(entry), now_ns);
	for (size_t i = 0; i < engine->n_entries && before < free; i++) {
		struct entry *other = engine->entries[i];

		if (other == entry || !other->waits ||
		    !goes_before(other, brake_taken(brake, turn_of(other), now_ns), entry, taken))
			continue;
		before++;
		engine_look_soon(other);
	}
	return before < free;
}

bool turn_may_ask(const struct brake *asked, uint32_t uid, int64_t now_ns)
{
	const uint32_t all = asked->most - brake_free(asked, now_ns);

	if (asked->most == 0)
		return true;
	if (uid == 0 || all == asked->most)
		return all < asked->most;
	/* All users together leave half to root. */
	return all - brake_taken(asked, 0, now_ns) < (asked->most + 1) / 2;
}
