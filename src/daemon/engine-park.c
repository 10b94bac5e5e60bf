/* The engine's part of parking: what is ordered, and what is said of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/engine-table.h"

/* The policy that has it parked: of the first terminal that is to be. */
static const struct policy *policy_of(const struct session *session)
{
	for (size_t i = 0; i < session->n_channels; i++)
		if (session->channels[i].facts.tty >= 0 &&
		    session->channels[i].policy->idle_action == ACTION_PARK)
			return session->channels[i].policy;
	return NULL;
}

bool park_is_due(const struct session *session, const struct verdict *verdict)
{
	return judge_action(session, verdict->channel, verdict->end_at_ns) == ACTION_PARK;
}

void park_fill(struct entry *entry, struct order_cut *order)
{
	struct session *session = &entry->session;
	const struct policy *policy = policy_of(session);
	const size_t size = sizeof(order->park.text);
	char *text = order->park.text;
	uint32_t n = 0;

	if (!policy)
		return;
	for (size_t i = 0; i < session->n_channels; i++)
		n += session->channels[i].facts.tty >= 0;
	order->park = (struct order_park){
		.lifetime_ns =
			policy->park_lifetime_ns == TIME_NEVER ? 0 : policy->park_lifetime_ns,
		.wanted = 1,
		.most = policy->park_max,
		.permit_root = policy->park_permit_root,
		.first_id = session->id,
		.more_id = entry->engine->next_id,
	};
	entry->engine->next_id += n - 1;
	(void)text_copy(session->user, order->park.user, sizeof(order->park.user));
	entry->ending->parking = true;
	/* Who does not answer reads nothing. */
	if (order->text[0] == '\0')
		return;
	(void)text_copy("sshidle: session parked: ", text, size);
	(void)text_append(text, size, "%.160s", entry->ending->reason);
	if (n == 1)
		(void)text_append(text, size, ". It goes on; sshidle resume %u brings it back. ",
				  session->id);
	else
		(void)text_append(text, size, ". Its terminals go on; sshidle parked lists them. ");
	(void)text_append(text, size, "%s", ORDER_NOT_KEPT);
}

void park_words(const struct order_cut_done *done, char *ret_text, size_t size)
{
	(void)text_copy("", ret_text, size);
	for (uint32_t i = 0; i < done->n_parked; i++)
		(void)text_append(ret_text, size, "%s%u(pts/%d)", i > 0 ? "," : "",
				  done->parked[i].id, done->parked[i].tty);
}

void park_alarm(const struct entry *entry, const struct order_cut_done *done)
{
	char who[NAME_BYTES], alarm[ORDER_WHY_BYTES];

	if (done->alarm[0] == '\0')
		return;
	(void)text_copy(done->alarm, alarm, sizeof(alarm));
	record_name(&entry->session, who);
	log_alert("parked session %s: %s", who, alarm);
}

bool park_refused(struct entry *entry, const struct order_cut_done *done)
{
	struct session *session = &entry->session;
	const struct policy *policy = policy_of(session);
	char who[NAME_BYTES], why[ORDER_WHY_BYTES];

	if (done->not_parked[0] == '\0' || !policy || !session->notes)
		return false;
	session->notes->not_parked_at_ns = engine_now_ns();
	(void)text_copy(done->not_parked, why, sizeof(why));
	record_name(session, who);
	log_warning("session %s could not be parked: %s; ParkFallback %s", who, why,
		    policy->park_fallback == ACTION_REPORT ? "report: it is left alone"
							   : "disconnect: it is ended");
	return true;
}
