/* What the scenarios in tests/scenarios cannot say: single samples and their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-terminals.h"

static void the_first_sample_proves_nothing_but_silence(void **state)
{
	const struct session_facts facts = { .started_at_ns = 10 * S };
	struct session session;
	struct sample sample;

	(void)state;
	session_init(&session, &facts, 20 * S);
	for (int use = 0; use < USE_N; use++)
		assert_true(session.uses[use].earliest_ns == 10 * S &&
			    session.uses[use].latest_ns == 20 * S);
	assert_true(session.observed_at_ns == 10 * S);
	session_deinit(&session);
	sample = start(&session, 1);
	assert_true(session.channels[0].opened.earliest_ns == 10 * S);
	assert_true(session.uses[USE_INPUT].latest_ns >= 100 * S);
	later(&sample, 200 * S);
	sample.last_data_recv_ns = 150 * S;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_INPUT].latest_ns < 51 * S);
	assert_true(session.channels[0].input.latest_ns < 51 * S);
	session_deinit(&session);
}

static void a_key_lies_between_two_samples(void **state)
{
	struct bounds bounds;
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 110 * S);
	assert_true(session_observe(&session, &sample));
	later(&sample, 120 * S);
	sample.wchar++;
	assert_true(session_observe(&session, &sample));
	later(&sample, 130 * S);
	assert_true(session_observe(&session, &sample));
	bounds = session_channel_last_use(&session, &session.channels[0]);
	assert_true(bounds.earliest_ns == 110 * S && bounds.latest_ns == 120 * S);
	session_deinit(&session);
}

/* Quiet looks narrow the span in which it lies. */
static void a_key_comes_after_what_was_still(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 700 * S);
	sample.wchar += 1;
	sample.still_ns = 690 * S;
	sample.last_data_recv_ns = 3 * S;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_INPUT].earliest_ns == 690 * S);
	assert_true(session.uses[USE_INPUT].latest_ns == 697 * S + FACTS_AGE_SLACK_NS);
	/* one that is older than the last sample says nothing */
	later(&sample, 800 * S);
	sample.wchar += 1;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_INPUT].earliest_ns == 700 * S);
	session_deinit(&session);
}

/* What is open could not be told for an hour, as while sshd runs ~/.ssh/rc before the shell: what was typed then
 * may have gone to the terminal that shows only now. */
static void a_channel_that_shows_late_may_have_been_used(void **state)
{
	struct channel_facts late = terminals[1];
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	late.started_at_ns = 110 * S;
	for (int64_t at_ns = 120 * S; at_ns <= 3600 * S; at_ns += 10 * S) {
		later(&sample, at_ns);
		sample.known &= ~(uint32_t)SAMPLE_CHANNELS;
		assert_true(session_observe(&session, &sample));
	}
	later(&sample, 3610 * S);
	sample.last_data_recv_ns = 12 * S;
	sample.rchar += 100;
	sample.known = ALL;
	assert_int_equal(session_set_channels(&session, &late, 1, 3610 * S, 3610 * S), 0);
	assert_true(session.channels[0].opened.latest_ns == 3600 * S);
	session.channels[0].policy = &input_only;
	assert_true(session_observe(&session, &sample));
	assert_int_equal(session_channel_last_use(&session, &session.channels[0]).latest_ns,
			 3598 * S + FACTS_AGE_SLACK_NS);
	session_deinit(&session);
}

/* As a shell that gives up its terminal, and takes it again: what was typed meanwhile is not forgotten. */
static void a_channel_that_was_another_may_have_been_used(void **state)
{
	const struct channel_facts apart[2] = {
		{ .kind = KIND_SHELL, .tty = 3 },
		{ .kind = KIND_EXEC,
		  .tty = -1,
		  .pid = 78,
		  .start_ticks = 1,
		  .started_at_ns = 5 * S },
	};
	struct channel_facts whole = terminals[0];
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 110 * S);
	sample.n_channels = 2;
	assert_int_equal(session_set_channels(&session, apart, 2, 110 * S, 110 * S), 0);
	session.channels[0].policy = session.channels[1].policy = &input_only;
	assert_true(session_observe(&session, &sample));
	assert_int_equal(session_kind(&session), KIND_SHELL);
	later(&sample, 200 * S);
	sample.wchar++;
	assert_true(session_observe(&session, &sample));
	later(&sample, 210 * S);
	sample.last_data_recv_ns = 9 * S;
	sample.n_channels = 1;
	whole.started_at_ns = 5 * S;
	assert_int_equal(session_set_channels(&session, &whole, 1, 210 * S, 210 * S), 0);
	session.channels[0].policy = &input_only;
	assert_true(session_observe(&session, &sample));
	assert_true(session_channel_last_use(&session, &session.channels[0]).latest_ns >= 200 * S);
	session_deinit(&session);
}

