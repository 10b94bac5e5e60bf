/* What terminals tell of a step of the ledger: who got the input, and whether it was a rekey. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fake-terminals.h"

static void renew_keys(struct sample *sample, uint64_t in, uint64_t out)
{
	sample->received += 2780;
	sample->rchar += 2780 + out;
	sample->sent += 2372;
	sample->wchar += 2372 + in;
	sample->segments_in += 3;
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
	/* Set back by 10 s meanwhile, and by as much before it is set forward: it may have been read at 205. */
	for (int i = 0; i < 2; i++) {
		session.realtime_offset_ns = i == 0 ? 0 : -10 * S;
		sample.realtime_offset_ns = i == 0 ? -10 * S : 0;
		later(&sample, (215 + 5 * i) * S);
		session.observed_at_ns = 210 * S;
		sample.wchar++;
		sample.channels[1].atime_s++;
		assert_true(session_observe(&session, &sample));
		assert_true(session.channels[0].input.latest_ns == (215 + 5 * i) * S);
	}
	session_deinit(&session);
}

#define CLEAR (TERMINAL_KNOWN | TERMINAL_RAW)

/* The first terminal and what is beside it, as the last sample had it and as this one has it. */
struct place_row {
	const char *what;
	uint32_t last, now, beside_last, beside_now;
	enum channel_kind beside;
	uint32_t n_channels;
	uint64_t bytes; /* of input */
	bool left_out;
};

static const struct place_row place_rows[] = {
	{ "clear", CLEAR, CLEAR, CLEAR, CLEAR, KIND_SHELL, 2, 1, true },
	{ "not known before", TERMINAL_RAW, CLEAR, CLEAR, CLEAR, KIND_SHELL, 2, 1, false },
	{ "not known now", CLEAR, TERMINAL_RAW, CLEAR, CLEAR, KIND_SHELL, 2, 1, false },
	{ "cooked before", TERMINAL_KNOWN, CLEAR, CLEAR, CLEAR, KIND_SHELL, 2, 1, false },
	{ "cooked now", CLEAR, TERMINAL_KNOWN, CLEAR, CLEAR, KIND_SHELL, 2, 1, false },
	{ "keys before", CLEAR | TERMINAL_PENDING, CLEAR, CLEAR, CLEAR, KIND_SHELL, 2, 1, false },
	{ "keys now", CLEAR, CLEAR | TERMINAL_PENDING, CLEAR, CLEAR, KIND_SHELL, 2, 1, false },
	{ "more channels than are known", CLEAR, CLEAR, CLEAR, CLEAR, KIND_SHELL, 3, 1, false },
	{ "beside an sftp server", CLEAR, CLEAR, 0, 0, KIND_SFTP, 2, 1, true },
	{ "beside a forward", CLEAR, CLEAR, 0, 0, KIND_FORWARD, 2, 1, false },
	/* Where ^C leaves no trace, few keys are another's only if that is as clear. */
	{ "^C", CLEAR | TERMINAL_SIGNALS, CLEAR, CLEAR, CLEAR, KIND_SHELL, 2, 1, true },
	{ "^C now, cooked before", CLEAR, CLEAR | TERMINAL_SIGNALS, TERMINAL_KNOWN, CLEAR,
	  KIND_SHELL, 2, 1, false },
	{ "^C, cooked now", CLEAR | TERMINAL_SIGNALS, CLEAR, CLEAR, TERMINAL_KNOWN, KIND_SHELL, 2,
	  1, false },
	{ "^C, not known now", CLEAR | TERMINAL_SIGNALS, CLEAR, CLEAR, TERMINAL_RAW, KIND_SHELL, 2,
	  1, false },
	{ "^C, an sftp server", CLEAR | TERMINAL_SIGNALS, CLEAR, 0, 0, KIND_SFTP, 2, 1, false },
	{ "too many for ^C", CLEAR | TERMINAL_SIGNALS, CLEAR, 0, 0, KIND_SFTP, 2,
	  TERMINAL_SIGNAL_KEYS_MOST + 1, true },
};

/* Seen at 202 s, and nothing was read from its terminals in the window. */
static struct sample start_beside(struct session *session, const struct place_row *row)
{
	struct channel_facts facts[2] = { terminals[0], terminals[1] };
	struct sample sample = start(session, 1);

