#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "daemon/engine-table.h"

/* The net for the case that the daemon is dead: so many times what is promised. */
#define USER_TIMEOUT_FACTOR 3

/* An end by the kernel is told from one that a reset brings: nothing had come for so long. */
#define GAVE_UP_LEAST_NS (1 * NS_PER_S)

static const struct session_keepalive *keepalive_of(const struct session *session)
{
	static const struct session_keepalive none;

	return session->keepalive ? session->keepalive : &none;
}

/*
 * Never on a connection that was silent for long: the kernel would end it at the first tick that
 * finds one lost probe.  Not where a session is kept or held either: nobody would have ended it.
 */
static int32_t user_timeout_ms(const struct entry *entry, const struct liveness_terms *terms)
{
	const struct session *session = &entry->session;
	int64_t now_ns = session->liveness.looked_at_ns, timeout_ns;

	if (session_notes(session)->kept_until_ns > engine_now_ns() || entry->held ||
	    __builtin_mul_overflow(terms->limit_ns, USER_TIMEOUT_FACTOR, &timeout_ns) ||
	    timeout_ns / NS_PER_MS > INT32_MAX)
		return 0;
	if (keepalive_of(session)->wanted.user_timeout_ms == timeout_ns / NS_PER_MS ||
	    (session->liveness.known &&
	     now_ns - session->liveness.host.latest_ns < terms->interval_ns / 2))
		return (int32_t)(timeout_ns / NS_PER_MS);
	return 0;
}

void alive_tune(struct entry *entry)
{
	struct session *session = &entry->session;
	const struct session_keepalive *before = keepalive_of(session);
	struct session_keepalive *keepalive;
	struct order_tune order = { .handle = entry->handle,
				    .original_known = before->changed,
				    .original = before->original };
	size_t channel;
	struct liveness_terms terms = judge_alive_terms(session, &channel);
	int64_t every_s = (terms.interval_ns + NS_PER_S - 1) / NS_PER_S;

	if (session->n_channels == 0 || session->phase == PHASE_ENDING)
		return;
	if (terms.limit_ns == TIME_NEVER || judge_any_reports(session)) {
		order.put_back = 1;
		if (!before->wanted.on && !before->changed)
			return;
	} else {
		if (every_s > ORDER_KEEPALIVE_MOST_S)
			every_s = ORDER_KEEPALIVE_MOST_S;
		order.wanted = (struct order_keepalive){
			.on = 1,
			.idle_s = (int32_t)every_s,
			.interval_s = (int32_t)every_s,
			/* The kernel is to ask, not to end. */
			.count = ORDER_KEEPALIVE_COUNT_MOST,
			.user_timeout_ms = user_timeout_ms(entry, &terms),
		};
		if (memcmp(&order.wanted, &before->wanted, sizeof(order.wanted)) == 0)
			return;
	}
	/* Without memory it is ordered after another look. */
	keepalive = session_need_keepalive(session);
	if (!keepalive)
		return;
	keepalive->wanted = order.wanted;
	engine_send(entry->engine, LINK_TUNE, &order, sizeof(order));
}

void alive_tuned(struct entry *entry, const struct order_tuned *done)
{
	struct session_keepalive *keepalive = entry->session.keepalive;
	char trouble[ORDER_TEXT_BYTES];

	if (!keepalive)
		return;
	/* Kept for the next daemon, should this one be killed. */
	keepalive->changed = done->changed != 0;
	keepalive->original = done->original;
	engine_save_soon(entry->engine);
	if (done->result == 0 || done->result == -ESRCH)
		return;
	(void)snprintf(trouble, sizeof(trouble), "the kernel's keepalive cannot be set: %s",
		       strerror(-done->result));
	table_note_trouble(entry->engine, entry, trouble);
}

void alive_closed_words(const struct session *session, const struct link_last_words *words,
			char *text, size_t size)
{
	const struct liveness *liveness = &session->liveness;
	uint32_t probes = liveness_probes_unanswered(liveness);
	uint32_t pings = liveness_pings_unanswered(liveness);
	int64_t age_ns = words->last_ack_recv_ns < words->last_data_recv_ns
				 ? words->last_ack_recv_ns
				 : words->last_data_recv_ns;
	char span[DURATION_TEXT_BYTES];

	if (words->known && words->from_peer) {
		text_append(text, size, ": the client closed it");
	} else if (words->known && (words->probes > 0 || words->retransmits > 0) &&
		   age_ns >= GAVE_UP_LEAST_NS) {
		duration_format(age_ns, span);
		text_append(text, size,
			    ": the kernel gave up, the client's machine did not answer for %s",
			    span);
	} else if (liveness->known && probes > 0) {
		duration_format(engine_now_ns() - liveness->program.latest_ns, span);
		text_append(text, size,
			    ": the client's program did not answer %u probe%s of the server for %s",
			    probes, probes == 1 ? "" : "s", span);
	} else if (liveness->known && pings > 1) {
		duration_format(engine_now_ns() - liveness->host.latest_ns, span);
		text_append(text, size, ": the client's machine did not answer for %s (%u pings)",
			    span, pings);
	}
}
