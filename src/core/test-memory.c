/* What a session has from the first need on: it is made once, goes with the session, and without
 * memory for it nothing is ended. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/fake-copy.h"
#include "core/judge.h"
#include "core/session.h"

#define S NS_PER_S

static const struct policy alive_15_3 = { .idle_timeout_ns = TIME_NEVER,
					  .idle_action = ACTION_DISCONNECT,
					  .client_alive_interval_ns = 15 * S,
					  .client_alive_count_max = 3 };

static const struct channel_facts command = { .kind = KIND_EXEC, .tty = -1, .pid = 78 };

static unsigned calls;
static bool no_memory;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	calls++;
	return no_memory ? NULL : __real_calloc(n, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Looked at once a second, its client gone since 100 s. */
static struct sample begin(struct session *session)
{
	const struct session_facts facts = { .started_at_ns = 10 * S };
	struct sample sample = { .from_ns = 100 * S,
				 .at_ns = 100 * S,
				 .known = SAMPLE_LEDGER | SAMPLE_CHANNELS | SAMPLE_DESCRIPTORS,
				 .wchar = 5000,
				 .sent = 5000,
				 .acked = 5000,
				 .n_channels = 1 };

	no_memory = false;
	session_init(session, &facts, 20 * S);
	assert_int_equal(session_set_channels(session, &command, 1, 20 * S, 20 * S), 0);
	session->channels[0].policy = &alive_15_3;
	assert_true(session_observe(session, &sample));
	calls = 0;
	return sample;
}

/* One look, with a ping where the judge asks for it. */
static struct verdict look(struct session *session, struct sample *sample)
{
	struct verdict verdict = judge(session, session->observed_at_ns, false);

	sample->from_ns = sample->at_ns += S;
	sample->last_data_recv_ns = sample->last_ack_recv_ns = sample->at_ns - 100 * S;
	sample->pinged_at_ns = verdict.ping_at_ns <= sample->at_ns ? sample->at_ns : 0;
	assert_true(session_observe(session, sample));
	return judge(session, session->observed_at_ns, false);
}

/* A client that is gone, for ten times its limit or to its end; the time of that. */
static int64_t lose(struct session *session, struct sample *sample)
{
	while (sample->at_ns < 550 * S)
		if (look(session, sample).action == VERDICT_DISCONNECT)
			return sample->at_ns;
	return TIME_NEVER;
}

static void a_silent_session_has_nothing(void **state)
{
	struct session session;
	struct sample sample = begin(&session);

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)look(&session, &sample);
	assert_int_equal(calls, 0);
	assert_null(session.liveness.proof);
	assert_null(session.ledger.rekeys);
	assert_null(session.keepalive);
	assert_null(session.notes);
	assert_null(session.channels[0].notes);
	session_deinit(&session);
}

static void pings_are_remembered_once(void **state)
{
	struct session session, copy;
	struct sample sample = begin(&session);

	(void)state;
	assert_true(lose(&session, &sample) <= 147 * S);
	assert_int_equal(calls, 1);
	copy = copy_session(&session);
	assert_true(copy.liveness.proof != session.liveness.proof);
	assert_int_equal(liveness_pings(&copy.liveness), liveness_pings(&session.liveness));
	session_deinit(&copy);
	session_deinit(&session);
	assert_null(session.liveness.proof);
}

/* It is asked again and again, and ended once there is memory. */
static void pings_without_memory_prove_nothing(void **state)
{
	struct session session;
	struct sample sample = begin(&session);

	(void)state;
	no_memory = true;
	assert_true(lose(&session, &sample) == TIME_NEVER);
	assert_true(calls > 1);
	assert_int_equal(liveness_pings_unanswered(&session.liveness), 0);
	no_memory = false;
	sample.at_ns = 500 * S;
	assert_true(lose(&session, &sample) < 510 * S);
	session_deinit(&session);
}

/* The host answers, its program does not: the server asks each 15 s, or its output waits. Is that told? */
static bool stop(bool full, bool memory)
{
	struct session session;
	struct sample sample = begin(&session);
	bool told = false;

	no_memory = !memory;
	for (int64_t at_s = 101; at_s < 200 && !told; at_s++) {
		uint64_t sent = (full ? at_s == 103 : at_s % 15 == 0) ? 52 : 0;

		sample.from_ns = sample.at_ns = at_s * S;
		sample.last_data_recv_ns = sample.at_ns - 100 * S;
		sample.last_ack_recv_ns = S;
		sample.sent += sent;
		sample.wchar += sent;
		if (full)
			sample.unsent += sent;
		else
			sample.acked += sent;
		assert_true(session_observe(&session, &sample));
		told = judge(&session, sample.at_ns, false).rule == RULE_UNRESPONSIVE_PROGRAM;
	}
	assert_int_equal(calls, memory ? 1 : calls);
	session_deinit(&session);
	return told;
}

static void without_memory_no_program_is_dead(void **state)
{
	(void)state;
	assert_true(stop(false, true) && stop(true, true));
	assert_false(stop(false, false) || stop(true, false));
}

/* CPU time that cannot be compared with what it was counts. */
static void work_without_memory_counts(void **state)
{
	static const struct policy work = { .counts = USE_BIT(USE_WORK),
					    .idle_timeout_ns = 60 * S,
					    .work_max_ns = TIME_NEVER,
					    .work_threshold_ppm = 1000 };
	struct session session;
	struct sample sample = begin(&session);

	(void)state;
	sample.channels[0].known = TERMINAL_WORK;
	session.channels[0].policy = &work;
	(void)look(&session, &sample);
	assert_int_equal(calls, 1);
	(void)look(&session, &sample);
	assert_int_equal(calls, 1);
	assert_true(session.channels[0].work.latest_ns < sample.at_ns);
	/* A list of channels keeps it. */
	assert_int_equal(session_set_channels(&session, &command, 1, sample.at_ns, sample.at_ns),
			 0);
	assert_true(session.channels[0].notes->work_anchor_at_ns > 0);
	free(session.channels[0].notes);
	session.channels[0].notes = NULL;
	no_memory = true;
	(void)look(&session, &sample);
	assert_true(session.channels[0].work.latest_ns == sample.at_ns);
	session_deinit(&session);
}

static void what_is_taken_up_needs_memory(void **state)
{
	const struct ledger_rekey rekey = { 96, 92, 2 };
	struct session session;

	(void)state;
	(void)begin(&session);
	no_memory = true;
	assert_int_equal(liveness_add_answered(&session.liveness, 52), -ENOMEM);
	assert_int_equal(ledger_add_rekey(&session.ledger, &rekey), -ENOMEM);
	assert_false(liveness_has_probes(&session.liveness));
	assert_int_equal(session.ledger.n_rekeys, 0);
	assert_null(session_need_keepalive(&session));
	assert_null(session_need_notes(&session));
	assert_null(session_need_channel_notes(&session.channels[0]));
	no_memory = false;
	assert_ptr_equal(session_need_keepalive(&session), session_need_keepalive(&session));
	assert_ptr_equal(session_need_notes(&session), session_need_notes(&session));
	assert_ptr_equal(session_notes(&session), session.notes);
	session_deinit(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_session_has_nothing),
		cmocka_unit_test(pings_are_remembered_once),
		cmocka_unit_test(pings_without_memory_prove_nothing),
		cmocka_unit_test(without_memory_no_program_is_dead),
		cmocka_unit_test(work_without_memory_counts),
		cmocka_unit_test(what_is_taken_up_needs_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
