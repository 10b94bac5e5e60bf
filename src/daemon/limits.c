#include "daemon/limits.h"

#include <errno.h>
#include <string.h>

/* From the signal to the settings that the engine then sends. */
#define RELOAD_WITHIN_NS (10 * NS_PER_S)

/* A warning for each terminal, twice over, in a minute. */
#define LINES_MOST    (2 * FACTS_CHANNELS_MAX)
#define LINES_SPAN_NS (60 * NS_PER_S)
#define PING_LEAST_NS (500 * NS_PER_MS)

/* The kernel ends a connection itself when it has asked in vain so often, or waited so long for an
 * acknowledgement: what lives must have time to answer. */
#define KEEPALIVE_COUNT_LEAST 9

int limits_set(struct limits *limits, uint32_t most, int64_t span_ns, int64_t now_ns)
{
	const struct brake *now = &limits->rules;
	bool held = false;
	int r;

	if (most == 0 || most > BRAKE_MOST || span_ns <= 0)
		return -EINVAL;
	if (now->most > 0 && now_ns >= limits->reload_until_ns) {
		held = most > now->most || span_ns < now->span_ns;
		most = most < now->most ? most : now->most;
		span_ns = span_ns > now->span_ns ? span_ns : now->span_ns;
	}
	limits->reload_until_ns = 0;
	r = brake_set(&limits->rules, most, span_ns);
	if (r == 0)
		r = brake_set(&limits->asked, most, span_ns);
	return r < 0 ? r : held;
}

void limits_expect_reload(struct limits *limits, int64_t now_ns)
{
	limits->reload_until_ns = now_ns + RELOAD_WITHIN_NS;
}

void limits_deinit(struct limits *limits)
{
	brake_deinit(&limits->rules);
	brake_deinit(&limits->asked);
}

static bool is_flag(uint32_t value)
{
	return value <= 1;
}

int limits_check_cut(const struct order_cut *order)
{
	const struct order_guard *guard = &order->guard;

	if (!is_flag(order->hang_up) || !is_flag(order->asked) || order->reserved != 0 ||
	    !is_flag(order->park.wanted) || !is_flag(order->park.permit_root) ||
	    order->park.reserved != 0 || order->park.lifetime_ns < 0 ||
	    guard->alive > ORDER_ALIVE_PROGRAM)
		return -EPROTO;
	if (!memchr(order->text, '\0', sizeof(order->text)) ||
	    !memchr(order->park.user, '\0', sizeof(order->park.user)) ||
	    !memchr(order->park.text, '\0', sizeof(order->park.text)))
		return -EPROTO;
	/* What a rule ends was not used; only what a user asks for ends whatever moves. */
	if (!order->asked && guard->uses == 0 && guard->alive == ORDER_ALIVE_ANY)
		return -EPROTO;
	return order->asked && order->park.wanted ? -EPROTO : 0;
}

static bool is_between(int32_t value, int32_t least, int32_t most)
{
	return value >= least && value <= most;
}

static bool is_patient(const struct order_keepalive *values, int32_t count_least)
{
	return is_flag((uint32_t)values->on) &&
	       is_between(values->idle_s, 1, ORDER_KEEPALIVE_MOST_S) &&
	       is_between(values->interval_s, 1, ORDER_KEEPALIVE_MOST_S) &&
	       is_between(values->count, count_least, ORDER_KEEPALIVE_COUNT_MOST) &&
	       (values->user_timeout_ms == 0 ||
		values->user_timeout_ms >= ORDER_KEEPALIVE_TIMEOUT_LEAST_MS);
}

int limits_check_tune(const struct order_tune *order)
{
	if (!is_flag(order->put_back) || !is_flag(order->original_known))
		return -EPROTO;
	if (!order->put_back && !is_patient(&order->wanted, KEEPALIVE_COUNT_LEAST))
		return -EPROTO;
	/* That was the administrator's: a lower count is not for us to judge. */
	return order->original_known && !is_patient(&order->original, 1) ? -EPROTO : 0;
}

static bool is_proving(const struct session_facts *facts)
{
	static const uint8_t usual[4] = { 127, 0, 0, 1 };
	const struct address localhost = address_of_ipv4(usual);

	return address_is_ipv4(&facts->peer) && facts->peer.bytes[12] == 127 &&
	       memcmp(&facts->peer, &localhost, sizeof(localhost)) != 0;
}

bool limits_take_end(struct limits *limits, bool asked, const struct session_facts *facts,
		     int64_t now_ns)
{
	struct brake *brake = asked ? &limits->asked : &limits->rules;

	if (is_proving(facts))
		return true;
	if (brake_on(brake, now_ns))
		return false;
	brake_note_cut(brake, 0, now_ns);
	return true;
}

void limits_give_back(struct limits *limits, bool asked, const struct session_facts *facts,
		      int64_t taken_at_ns)
{
	if (!is_proving(facts))
		brake_take_back(asked ? &limits->asked : &limits->rules, 0, taken_at_ns);
}

bool limits_take_line(struct limits_session *session, int64_t now_ns)
{
	if (session->lines == 0 || now_ns - session->minute_at_ns >= LINES_SPAN_NS) {
		session->minute_at_ns = now_ns;
		session->lines = 0;
	}
	return session->lines < LINES_MOST && ++session->lines > 0;
}

bool limits_take_ping(struct limits_session *session, int64_t now_ns)
{
	if (session->pinged_at_ns != 0 && now_ns - session->pinged_at_ns < PING_LEAST_NS)
		return false;
	session->pinged_at_ns = now_ns;
	return true;
}
