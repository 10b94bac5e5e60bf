#include "daemon/engine-table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "server/server.h"

/* As in the monitor: the low bits of a handle are a slot. */
#define SLOT_MASK 0xffffu

static int grow_entries(struct engine *engine)
{
	size_t n = engine->size_entries == 0 ? 64 : engine->size_entries * 2;
	struct entry **more;

	if (engine->n_entries < engine->size_entries)
		return 0;
	more = realloc(engine->entries, n * sizeof(struct entry *));
	if (!more)
		return -ENOMEM;
	engine->entries = more;
	engine->size_entries = n;
	return 0;
}

static int grow_slots(struct engine *engine, size_t slot)
{
	size_t n = engine->n_slots == 0 ? 64 : engine->n_slots;
	struct entry **more;

	if (slot < engine->n_slots)
		return 0;
	while (n <= slot)
		n *= 2;
	more = realloc(engine->by_slot, n * sizeof(struct entry *));
	if (!more)
		return -ENOMEM;
	memset(more + engine->n_slots, 0, (n - engine->n_slots) * sizeof(struct entry *));
	engine->by_slot = more;
	engine->n_slots = n;
	return 0;
}

/* The place of the first entry whose id is not below this one. */
static size_t lower_bound(const struct engine *engine, uint32_t id)
{
	size_t low = 0, high = engine->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (engine->entries[middle]->session.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *table_find(const struct engine *engine, uint32_t id)
{
	size_t at = lower_bound(engine, id);

	if (at < engine->n_entries && engine->entries[at]->session.id == id)
		return engine->entries[at];
	return NULL;
}

struct entry *table_find_handle(const struct engine *engine, uint32_t handle)
{
	size_t slot = handle & SLOT_MASK;

	if (slot >= engine->n_slots || !engine->by_slot[slot] ||
	    engine->by_slot[slot]->handle != handle)
		return NULL;
	return engine->by_slot[slot];
}

static void entry_free(struct entry *entry)
{
	timers_drop(entry->engine->looks, &entry->look);
	for (size_t i = 0; i < entry->n_groups; i++)
		free(entry->groups[i]);
	free(entry->groups);
	free(entry->ending);
	free(entry->hanging_up);
	names_drop(&entry->engine->users, entry->session.user);
	session_deinit(&entry->session);
	free(entry);
}

static uint32_t pick_id(struct engine *engine, const struct session_identity *identity)
{
	uint32_t id = state_find_id(engine->state, identity);

	if (id != 0 && !table_find(engine, id))
		return id;
	return engine->next_id++;
}

static void on_look(void *context)
{
	engine_look_now(context);
}

int table_init(struct engine *engine)
{
	return timers_new(engine->base, on_look, &engine->looks);
}

int table_add(struct engine *engine, const struct link_opened *opened, struct entry **ret_entry)
{
	size_t slot = opened->handle & SLOT_MASK, at;
	struct entry *entry;

	if (opened->facts.server >= SERVER_N || opened->facts.container > 1)
		return -EPROTO;
	if (grow_entries(engine) < 0 || grow_slots(engine, slot) < 0 ||
	    timers_reserve(engine->looks, engine->n_entries + 1) < 0)
		return -ENOMEM;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	session_init(&entry->session, &opened->facts, opened->seen_at_ns);
	entry->session.traits = server_get(opened->facts.server)->traits;
	entry->engine = engine;
	entry->look.context = entry;
	entry->verdict.ping_at_ns = TIME_NEVER;
	entry->handle = opened->handle;
	entry->session.id = pick_id(engine, &opened->facts.identity);
	at = lower_bound(engine, entry->session.id);
	memmove(&engine->entries[at + 1], &engine->entries[at],
		(engine->n_entries - at) * sizeof(struct entry *));
	engine->entries[at] = entry;
	engine->n_entries++;
	engine->by_slot[slot] = entry;
	*ret_entry = entry;
	return 0;
}

void table_remove(struct engine *engine, struct entry *entry)
{
	size_t at = lower_bound(engine, entry->session.id);

	memmove(&engine->entries[at], &engine->entries[at + 1],
		(engine->n_entries - at - 1) * sizeof(struct entry *));
	engine->n_entries--;
	engine->by_slot[entry->handle & SLOT_MASK] = NULL;
	entry_free(entry);
}

void table_deinit(struct engine *engine)
{
	for (size_t i = 0; i < engine->n_entries; i++)
		entry_free(engine->entries[i]);
	free(engine->entries);
	free(engine->by_slot);
	timers_free(engine->looks);
	engine->n_entries = 0;
}

void table_note_trouble(struct engine *engine, const struct entry *entry, const char *text)
{
	char escaped[ORDER_TEXT_BYTES], where[48] = "", *line;

	text_escape(text, false, escaped, sizeof(escaped));
	for (size_t i = 0; i < engine->n_troubles; i++)
		if (strstr(engine->troubles[i], escaped))
			return;
	if (entry)
		(void)snprintf(where, sizeof(where),
			       "session %u, and others like it: ", entry->session.id);
	if (asprintf(&line, "%s%s", where, escaped) < 0)
		return;
	log_warning("%s", line);
	if (engine->n_troubles < ENGINE_TROUBLES_MAX)
		engine->troubles[engine->n_troubles++] = line;
	else
		free(line);
}

void table_forget_trouble(struct engine *engine, const char *text)
{
	char escaped[ORDER_TEXT_BYTES];
	size_t kept = 0;

	text_escape(text, false, escaped, sizeof(escaped));
	for (size_t i = 0; i < engine->n_troubles; i++) {
		if (strstr(engine->troubles[i], escaped))
			free(engine->troubles[i]);
		else
			engine->troubles[kept++] = engine->troubles[i];
	}
	engine->n_troubles = kept;
}

const struct session *engine_next_session(struct engine *engine, const struct session *after)
{
	for (size_t i = 0; i < engine->n_entries; i++) {
		const struct entry *entry;

		/* The usual caller goes through the table in order. */
		if (after && engine->walk_at < engine->n_entries &&
		    &engine->entries[engine->walk_at]->session == after)
			i = engine->walk_at + 1;
		if (i >= engine->n_entries)
			return NULL;
		entry = engine->entries[i];
		if (!after || entry->session.id > after->id) {
			engine->walk_at = i;
			return &entry->session;
		}
	}
	return NULL;
}

const struct session *engine_session_from(struct engine *engine, uint32_t id)
{
	size_t at = lower_bound(engine, id);

	return at < engine->n_entries ? &engine->entries[at]->session : NULL;
}

const struct session *engine_find_session(struct engine *engine, uint32_t id)
{
	struct entry *entry = table_find(engine, id);

	return entry ? &entry->session : NULL;
}