	facts[1].kind = row->beside;
	facts[1].tty = row->beside == KIND_SHELL ? 4 : -1;
	facts[1].pid = row->beside == KIND_FORWARD ? 0 : 79;
	assert_int_equal(session_set_channels(session, facts, 2, 114 * S, 114 * S), 0);
	session->channels[0].policy = session->channels[1].policy = &input_only;
	sample.n_channels = 2;
	sample.channels[0] =
		(struct channel_sample){ .tty = 3, .atime_s = 150, .known = row->last };
	sample.channels[1] = (struct channel_sample){ .tty = facts[1].tty,
						      .atime_s = 150,
						      .known = row->beside_last };
	later(&sample, 202 * S);
	assert_true(session_observe(session, &sample));
	sample.channels[0].known = row->now;
	sample.channels[1].known = row->beside_now;
	sample.n_channels = row->n_channels;
	later(&sample, 220 * S);
	return sample;
}

static void what_leaves_a_terminal_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(place_rows) / sizeof(place_rows[0]); i++) {
		const struct place_row *row = &place_rows[i];
		struct session session;
		struct sample sample = start_beside(&session, row);

		sample.wchar += row->bytes;
		sample.channels[1].atime_s = row->beside == KIND_SHELL ? 220 : 150;
		assert_true(session_observe(&session, &sample));
		if ((session.channels[0].input.latest_ns < 220 * S) != row->left_out)
			fail_msg("%s", row->what);
		assert_true(session.uses[USE_INPUT].latest_ns == 220 * S);
		session_deinit(&session);
	}
}

/* The only terminal, as the last sample had it and as this one has it, when keys are renewed. */
struct proof_row {
	const char *what;
	uint32_t last, now;
	uint32_t unknown, also; /* of the sample */
	uint32_t n_channels;
	int64_t atime_s;
	uint64_t in_bytes, out_bytes;
	bool proved, learned;
};

/* 50 and 60 bytes are no signature that is known. */
static const struct proof_row proof_rows[] = {
	{ "clear", CLEAR, CLEAR, 0, 0, 1, 150, 50, 60, true, false },
	{ "not known before", TERMINAL_RAW, CLEAR, 0, 0, 1, 150, 50, 60, false, false },
	{ "not known now", CLEAR, TERMINAL_RAW, 0, 0, 1, 150, 50, 60, false, false },
	{ "cooked before", TERMINAL_KNOWN, CLEAR, 0, 0, 1, 150, 50, 60, false, false },
	{ "cooked now", CLEAR, TERMINAL_KNOWN, 0, 0, 1, 150, 50, 60, false, false },
	{ "keys before", CLEAR | TERMINAL_PENDING, CLEAR, 0, 0, 1, 150, 50, 60, false, false },
	{ "keys now", CLEAR, CLEAR | TERMINAL_PENDING, 0, 0, 1, 150, 50, 60, false, false },
	{ "read", CLEAR, CLEAR, 0, 0, 1, 216, 50, 60, false, false },
	{ "an agent", CLEAR, CLEAR, 0, SAMPLE_AGENT, 1, 150, 50, 60, false, false },
	{ "channels not known", CLEAR, CLEAR, SAMPLE_CHANNELS, 0, 1, 150, 50, 60, false, false },
	{ "more channels than are known", CLEAR, CLEAR, 0, 0, 2, 150, 50, 60, false, false },
	{ "^C", CLEAR, CLEAR | TERMINAL_SIGNALS, 0, 0, 1, 150, 50, 60, false, false },
	{ "^C, a signature", CLEAR, CLEAR | TERMINAL_SIGNALS, 0, 0, 1, 150, 96, 92, true, false },
	{ "a signature, cooked", TERMINAL_KNOWN, CLEAR, 0, 0, 1, 150, 96, 92, false, false },
	{ "learned, cooked", TERMINAL_KNOWN, CLEAR, 0, 0, 1, 150, 96, 92, true, true },
	{ "learned, read", CLEAR, CLEAR, 0, 0, 1, 216, 96, 92, false, true },
};

