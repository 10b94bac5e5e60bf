/*
 * The judge: what is to be done about a session, by a numbered ladder of rules.
 *
 * A pure function of the session, its policies (in its channels) and the time of its last sample.
 * The rule's number is in the log line, in `sshidle why`, and is the number of its row in the test.
 * Verdict and next look come from the same place, so they cannot disagree: until `next_look_ns`
 * the verdict is the same unless new evidence comes.
 *
 * It never says "cut" on old evidence: `now_ns` is the time of the last sample that said something of
 * use, and a deadline has passed only when a sample taken after it has shown no use.  The client's
 * life has a time of its own: that of the last sample with a socket, where that is later.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/session.h"

enum judge_rule {
	RULE_ASKED = 0, /* not the judge's: somebody asked for the end */
	RULE_KEPT = 1,
	RULE_UNLIMITED = 2,
	RULE_IN_USE = 3,
	RULE_WARN = 4,
	RULE_DISCONNECT = 5,
	RULE_REPORT = 6,
	RULE_HELD = 7,
	RULE_TERMINAL_WARN = 8,
	RULE_TERMINAL_HANGUP = 9,
	RULE_UNRESPONSIVE_HOST = 10, /* goes before rule 2: nobody is there to be warned */
	RULE_UNRESPONSIVE_PROGRAM = 11,
	RULE_N
};

enum verdict_action {
	VERDICT_NONE,
	VERDICT_WARN,
	VERDICT_DISCONNECT,
	VERDICT_PARK, /* disconnect, and keep what runs in its terminals */
	VERDICT_REPORT,
	VERDICT_WARN_TERMINAL,
	VERDICT_HANGUP_TERMINAL,
};

struct verdict {
	enum verdict_action action : 8;
	enum judge_rule rule : 8;
	enum judge_rule held : 8; /* of RULE_HELD: the rule that is held back */
	uint32_t channel;   /* the one that decides: the last to become idle, or the terminal */
	int64_t warn_at_ns; /* TIME_NEVER: no warning to come */
	int64_t end_at_ns;  /* when the session (or terminal) ends if it is not used; TIME_NEVER */
	int64_t alive_end_at_ns; /* when it ends if the client does not answer; TIME_NEVER: nothing
				    stands unanswered */
	int64_t next_look_ns;	 /* take a sample then; always after now unless an action is due */
	int64_t quiet_every_ns; /* until then only when something moves on the connection, which is to be
				    found out so often; 0: whether anything moves does not matter */
	int64_t ping_at_ns; /* a sample taken then or later is to be taken with a ping; TIME_NEVER */
};

/* What the policies of a session's channels want of its client together: the most lenient of them,
 * and the channel it is of. TIME_NEVER as limit: off, or nothing is open yet. */
struct liveness_terms judge_alive_terms(const struct session *session, size_t *ret_channel);

/* Where an end is only reported for one of its channels the connection is not ended for another. */
bool judge_any_reports(const struct session *session);

/*
 * What becomes of a connection when channel `deciding` is past its limit: a terminal that is to be
 * parked is, whichever channel decides.  Where that has failed since `end_ns` the fallback holds.
 */
enum idle_action judge_action(const struct session *session, size_t deciding, int64_t end_ns);

/* "kept", "in-use", ... as in the table of rules. */
const char *judge_rule_name(enum judge_rule rule);

/* `brake`: the number of cuts allowed now is used up (core/brake.h). */
struct verdict judge(const struct session *session, int64_t now_ns, bool brake);

/* How often a session with such a limit is looked at: its cut is late by at most this. */
int64_t judge_rhythm_ns(int64_t limit_ns);
