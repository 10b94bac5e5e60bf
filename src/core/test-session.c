/* What the scenarios in tests/scenarios cannot say: single samples and their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/session.h"
#include "core/terminal.h"

#define S   NS_PER_S
#define ALL (SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_FORWARDS | SAMPLE_CHANNELS)

static const struct policy input_only = { .counts = USE_BIT(USE_INPUT) };

static const struct channel_facts terminals[2] = {
	{ .kind = KIND_SHELL, .tty = 3, .pid = 78, .start_ticks = 1 },
	{ .kind = KIND_SHELL, .tty = 4, .pid = 79, .start_ticks = 2 },
};

/* A session seen at 20 s, observed at 100 s; keepalives come in all the time. */
static struct sample start(struct session *session, size_t n)
{
	struct session_facts facts = { .started_at_ns = 10 * S };
	struct sample sample = { .from_ns = 100 * S,
				 .at_ns = 100 * S,
				 .known = ALL,
				 .wchar = 500,
				 .rchar = 900,
				 .sent = 100,
				 .received = 100 };

	sample.n_channels = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		sample.channels[i] =
			(struct channel_sample){ .known = TERMINAL_KNOWN | TERMINAL_RAW,
						 .tty = terminals[i].tty };
	session_init(session, &facts, 20 * S);
	assert_int_equal(session_set_channels(session, terminals, n, 20 * S, 20 * S), 0);
	for (size_t i = 0; i < n; i++)
		session->channels[i].policy = &input_only;
	assert_true(session_observe(session, &sample));
	return sample;
}

static void later(struct sample *sample, int64_t at_ns)
{
	sample->from_ns = sample->at_ns = at_ns;
	sample->received += 52;
	sample->rchar += 52;
	sample->segments_in++;
}

static void the_first_sample_proves_nothing_but_silence(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
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
	session_deinit(&session);
}

static void a_new_list_keeps_the_clocks(void **state)
{
	struct session session;

	(void)state;
	(void)start(&session, 1);
	session.channels[0].input = (struct bounds){ 50 * S, 60 * S };
	assert_int_equal(session_set_channels(&session, terminals, 2, 100 * S, 110 * S), 0);
	assert_true(session.channels[0].input.latest_ns == 60 * S);
	assert_true(session.channels[1].opened.earliest_ns == 100 * S &&
		    session.channels[1].opened.latest_ns == 110 * S);
	assert_int_equal(session_set_channels(&session, terminals + 1, 1, 200 * S, 210 * S), 0);
	assert_true(session.channels[0].opened.latest_ns == 110 * S);
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
	assert_true(session.channels[1].opened.latest_ns >= 103 * S);
	assert_true(session.channels[1].opened.latest_ns < 104 * S);
	session_deinit(&session);
}

/* Reads within the same 8 s do not show, so a terminal that was read at their beginning may have
 * got the key. */
static void the_window_of_the_access_time(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 2);
	sample.realtime_offset_ns = 0;
	sample.channels[0].atime_s = 200; /* window 200..207 */
	later(&sample, 202 * S);
	assert_true(session_observe(&session, &sample));
	later(&sample, 205 * S);
	sample.wchar++;
	sample.channels[1].atime_s = 205;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].input.latest_ns == 205 * S);
	later(&sample, 208 * S);
	assert_true(session_observe(&session, &sample));
	later(&sample, 210 * S);
	sample.wchar++;
	sample.channels[1].atime_s = 210;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].input.latest_ns == 205 * S);
	assert_true(session.channels[1].input.latest_ns == 210 * S);
	session_deinit(&session);
}

/* A first rekey is none of the terminals' doing; a key that was on its way in that moment shows in the
 * next sample. */
static void a_rekey_and_a_late_key(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 2);
	sample.realtime_offset_ns = 0;
	sample.channels[0].atime_s = sample.channels[1].atime_s = 150;
	later(&sample, 202 * S);
	assert_true(session_observe(&session, &sample));
	for (int i = 0; i < 2; i++) {
		later(&sample, 205 * S + i * 10 * S);
		sample.received += 2780;
		sample.rchar += 2780 + 92;
		sample.sent += 2372;
		sample.wchar += 2372 + 96;
		sample.segments_in += 3;
		assert_true(session_observe(&session, &sample));
		assert_true(session.uses[USE_INPUT].latest_ns < 205 * S);
		later(&sample, 210 * S + i * 10 * S);
		if (i == 1)
			sample.channels[1].known |= TERMINAL_PENDING;
		assert_true(session_observe(&session, &sample));
		assert_true((session.uses[USE_INPUT].latest_ns == 220 * S) == (i == 1));
	}
	assert_true(session.uses[USE_INPUT].earliest_ns >= 210 * S);
	assert_true(session.channels[1].input.latest_ns == 220 * S);
	session_deinit(&session);
}

/* ^C at a prompt is a signal at once and is never read: beside a command that gets its input from a script, a key or
 * two may have been that. */