static void what_proves_a_rekey(void **state)
{
	const struct ledger_rekey learned = { .in_bytes = 96,
					      .out_bytes = 92,
					      .seen = LEDGER_REKEY_TRUST };

	(void)state;
	for (size_t i = 0; i < sizeof(proof_rows) / sizeof(proof_rows[0]); i++) {
		const struct proof_row *row = &proof_rows[i];
		struct session session;
		struct sample sample = start(&session, 1);

		if (row->learned)
			assert_int_equal(ledger_add_rekey(&session.ledger, &learned), 0);
		sample.channels[0].atime_s = 150;
		sample.channels[0].known = row->last;
		later(&sample, 202 * S);
		assert_true(session_observe(&session, &sample));
		later(&sample, 220 * S);
		renew_keys(&sample, row->in_bytes, row->out_bytes);
		sample.channels[0].known = row->now;
		sample.channels[0].atime_s = row->atime_s;
		sample.n_channels = row->n_channels;
		sample.known = (sample.known & ~row->unknown) | row->also;
		/* Beside an agent the first look says nothing. */
		assert_true(session_observe(&session, &sample) ||
			    ((row->also & SAMPLE_AGENT) && session_observe(&session, &sample)));
		if ((session.uses[USE_INPUT].latest_ns < 220 * S) != row->proved)
			fail_msg("%s", row->what);
		assert_true((session.uses[USE_OUTPUT].latest_ns < 220 * S) ==
			    (row->learned && row->proved));
		session_deinit(&session);
	}
}

/* Input that no terminal shows, beside an agent: the first look at it says nothing. */
static void observe_hidden(struct session *session, struct sample *sample)
{
	assert_false(session_observe(session, sample));
	later(sample, sample->at_ns + 20 * NS_PER_MS);
	assert_true(session_observe(session, sample));
}

static bool is_used(const struct session *session, uint32_t channel, const struct sample *sample)
{
	return session->channels[channel].input.latest_ns == sample->at_ns;
}

static struct sample start_with_agent(struct session *session, size_t n)
{
	struct sample sample = start(session, n);

	sample.known |= SAMPLE_AGENT;
	for (size_t i = 0; i < n; i++)
		sample.channels[i].atime_s = 150;
	later(&sample, 202 * S);
	assert_true(session_observe(session, &sample));
	return sample;
}

/* Fewer bytes than any of its messages has are no agent's. */
static void what_an_agent_may_have_got(void **state)
{
	static const uint64_t bytes[3][2] = { { 5, 5 }, { 4, 5 }, { 5, 4 } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct session session;
		struct sample sample = start_with_agent(&session, 1);

		later(&sample, 220 * S);
		sample.wchar += bytes[i][0];
		sample.rchar += bytes[i][1];
		observe_hidden(&session, &sample);
		assert_true(is_used(&session, 0, &sample) == (i != 0));
		session_deinit(&session);
	}
}

/* An agent is far away: the last look came between its question and its answer, and there may have been looks between. */
static void an_answer_that_takes_its_time(void **state)
{
	struct session session;
	struct sample sample = start_with_agent(&session, 1);

	(void)state;
	for (int64_t at = 210; at <= 230; at += 10) {
		later(&sample, at * S);
		sample.rchar += 5;
		assert_true(session_observe(&session, &sample));
		later(&sample, (at + 1) * S);
		assert_true(session_observe(&session, &sample));
		later(&sample, (at + 2) * S);
		sample.wchar += 40;
		observe_hidden(&session, &sample);
		assert_false(is_used(&session, 0, &sample));
	}
	/* There is no second answer ... */
	later(&sample, 240 * S);
	sample.wchar += 40;
	observe_hidden(&session, &sample);
	assert_true(is_used(&session, 0, &sample));
	/* ... and none so late. */
	later(&sample, 250 * S);
	sample.rchar += 5;
	assert_true(session_observe(&session, &sample));
	for (int64_t at = 255; at <= 265; at += 5) {
		later(&sample, at * S);
		sample.wchar += at == 265 ? 40 : 0;
		if (at < 265)
			assert_true(session_observe(&session, &sample));
	}
	observe_hidden(&session, &sample);
	assert_false(is_used(&session, 0, &sample));
	later(&sample, 270 * S);
	sample.rchar += 5;
	assert_true(session_observe(&session, &sample));
	later(&sample, 281 * S);
	assert_true(session_observe(&session, &sample));
	later(&sample, 282 * S);
	sample.wchar += 40;
	observe_hidden(&session, &sample);
	assert_true(is_used(&session, 0, &sample));
	session_deinit(&session);
}