/* One that was looked for all the time was not used before it was opened. */
static void a_channel_is_as_old_as_its_child(void **state)
{
	struct channel_facts both[2] = { terminals[0], terminals[1] };
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 110 * S);
	assert_true(session_observe(&session, &sample));
	both[1].started_at_ns = 115 * S;
	assert_int_equal(session_set_channels(&session, both, 2, 120 * S, 120 * S), 0);
	assert_int_equal(session.channels[1].opened.earliest_ns, 115 * S - FACTS_AGE_SLACK_NS);
	assert_int_equal(session.channels[1].opened.latest_ns, 115 * S + FACTS_AGE_SLACK_NS);
	session_deinit(&session);
}

/* The server has not read it yet: it may be input, or an answer on its way. The next samples tell;
 * a server that does not read for a second has input. */
static void waiting_bytes_count(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 200 * S);
	sample.received += 44;
	sample.waiting = 44;
	sample.last_data_recv_ns = 10 * S;
	for (int i = 0; i < 50; i++)
		assert_false(session_observe(&session, &sample));
	assert_true(session.observed_at_ns == 100 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].input.latest_ns >= 190 * S);
	assert_true(session.uses[USE_INPUT].latest_ns >= 190 * S);
	/* Read in time it was what the ledger says. */
	sample.waiting = 0;
	sample.rchar += 44;
	assert_true(session_observe(&session, &sample));
	later(&sample, 300 * S);
	sample.received += 44;
	sample.waiting = 44;
	sample.last_data_recv_ns = 0;
	assert_false(session_observe(&session, &sample));
	sample.waiting = 0;
	sample.rchar += 44;
	sample.wchar++;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].input.latest_ns == 300 * S);
	session_deinit(&session);
}

/* More channels than the list has, or none that could be read. */
static void an_incomplete_list_counts(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 2);
	sample.last_data_recv_ns = 0;
	later(&sample, 200 * S);
	sample.n_channels = 1;
	assert_true(session_observe(&session, &sample));
	assert_true(session_channel_last_use(&session, &session.channels[1]).latest_ns == 200 * S);
	later(&sample, 300 * S);
	sample.n_channels = 2;
	sample.known &= ~(uint32_t)SAMPLE_CHANNELS;
	assert_true(session_observe(&session, &sample));
	assert_true(session_channel_last_use(&session, &session.channels[1]).latest_ns == 300 * S);
	/* As soon as it is certain again that nothing was opened, it was no use. */
	later(&sample, 400 * S);
	sample.known |= SAMPLE_CHANNELS;
	assert_true(session_observe(&session, &sample));
	assert_true(session_channel_last_use(&session, &session.channels[1]).latest_ns <= 100 * S);
	session_deinit(&session);
}

/* A child went while the sample said nothing: the next one has its bytes. */
static void a_reaped_child_is_not_forgotten(void **state)
{
	struct session session;
	struct sample sample, behind;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 200 * S);
	behind = sample;
	behind.wchar -= 100;
	behind.known |= SAMPLE_REAPED;
	assert_false(session_observe(&session, &behind));
	assert_true(session.observed_at_ns == 100 * S);
	later(&sample, 201 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_INPUT].latest_ns == 201 * S);
	assert_true(session.uses[USE_OUTPUT].latest_ns == 201 * S);
	later(&sample, 210 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_INPUT].latest_ns == 201 * S);
	session_deinit(&session);
}

static void a_new_list_keeps_the_clocks(void **state)
{
	struct session session;

	(void)state;
	(void)start(&session, 1);
	session.channels[0].input = (struct bounds){ 50 * S, 60 * S };
	session.liveness.relisted = false;
	assert_int_equal(session_set_channels(&session, terminals, 2, 100 * S, 110 * S), 0);
	assert_true(session.liveness.relisted);
	assert_true(session.channels[0].input.latest_ns == 60 * S);
	assert_true(session.channels[1].opened.earliest_ns == 100 * S &&
		    session.channels[1].opened.latest_ns == 110 * S);
	assert_int_equal(session_set_channels(&session, terminals + 1, 1, 200 * S, 210 * S), 0);
	assert_true(session.channels[0].opened.latest_ns == 110 * S);
	session_deinit(&session);
}