static void a_key_without_a_trace(void **state)
{
	struct channel_facts facts[2] = { terminals[0],
					  { .kind = KIND_EXEC, .tty = -1, .pid = 79 } };
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	assert_int_equal(session_set_channels(&session, facts, 2, 114 * S, 114 * S), 0);
	session.channels[1].policy = &input_only;
	sample.n_channels = 2;
	sample.channels[1] = (struct channel_sample){ .tty = -1 };
	for (int64_t i = 0; i < 6; i++) {
		sample.channels[0].known = TERMINAL_KNOWN | TERMINAL_RAW;
		sample.channels[0].known |= i >= 2 ? TERMINAL_SIGNALS : 0;
		later(&sample, (200 + i) * S);
		sample.wchar += i == 5 ? TERMINAL_SIGNAL_KEYS_MOST + 1 : 1;
		assert_true(session_observe(&session, &sample));
		assert_true(session.uses[USE_INPUT].latest_ns == (200 + i) * S);
		assert_true((session.channels[0].input.latest_ns == (200 + i) * S) ==
			    (i >= 2 && i < 5));
	}
	/* With a rekey, which it made the client begin. */
	later(&sample, 300 * S);
	sample.received += 2780;
	sample.rchar += 2780 + 92;
	sample.sent += 2372;
	sample.wchar += 2372 + 96 + 1;
	sample.segments_in += 3;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].input.latest_ns == 300 * S);
	session_deinit(&session);
}

/* Nor is it an agent's answer: the shortest that says anything has more bytes. */
static void a_key_without_a_trace_beside_an_agent(void **state)
{
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	sample.known |= SAMPLE_AGENT;
	sample.channels[0].known |= TERMINAL_SIGNALS;
	for (uint32_t n = 5; n <= TERMINAL_SIGNAL_KEYS_MOST + 1; n++) {
		later(&sample, (200 + n) * S);
		sample.wchar += n;
		sample.rchar += n * 40;
		assert_true(session_observe(&session, &sample));
		assert_true((session.channels[0].input.latest_ns == (200 + n) * S) ==
			    (n <= TERMINAL_SIGNAL_KEYS_MOST));
	}
	later(&sample, 300 * S);
	sample.received += 2780;
	sample.rchar += 2780 + 92 + 40;
	sample.sent += 2372;
	sample.wchar += 2372 + 96 + 1;
	sample.segments_in += 3;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].input.latest_ns == 300 * S);
	session_deinit(&session);
}

/* What it did before its work counted is unknown; what it does from then on is measured. */
static void work_that_nobody_measured(void **state)
{
	static const struct policy no_limit = { .idle_timeout_ns = TIME_NEVER,
						.counts = USE_BIT(USE_WORK) };
	static const struct policy limit = { .idle_timeout_ns = 600 * S,
					     .counts = USE_BIT(USE_WORK),
					     .work_max_ns = TIME_NEVER,
					     .work_threshold_ppm = 3000 };
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	for (int64_t i = 1; i <= 4; i++) {
		session.channels[0].policy = i % 2 == 1 ? &no_limit : &limit;
		sample.channels[0].known |= TERMINAL_WORK;
		sample.channels[0].work_ns = (uint64_t)i;
		later(&sample, i * 1000 * S);
		assert_true(session_observe(&session, &sample));
		assert_true((session.channels[0].work.latest_ns == i * 1000 * S) == (i % 2 == 0));
	}
	later(&sample, 4020 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 4000 * S);
	/* Work of a minute after days without a look is above the share of a limit. */
	later(&sample, 90000 * S);
	sample.channels[0].work_ns += 60 * S;
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 90000 * S);
	session_deinit(&session);
}

/* A channel that has just been opened has done no work that nobody knows of. */
static void work_of_a_new_channel(void **state)
{
	static const struct policy limit = { .idle_timeout_ns = 600 * S,
					     .counts = USE_BIT(USE_WORK),
					     .work_max_ns = TIME_NEVER,
					     .work_threshold_ppm = 3000 };
	struct channel_facts facts[2] = { terminals[0], terminals[1] };
	struct session session;
	struct sample sample;

	(void)state;
	sample = start(&session, 1);
	facts[1].started_at_ns = 105 * S;
	assert_int_equal(session_set_channels(&session, facts, 2, 114 * S, 114 * S), 0);
	session.channels[0].policy = session.channels[1].policy = &limit;
	sample.n_channels = 2;
	sample.channels[0].known = sample.channels[1].known = TERMINAL_KNOWN | TERMINAL_WORK;
	later(&sample, 114 * S);
	assert_true(session_observe(&session, &sample));
	assert_true(session.channels[0].work.latest_ns == 114 * S);
	assert_true(session.channels[1].work.latest_ns == 105 * S + FACTS_AGE_SLACK_NS);
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

/* What it moved last is seen when it has gone. */
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
		cmocka_unit_test(a_channel_is_opened_when_its_child_starts),
		cmocka_unit_test(the_window_of_the_access_time),
		cmocka_unit_test(a_rekey_and_a_late_key),
		cmocka_unit_test(a_key_without_a_trace),
		cmocka_unit_test(a_key_without_a_trace_beside_an_agent),
		cmocka_unit_test(work_that_nobody_measured),
		cmocka_unit_test(work_of_a_new_channel),
		cmocka_unit_test(a_channel_that_is_older_than_the_look_before),
		cmocka_unit_test(a_forward_without_counts_that_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
