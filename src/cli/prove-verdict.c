/* What was promised, what happened, and whether that is the same. */
#include <stdio.h>

#include "base/duration.h"
#include "base/text.h"
#include "cli/prove.h"
#include "core/judge.h"

/* When a host is late with everything: server, sshidled's two processes, and this one wait. */
enum { HOPS = 3 };

/* The clocks begin a moment apart: a client is stopped after its last sign of life. */
#define EARLY_NS (50 * NS_PER_MS)

int64_t prove_verdict_tolerance_ns(const struct prove_watch *watch, int64_t limit_ns)
{
	const int64_t share_ns = limit_ns / 50;

	return (share_ns > NS_PER_S ? share_ns : NS_PER_S) + HOPS * watch->worst_delay_ns;
}

int64_t prove_verdict_patience_ns(const struct prove_watch *watch, const struct prove_case *one)
{
	const int64_t twice_ns = 2 * watch->limit_ns;

	if (one->situation->outcome == PROVE_LIVES)
		return twice_ns;
	return twice_ns + prove_verdict_tolerance_ns(watch, twice_ns) + NS_PER_S;
}

/* Without output only the server's own probes tell a stopped client from a silent one. */
static bool may_be_idle(const struct prove_case *one)
{
	return one->situation->outcome == PROVE_UNRESPONSIVE &&
	       !(one->situation->traits & PROVE_PRINTS);
}

void prove_verdict_promise(const struct prove_case *one, int64_t limit_ns, char *ret_text,
			   size_t size)
{
	char limit[DURATION_TEXT_BYTES], twice[DURATION_TEXT_BYTES];

	duration_format(limit_ns, limit);
	duration_format(2 * limit_ns, twice);
	if (one->situation->outcome == PROVE_LIVES)
		(void)snprintf(ret_text, size, "lives");
	else if (one->situation->outcome == PROVE_IDLE)
		(void)snprintf(ret_text, size, "ends idle at %s", limit);
	else if (may_be_idle(one))
		(void)snprintf(ret_text, size, "ends unresponsive at %s, or idle at %s", limit,
			       twice);
	else
		(void)snprintf(ret_text, size, "ends unresponsive at %s", limit);
}

static bool is_in_time(const struct prove_watch *watch, int64_t after_ns, int64_t promised_ns)
{
	return after_ns >= promised_ns - EARLY_NS &&
	       after_ns <= promised_ns + prove_verdict_tolerance_ns(watch, promised_ns);
}

/* Its own setting may find the stopped client before the limit: then it has gone in time too. */
static bool server_was_first(const struct prove_watch *watch, const struct prove_case *one)
{
	const struct settings_server *native = watch->server ? &watch->server->native : NULL;
	int64_t gives_up_ns = 0;

	if (one->situation->outcome != PROVE_UNRESPONSIVE || one->ended_by != 0 ||
	    one->ended_at_ns == 0 || !native)
		return false;
	if (native->server == SERVER_OPENSSH && native->openssh.client_alive_count_max > 0)
		gives_up_ns = native->openssh.client_alive_interval_ns *
			      native->openssh.client_alive_count_max;
	else if (native->server == SERVER_DROPBEAR)
		gives_up_ns = native->dropbear.keepalive_ns * 3;
	return gives_up_ns > 0 && gives_up_ns <= watch->limit_ns &&
	       one->after_ns >= gives_up_ns - EARLY_NS &&
	       one->after_ns <=
		       watch->limit_ns + prove_verdict_tolerance_ns(watch, watch->limit_ns);
}

/* NULL: as promised; else what is wrong with it. */
static const char *find_wrong(const struct prove_watch *watch, const struct prove_case *one)
{
	const bool idle = one->ended_by == RULE_DISCONNECT;
	const bool unresponsive = one->ended_by == RULE_UNRESPONSIVE_HOST ||
				  one->ended_by == RULE_UNRESPONSIVE_PROGRAM;
	const int64_t limit_ns = watch->limit_ns;

	if (one->situation->outcome == PROVE_LIVES)
		return one->ended_at_ns == 0 ? NULL : "it was to live";
	if (one->ended_at_ns == 0)
		return "it was to end";
	if (one->ended_by == 0)
		return server_was_first(watch, one) ? NULL : "it was not sshidled that ended it";
	if (one->situation->outcome == PROVE_IDLE) {
		if (!idle)
			return "not for the reason promised";
		return is_in_time(watch, one->after_ns, limit_ns) ? NULL : "not in time";
	}
	if (unresponsive && may_be_idle(one))
		return one->after_ns >= limit_ns - EARLY_NS &&
				       one->after_ns <= 2 * limit_ns + prove_verdict_tolerance_ns(
									       watch, limit_ns)
			       ? NULL
			       : "not in time";
	if (unresponsive)
		return is_in_time(watch, one->after_ns, limit_ns) ? NULL : "not in time";
	if (!idle || !may_be_idle(one))
		return "not for the reason promised";
	return is_in_time(watch, one->after_ns, 2 * limit_ns) ? NULL : "not in time";
}

void prove_verdict_give(const struct prove_watch *watch, struct prove_case *one)
{
	const char *wrong = find_wrong(watch, one);
	char *text = one->happened;
	const size_t size = sizeof(one->happened);

	one->verdict = wrong ? PROVE_NOT_AS_PROMISED : PROVE_AS_PROMISED;
	if (one->ended_at_ns == 0)
		(void)text_copy("lived", text, size);
	else if (one->ended_by != 0)
		(void)snprintf(text, size, "rule %d: %s", one->ended_by, one->reason);
	else
		(void)snprintf(text, size, "no rule: %s",
			       one->told ? one->reason : "sshidled says nothing");
	if (wrong)
		(void)text_append(text, size, " (%s)", wrong);
	else if (server_was_first(watch, one))
		(void)text_append(text, size, " (the server's own limit is shorter)");
	else if (one->ended_by == RULE_DISCONNECT && may_be_idle(one))
		(void)text_append(text, size, " (no probe of the server's told the difference)");
}
