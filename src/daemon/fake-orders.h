/* Tests of engine-act.c: an engine with one session, whose orders are kept instead of given. */
#pragma once

#include <stdint.h>

#include "daemon/engine-table.h"

#define S NS_PER_S

extern const struct policy fifteen_minutes;
extern int64_t now_ns;

/* The last order, and how many there were. */
extern union any_order {
	struct order_warn warn;
	struct order_cut cut;
	struct order_hangup hangup;
	unsigned char bytes[sizeof(struct order_cut)];
} order;
extern enum link_type ordered;
extern unsigned orders, errors;

/* What was told last, and how often anything was. */
extern enum engine_event_kind told;
extern unsigned tellings;
extern char reason_told[64];

struct scene {
	struct engine engine;
	struct entry entry;
};

/* A shell that was used at 1000 s, before nobody looked. */
void begin(struct scene *scene);
void end(struct scene *scene);

/* Two terminals beside a command in use. */
void begin_terminals(struct scene *scene);

/* A sample of that time, acted on now. */
void act(struct scene *scene, int64_t sampled_at_ns);

/* In use until now. */
void act_in_use(struct scene *scene);