/* Pids and terminals are used again. */
static void a_channel_is_the_same_in_all_of_it(void **state)
{
	static const struct channel_facts others[] = {
		{ .kind = KIND_EXEC, .tty = 3, .pid = 78, .start_ticks = 1 },
		{ .kind = KIND_SHELL, .tty = 4, .pid = 78, .start_ticks = 1 },
		{ .kind = KIND_SHELL, .tty = 3, .pid = 79, .start_ticks = 1 },
		{ .kind = KIND_SHELL, .tty = 3, .pid = 78, .start_ticks = 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct session session;

		(void)start(&session, 1);
		assert_int_equal(session_set_channels(&session, &others[i], 1, 100 * S, 110 * S),
				 0);
		assert_true(session.channels[0].opened.latest_ns == 110 * S);
		session_deinit(&session);
	}
}

/* When the last channel was closed, or the login was over: the client asks for the next one with bytes that are
 * still to come. */
static void silence_says_nothing_of_a_connection_without_channels(void **state)
{
	static const struct channel_facts facts[2] = {
		{ .kind = KIND_NONE, .tty = -1 },
		{ .kind = KIND_FORWARD, .tty = -1 },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct session session;
		struct sample sample = start(&session, 1);

		later(&sample, 110 * S);
		sample.last_data_recv_ns = 50 * S;
		sample.channels[0] = (struct channel_sample){ .tty = -1 };
		assert_int_equal(session_set_channels(&session, &facts[i], 1, 105 * S, 110 * S), 0);
		assert_true(session_observe(&session, &sample));
		assert_int_equal(session.channels[0].opened.latest_ns,
				 i == 0 ? 110 * S : 60 * S + FACTS_AGE_SLACK_NS);
		assert_int_equal(session_kind(&session), facts[i].kind);
		session_deinit(&session);
	}
}

static void assert_all_used(const struct session *session, int64_t at_ns)
{
	for (int use = 0; use < USE_N; use++)
		assert_true(use == USE_WORK || session->uses[use].latest_ns == at_ns);
	assert_true(session->channels[0].input.latest_ns == at_ns);
}

/* No counters, or counters that count nothing. */
static void what_is_not_counted_is_use(void **state)
{
	struct session session;
	struct sample sample, blind;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 200 * S);
	blind = sample;
	blind.wchar = blind.rchar = 0;
	blind.known &= ~(uint32_t)SAMPLE_IO;
	session.liveness.still = true;
	assert_true(session_observe(&session, &blind));
	assert_all_used(&session, 200 * S);
	assert_true(session.channels[0].work.latest_ns == 200 * S);
	assert_false(session.liveness.still);
	later(&sample, 210 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_INPUT].latest_ns == 200 * S);
	session.ledger.unusable = true;
	later(&sample, 220 * S);
	sample.channels[0].known |= TERMINAL_PENDING;
	assert_true(session_observe(&session, &sample));
	assert_all_used(&session, 220 * S);
	session_deinit(&session);
}

/* The child's start says when a channel was opened, however late it is seen. */
static void a_channel_is_opened_when_its_child_starts(void **state)
{
	struct channel_facts list[2] = { terminals[0], terminals[1] };
	struct session session;

	(void)state;
	(void)start(&session, 1);
	list[1].started_at_ns = 103 * S;
	assert_int_equal(session_set_channels(&session, list, 2, 100 * S, 110 * S), 0);
	assert_true(session.channels[1].opened.earliest_ns == 100 * S);
	assert_true(session.channels[1].opened.latest_ns >= 103 * S);
	assert_true(session.channels[1].opened.latest_ns < 104 * S);
	session_deinit(&session);
}

/* A child cannot be older than a look that did not have it: a suspend is in its age. */
static void a_channel_that_is_older_than_the_look_before(void **state)
{
	struct channel_facts facts[2] = { terminals[0], terminals[1] };
	struct session session;

	(void)state;
	(void)start(&session, 1);
	facts[1].started_at_ns = 50 * S;
	assert_int_equal(session_set_channels(&session, facts, 2, 114 * S, 115 * S), 0);
	assert_true(session.channels[1].opened.latest_ns == 115 * S);
	assert_true(session.channels[1].input.latest_ns == 115 * S);
	session_deinit(&session);
}

