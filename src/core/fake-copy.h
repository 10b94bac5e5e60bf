/* For tests: a session with all that it owns once more, to see what would have become of it. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/session.h"

static inline void *copy_bytes(const void *bytes, size_t size)
{
	void *copy = malloc(size);

	if (!copy)
		abort();
	return memcpy(copy, bytes, size);
}

/* For session_deinit(). Without the commands and the record. */
static inline struct session copy_session(const struct session *session)
{
	struct session copy = *session;
	struct ledger_rekey *rekeys = copy.ledger.rekeys;
	struct liveness_proof *proof = copy.liveness.proof;
	struct session_keepalive *keepalive = copy.keepalive;
	struct session_notes *notes = copy.notes;

	copy.record = NULL;
	copy.channels = copy_bytes(copy.channels, copy.n_channels * sizeof(*copy.channels));
	for (size_t i = 0; i < copy.n_channels; i++) {
		struct channel_notes *of_channel = copy.channels[i].notes;

		copy.channels[i].command = NULL;
		if (of_channel)
			copy.channels[i].notes = copy_bytes(of_channel, sizeof(*of_channel));
	}
	if (rekeys)
		copy.ledger.rekeys = copy_bytes(rekeys, LEDGER_REKEYS_MAX * sizeof(*rekeys));
	if (proof)
		copy.liveness.proof = copy_bytes(proof, sizeof(*proof));
	if (keepalive)
		copy.keepalive = copy_bytes(keepalive, sizeof(*keepalive));
	if (notes)
		copy.notes = copy_bytes(notes, sizeof(*notes));
	return copy;
}
