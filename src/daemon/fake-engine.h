/*
 * A stand-in for the engine, for tests of the control socket and of the command alone: a fixed
 * set of sessions at a fixed time.  The real engine is another piece with tests of its own;
 * verdicts come from the real judge.
 */
#pragma once

#include "daemon/engine.h"

/* "Now", in every run. */
#define FAKE_NOW_NS (1000000 * NS_PER_S)

#define FAKE_KEEP_MAX_S 28800

struct control;

struct engine {
	struct session *sessions;
	size_t n;
	struct control *control; /* told of events that cut and keep make; NULL: nobody */
	char who[256];		 /* of the last cut or keep */
	char message[1100];
	uint32_t cut_id;
	int64_t kept_until_ns;
	bool config_wrong; /* the next reloads fail */
	char rules[256];   /* temporary ones in force; "" none */
};

/* `extra` more sessions, all alike, after the fixed ones. */
void fake_engine_init(struct engine *engine, size_t extra);
void fake_engine_deinit(struct engine *engine);
