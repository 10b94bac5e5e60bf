/*
 * The type Explanation of io.sshidle: everything behind a verdict, in sentences.  Only what the
 * session itself holds is said; what is not known is said to be unknown.
 */
#pragma once

#include <jansson.h>

#include "daemon/engine.h"
#include "daemon/view.h"

/* Owned by the caller; NULL: no memory. */
json_t *explain_session_new(struct engine *engine, const struct session *session,
			    const struct view_clock *clock);
