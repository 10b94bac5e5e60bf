/* Tests of what is known of a client: samples of its socket. */
#pragma once

#include <stdint.h>

#include "core/liveness.h"

#define S     NS_PER_S
#define SLACK (20 * NS_PER_MS)
#define ALL   (SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_CHANNELS | SAMPLE_FORWARDS | SAMPLE_DESCRIPTORS)

static const struct liveness_terms terms_15_3 = { 15 * S, 45 * S };

/* At `at_s`: the last data and acknowledgement were then. */
static inline struct sample seen(int64_t at_s, int64_t data_at_s, int64_t ack_at_s)
{
	return (struct sample){ .from_ns = at_s * S,
				.at_ns = at_s * S,
				.known = ALL,
				.received = 1000,
				.sent = 5000,
				.acked = 5000,
				.n_descriptors = 9,
				.last_data_recv_ns = (at_s - data_at_s) * S,
				.last_ack_recv_ns = (at_s - ack_at_s) * S };
}

static inline struct liveness_due due_at(const struct liveness *liveness, int64_t now_ns)
{
	struct liveness_due due;

	liveness_find_due(liveness, &terms_15_3, now_ns, &due);
	return due;
}