/* A terminal in which keys have come, or may have. */
static const struct channel_sample touched[] = {
	{ .atime_s = 150, .known = CLEAR | TERMINAL_PENDING },
	{ .atime_s = 210, .known = CLEAR },
	{ .atime_s = 150, .known = 0 },
};

/* Keys that are on their way to a terminal, and not an agent's answer, have come a look later. */
static void an_answer_and_a_late_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct session session;
		struct sample sample = start_with_agent(&session, 2);

		later(&sample, 210 * S);
		sample.wchar += 40;
		sample.rchar += 40;
		assert_false(session_observe(&session, &sample));
		later(&sample, 211 * S);
		sample.channels[1].atime_s = touched[i].atime_s;
		sample.channels[1].known = touched[i].known;
		assert_true(session_observe(&session, &sample));
		assert_true(is_used(&session, 1, &sample));
		assert_false(is_used(&session, 0, &sample));
		session_deinit(&session);
	}
}

/* It was longer on its way: the look after that shows it. Beside it more came in each time, which has an end. */
static void a_key_that_is_late_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct session session;
		struct sample sample = start_with_agent(&session, 1);

		later(&sample, 210 * S);
		for (int look = 0; look < 4; look++) {
			sample.wchar += 40;
			sample.rchar += 40;
			assert_true(session_observe(&session, &sample) == (look == 3));
			assert_false(is_used(&session, 0, &sample));
			later(&sample, sample.at_ns + 20 * NS_PER_MS);
		}
		assert_false(session_rests(&session));
		sample.channels[0].atime_s = touched[i].atime_s;
		sample.channels[0].known = touched[i].known;
		assert_true(session_observe(&session, &sample));
		assert_true(is_used(&session, 0, &sample));
		session_deinit(&session);
	}
}

/* A first rekey is none of the terminals' doing; a key that was on its way in that moment shows in the
 * next sample. */
static void a_late_key(uint32_t known)
{
	struct session session;
	struct sample sample;

	sample = start(&session, 2);
	sample.realtime_offset_ns = 0;
	sample.channels[0].atime_s = sample.channels[1].atime_s = 150;
	sample.channels[0].known = sample.channels[1].known = known;
	later(&sample, 202 * S);
	assert_true(session_observe(&session, &sample));
	for (int i = 0; i < 2; i++) {
		later(&sample, 205 * S + i * 10 * S);
		renew_keys(&sample, 96, 92);
		assert_true(session_observe(&session, &sample));
		assert_true(session.uses[USE_INPUT].latest_ns < 205 * S);
		later(&sample, 210 * S + i * 10 * S);
		if (i == 1)
			sample.channels[1].known |= TERMINAL_PENDING;
		assert_true(session_observe(&session, &sample));
		assert_true((session.uses[USE_INPUT].latest_ns == 220 * S) == (i == 1));
		assert_true(session.rekey_from_ns == 0);
	}
	assert_true(session.uses[USE_INPUT].earliest_ns >= 210 * S);
	assert_true(session.channels[1].input.latest_ns == 220 * S);
	session_deinit(&session);
}

static void a_rekey_and_a_late_key(void **state)
{
	(void)state;
	a_late_key(CLEAR);
	a_late_key(CLEAR | TERMINAL_SIGNALS);
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
	renew_keys(&sample, 96 + 1, 92);
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
		observe_hidden(&session, &sample);
		assert_true(is_used(&session, 0, &sample) == (n <= TERMINAL_SIGNAL_KEYS_MOST));
	}
	later(&sample, 300 * S);
	renew_keys(&sample, 96 + 1, 92 + 40);
	observe_hidden(&session, &sample);
	assert_true(is_used(&session, 0, &sample));
	session_deinit(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_of_the_access_time),
		cmocka_unit_test(what_leaves_a_terminal_out),
		cmocka_unit_test(what_proves_a_rekey),
		cmocka_unit_test(what_an_agent_may_have_got),
		cmocka_unit_test(an_answer_that_takes_its_time),
		cmocka_unit_test(an_answer_and_a_late_key),
		cmocka_unit_test(a_key_that_is_late_again),
		cmocka_unit_test(a_rekey_and_a_late_key),
		cmocka_unit_test(a_key_without_a_trace),
		cmocka_unit_test(a_key_without_a_trace_beside_an_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
