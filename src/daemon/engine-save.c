/* When the state is saved: not too late, and not so often that it costs more than it is worth. */
#include <string.h>

#include "base/log.h"
#include "daemon/clock.h"
#include "daemon/engine-table.h"

/* The state is written this long after the first change, and not again before so many times what
 * the last write took: on a host with many sessions it then costs half a percent of a core. */
#define SAVE_AFTER_NS	 (1 * NS_PER_S)
#define SAVE_COST_FACTOR 200

/* What must not wait (a cut is under way) is saved at once, unless that takes this long; then not
 * again before so many times as long, or many cuts on a host with many sessions would do nothing
 * else. */
#define URGENT_FREE_NS	   (5 * NS_PER_MS)
#define URGENT_COST_FACTOR 20

/* An id that was given out after the last write must not be given out again after a kill -9. */
#define ID_HEADROOM 64

static const struct session *next_session(void *context, const struct session *after)
{
	return engine_next_session(context, after);
}

static int64_t save(struct engine *engine, uint32_t next_id)
{
	int64_t from_ns = clock_now_ns();
	int r = state_save(engine->options->state_file, next_id, next_session, engine);

	if (r < 0)
		log_error("%s cannot be written: %s; a restart would begin all idle times anew",
			  engine->options->state_file, strerror(-r));
	return clock_now_ns() - from_ns;
}

static void save_at(struct engine *engine, int64_t at_ns)
{
	struct timeval after = clock_until(at_ns);

	(void)event_add(engine->save, &after);
}

void engine_save_now(struct engine *engine)
{
	if (!engine->state)
		(void)save(engine, engine->next_id + ID_HEADROOM);
}

void engine_save_record(struct engine *engine)
{
	int64_t now_ns = clock_now_ns(), cost_ns;

	if (engine->state)
		return;
	if (now_ns < engine->urgent_not_before_ns) {
		save_at(engine, engine->urgent_not_before_ns);
		return;
	}
	cost_ns = save(engine, engine->next_id + ID_HEADROOM);
	if (cost_ns > URGENT_FREE_NS)
		engine->urgent_not_before_ns = clock_now_ns() + cost_ns * URGENT_COST_FACTOR;
}

void engine_save_last(struct engine *engine)
{
	(void)save(engine, engine->next_id);
}

void engine_on_save(evutil_socket_t fd, short what, void *context)
{
	struct engine *engine = context;
	int64_t cost_ns;

	(void)fd;
	(void)what;
	if (engine->state)
		return; /* before the first look is done the old state is worth more */
	cost_ns = save(engine, engine->next_id + ID_HEADROOM);
	engine->save_not_before_ns = clock_now_ns() + cost_ns * SAVE_COST_FACTOR;
}

void engine_save_soon(struct engine *engine)
{
	int64_t at_ns = clock_now_ns() + SAVE_AFTER_NS;

	if (evtimer_pending(engine->save, NULL))
		return;
	if (at_ns < engine->save_not_before_ns)
		at_ns = engine->save_not_before_ns;
	save_at(engine, at_ns);
}