/* What it moved first is seen when it is there, and what it moved last when it has gone. */
static void a_forward_without_counts_that_closes(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	later(&sample, 110 * S);
	sample.known |= SAMPLE_UNMEASURED;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_TRAFFIC].latest_ns == 100 * S);
	later(&sample, 120 * S);
	sample.known = ALL;
	sample.rchar++;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_TRAFFIC].latest_ns == 120 * S);
	later(&sample, 130 * S);
	sample.rchar++;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_TRAFFIC].latest_ns == 120 * S);
	later(&sample, 140 * S);
	sample.known |= SAMPLE_UNMEASURED;
	sample.rchar++;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_TRAFFIC].latest_ns == 140 * S);
	/* What the terminal may have got it may have got too, and what a child that went has moved. */
	for (int64_t i = 0; i < 2; i++) {
		later(&sample, (150 + 10 * i) * S);
		sample.channels[0].known |= TERMINAL_PENDING;
		sample.wchar += i == 0;
		sample.known |= i == 0 ? 0 : SAMPLE_REAPED;
		assert_true(session_observe(&session, &sample));
		assert_true(session.uses[USE_TRAFFIC].latest_ns == (150 + 10 * i) * S);
	}
	sample.channels[0].known &= ~(uint32_t)TERMINAL_PENDING;
	/* Open only while a sample said nothing. */
	later(&sample, 170 * S);
	sample.known = ALL;
	assert_true(session_observe(&session, &sample));
	later(&sample, 180 * S);
	sample.known |= SAMPLE_UNMEASURED;
	sample.wchar--;
	assert_false(session_observe(&session, &sample));
	later(&sample, 181 * S);
	sample.known = ALL;
	sample.wchar++;
	sample.rchar++;
	assert_true(session_observe(&session, &sample));
	assert_true(session.uses[USE_TRAFFIC].latest_ns == 181 * S);
	session_deinit(&session);
}

/* It may be open and closed again between two looks. */
static void a_forward_is_used_by_its_opening(void **state)
{
	struct channel_facts facts[2] = { { .kind = KIND_FORWARD, .tty = -1 }, terminals[0] };
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	for (int64_t i = 1; i <= 2; i++) {
		later(&sample, (100 + 10 * i) * S);
		sample.forward_opened = 1;
		assert_true(session_observe(&session, &sample));
		assert_true(session.uses[USE_TRAFFIC].latest_ns == 110 * S);
	}
	/* What is printed with no child there is one's that was not seen. */
	for (uint32_t n = 2; n >= 1; n--) {
		int64_t at_ns = (150 - 10 * n) * S;

		assert_int_equal(session_set_channels(&session, facts, n, at_ns, at_ns), 0);
		sample.n_channels = n;
		for (uint32_t i = 0; i < n; i++) {
			session.channels[i].policy = &input_only;
			sample.channels[i] = (struct channel_sample){ .tty = facts[i].tty };
		}
		later(&sample, at_ns);
		sample.rchar++;
		assert_true(session_observe(&session, &sample));
		assert_true(session_channel_use(&session, &session.channels[0], USE_TRAFFIC)
				    .latest_ns == (n == 1 ? at_ns : 110 * S));
		assert_int_equal(session_kind(&session), n == 1 ? KIND_FORWARD : KIND_SHELL);
	}
	session_deinit(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_sample_proves_nothing_but_silence),
		cmocka_unit_test(a_key_lies_between_two_samples),
		cmocka_unit_test(a_key_comes_after_what_was_still),
		cmocka_unit_test(a_channel_that_shows_late_may_have_been_used),
		cmocka_unit_test(a_channel_that_was_another_may_have_been_used),
		cmocka_unit_test(a_channel_is_as_old_as_its_child),
		cmocka_unit_test(waiting_bytes_count),
		cmocka_unit_test(an_incomplete_list_counts),
		cmocka_unit_test(a_reaped_child_is_not_forgotten),
		cmocka_unit_test(a_new_list_keeps_the_clocks),
		cmocka_unit_test(a_channel_is_the_same_in_all_of_it),
		cmocka_unit_test(silence_says_nothing_of_a_connection_without_channels),
		cmocka_unit_test(what_is_not_counted_is_use),
		cmocka_unit_test(a_channel_is_opened_when_its_child_starts),
		cmocka_unit_test(a_channel_that_is_older_than_the_look_before),
		cmocka_unit_test(a_forward_without_counts_that_closes),
		cmocka_unit_test(a_forward_is_used_by_its_opening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
