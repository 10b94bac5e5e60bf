/* When the state is saved: not too late, and not so often that it costs more than it is worth. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/clock.h"
#include "daemon/engine-table.h"

/* The state is written this long after the first change, and not again before so many times the CPU
 * time that the last write took: on a host with many sessions it then costs half a percent of a
 * core. What it waited for a disk or for its turn is no cost, and nobody may be the worse for it. */
#define SAVE_AFTER_NS	 (1 * NS_PER_S)
#define SAVE_COST_FACTOR 200

/* What must not wait (a cut is under way) is saved at once, unless that takes this long; then not
 * again before so many times as long, or many cuts on a host with many sessions would do nothing
 * else. */
#define URGENT_FREE_NS	   (5 * NS_PER_MS)
#define URGENT_COST_FACTOR 20

/* A write that failed is tried again, whether anything changes or not. */
#define SAVE_RETRY_NS (5 * NS_PER_S)

/* An id that was given out after the last write must not be given out again after a kill -9. */
#define ID_HEADROOM 64

static const struct session *next_session(void *context, const struct session *after)
{
	return engine_next_session(context, after);
}

/* Once, until it works again. */
static void tell_failed(struct engine *engine, int result)
{
	if (engine->unsaved)
		return;
	if (asprintf(&engine->unsaved,
		     "%s cannot be written: %s; until it can, a restart knows idle times only as "
		     "they were saved last",
		     engine->options->state_file, strerror(-result)) < 0) {
		engine->unsaved = NULL;
		return;
	}
	table_note_trouble(engine, NULL, engine->unsaved);
}

static void tell_saved(struct engine *engine)
{
	if (!engine->unsaved)
		return;
	table_forget_trouble(engine, engine->unsaved);
	free(engine->unsaved);
	engine->unsaved = NULL;
	log_info("%s is written again", engine->options->state_file);
}

/* Returns what it cost. */
static int64_t save(struct engine *engine, uint32_t next_id)
{
	int64_t from_ns = clock_cpu_ns();
	int r = state_save(engine->options->state_file, next_id, next_session, engine);

	if (r < 0) {
		tell_failed(engine, r);
		clock_ring(engine->save, clock_now_ns() + SAVE_RETRY_NS);
	} else {
		tell_saved(engine);
	}
	return clock_cpu_ns() - from_ns;
}

void engine_save_record(struct engine *engine)
{
	int64_t now_ns = clock_now_ns(), cost_ns;

	if (engine->state)
		return;
	if (now_ns < engine->urgent_not_before_ns) {
		clock_ring(engine->save, engine->urgent_not_before_ns);
		return;
	}
	cost_ns = save(engine, engine->next_id + ID_HEADROOM);
	if (cost_ns > URGENT_FREE_NS)
		engine->urgent_not_before_ns = clock_now_ns() + cost_ns * URGENT_COST_FACTOR;
}

static void on_save(evutil_socket_t fd, short what, void *context)
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
	clock_ring(engine->save, at_ns);
}

int save_init(struct engine *engine)
{
	engine->save = evtimer_new(engine->base, on_save, engine);
	return engine->save ? 0 : -ENOMEM;
}

void save_last(struct engine *engine)
{
	if (!engine->state)
		(void)save(engine, engine->next_id);
}

void save_deinit(struct engine *engine)
{
	if (engine->save)
		event_free(engine->save);
	free(engine->unsaved);
}
