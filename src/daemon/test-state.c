#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/session.h"
#include "daemon/state.h"

#define S NS_PER_S

static char file[64];

static struct session saved;

static int memory = -1; /* for so many more; -1: for all */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	if (memory == 0)
		return NULL;
	if (memory > 0)
		memory--;
	return __real_calloc(n, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static const struct session *only(void *context, const struct session *after)
{
	(void)context;
	return after ? NULL : &saved;
}

static void fill(struct session *session)
{
	struct session_facts facts = {
		.identity = { .cookie = 0xfedcba9876543210u, .start_ticks = 12345, .pid = 77 },
		.started_at_ns = 10 * S,
		.uid = 1003
	};
	struct channel_facts channels[2] = {
		{ .kind = KIND_SHELL, .tty = 3, .pid = 78, .start_ticks = 12346 },
		{ .kind = KIND_FORWARD, .tty = -1 },
	};

	session_init(session, &facts, 20 * S);
	session->id = 41;
	assert_int_equal(session_set_channels(session, channels, 2, 10 * S, 20 * S), 0);
}

static void use_it(struct session *session)
{
	session->observed_at_ns = 500 * S;
	session->realtime_offset_ns = 1700000000 * S;
	session->rekey_from_ns = 498 * S;
	session->answer_from_ns = 497 * S;
	assert_non_null(session_need_notes(session));
	session->notes->warned_at_ns = 490 * S;
	session->notes->kept_until_ns = 900 * S;
	session->notes->unresponsive_reported_at_ns = 480 * S;
	session->uses[USE_INPUT] = (struct bounds){ 100 * S, 101 * S };
	session->channels[0].input = (struct bounds){ 99 * S, 101 * S };
	session->channels[0].last.atime_s = 1800000000;
	session->channels[0].last.known = TERMINAL_KNOWN | TERMINAL_RAW;
	assert_non_null(session_need_channel_notes(&session->channels[0]));
	*session->channels[0].notes = (struct channel_notes){ 7, 400 * S, 450 * S, 460 * S };
	session->ledger.primed = true;
	session->ledger.high_in = 5000;
	session->ledger.high_out = 9000;
	session->ledger.last.forward_written = 100;
	session->ledger.last.forward_read = 200;
	session->ledger.last.received = UINT64_C(1) << 40;
	session->ledger.notice_until_ns = 501 * S;
	session->ledger.notice_bytes = 80;
	assert_int_equal(ledger_add_rekey(&session->ledger, &(struct ledger_rekey){ 96, 92, 2 }),
			 0);
	assert_int_equal(liveness_add_answered(&session->liveness, 52), 0);
	assert_non_null(session_need_keepalive(session));
	session->keepalive->changed = true;
	session->keepalive->original = (struct order_keepalive){ 1, 7200, 75, 9, 30000 };
}

static void save(void)
{
	assert_int_equal(state_save(file, 42, only, NULL), 0);
}

/* What was saved, and the session of fill() as it is found 100 s later. */
static struct state *restart(struct session *session)
{
	struct state *state;

	save();
	assert_int_equal(state_load(file, &state), 0);
	fill(session);
	session->first_seen_ns = 600 * S;
	return state;
}

static void forget(struct session *session, struct state *state)
{
	session_deinit(session);
	state_free(state);
}

/* What was not certain may have been the use of a channel that shows only now. */
static void a_channel_that_shows_after_a_restart(void **context)
{
	struct channel_facts late = {
		.kind = KIND_SHELL, .tty = 9, .pid = 79, .start_ticks = 1, .started_at_ns = 50 * S
	};
	struct session session;
	struct state *state;

	(void)context;
	saved.unsure = (struct bounds){ 400 * S, 490 * S };
	state = restart(&session);
	saved.unsure = (struct bounds){ 0 };
	assert_int_equal(session_set_channels(&session, &late, 1, 599 * S, 600 * S), 0);
	assert_int_equal(session.channels[0].input.latest_ns, 50 * S + FACTS_AGE_SLACK_NS);
	assert_true(state_restore(state, &session));
	assert_int_equal(session.channels[0].opened.latest_ns, 490 * S);
	assert_int_equal(session.channels[0].input.latest_ns, 490 * S);
	assert_int_equal(session.channels[0].work.latest_ns, 490 * S);
	forget(&session, state);
}

/* It was there, with another child: what it was used for is not lost. */
static void a_channel_that_was_another_before_the_restart(void **context)
{
	struct channel_facts other = {
		.kind = KIND_SHELL, .tty = 3, .pid = 79, .start_ticks = 1, .started_at_ns = 50 * S
	};
	struct session session;
	struct state *state = restart(&session);

	(void)context;
	assert_int_equal(session_set_channels(&session, &other, 1, 599 * S, 600 * S), 0);
	assert_true(state_restore(state, &session));
	assert_int_equal(session.channels[0].opened.latest_ns, 600 * S);
	assert_int_equal(session.channels[0].input.latest_ns, 600 * S);
	assert_int_equal(session.channels[0].work.latest_ns, 600 * S);
	forget(&session, state);
}

static void everything_comes_back(void **context)
{
	struct session session;
	struct state *state = restart(&session);

	(void)context;
	assert_int_equal(state_next_id(state), 42);
	session.facts.uid = UINT32_MAX;
	assert_int_equal(state_find_id(state, &session.facts.identity), 41);
	assert_true(state_restore(state, &session));
	assert_int_equal(session.facts.uid, 1003);
	session_deinit(&session);
	/* One that changed its user meanwhile is the same user's session. */
	state_free(state);
	assert_int_equal(state_load(file, &state), 0);
	fill(&session);
	session.first_seen_ns = 600 * S;
	session.facts.uid = 0;
	assert_true(state_restore(state, &session));
	assert_int_equal(session.facts.uid, 1003);
	assert_true(session.observed_at_ns == 500 * S);
	assert_memory_equal(session.notes, saved.notes, sizeof(*saved.notes));
	assert_true(session.realtime_offset_ns == 1700000000 * S);
	assert_true(session.rekey_from_ns == 498 * S);
	assert_true(session.answer_from_ns == 497 * S);
	assert_memory_equal(&session.uses, &saved.uses, sizeof(saved.uses));
	assert_memory_equal(&session.channels[0].input, &saved.channels[0].input,
			    sizeof(struct bounds));
	assert_int_equal(session.channels[0].last.atime_s, 1800000000);
	assert_int_equal(session.channels[0].last.known, TERMINAL_KNOWN | TERMINAL_RAW);
	assert_memory_equal(session.channels[0].notes, saved.channels[0].notes,
			    sizeof(*saved.channels[0].notes));
	assert_null(session.channels[1].notes);
	/* Forwarded traffic is counted from zero again, so the marks stand without it. */
	assert_int_equal(session.ledger.high_in, 5100);
	assert_int_equal(session.ledger.high_out, 9200);
	assert_true(session.ledger.last.received == UINT64_C(1) << 40);
	assert_true(session.ledger.notice_until_ns == 501 * S && session.ledger.notice_bytes == 80);
	assert_int_equal(session.ledger.rekeys[0].seen, 2);
	assert_int_equal(liveness_answered(&session.liveness, 0), 52);
	assert_int_equal(liveness_answered(&session.liveness, 1), 0);
	assert_int_equal(session.liveness.proof->next_answered, 1);
	assert_true(session.keepalive->changed);
	assert_memory_equal(&session.keepalive->original, &saved.keepalive->original,
			    sizeof(saved.keepalive->original));
	/* Only once; and what is taken up has not ended. */
	assert_false(state_restore(state, &session));
	assert_null(state_record(state, 0));
	forget(&session, state);
}

/* What was not changed is not put back. */
static void no_keepalive_is_none(void **context)
{
	struct session session;
	struct state *state;

	(void)context;
	saved.keepalive->changed = false;
	state = restart(&session);
	saved.keepalive->changed = true;
	assert_true(state_restore(state, &session));
	assert_null(session.keepalive);
	forget(&session, state);
}

/* Who knows it only in part would not put the kernel's keepalive back: all idle times begin now. */
static void without_memory_nothing_is_taken_up(void **context)
{
	struct session session;
	struct state *state = restart(&session);

	(void)context;
	/* One more of the three each time. */
	for (int i = 0; i < 3; i++) {
		memory = i > 0;
		assert_false(state_restore(state, &session));
		assert_int_equal(memory, 0);
		assert_true(session.observed_at_ns < 500 * S);
		assert_false(session.ledger.primed);
	}
	memory = -1;
	assert_true(state_restore(state, &session));
	assert_true(session.keepalive->changed);
	forget(&session, state);
}

static void a_record_outlives_the_daemon(void **context)
{
	struct state *state;

	(void)context;
	saved.record = strdup("cut session 41 of alice: no input for 15m  rule=5");
	save();
	free(saved.record);
	saved.record = NULL;
	assert_int_equal(state_load(file, &state), 0);
	assert_string_equal(state_record(state, 0),
			    "cut session 41 of alice: no input for 15m  rule=5");
	assert_null(state_record(state, 1));
	state_free(state);
}

/* As on a full disk: a part can be written, then no more. */
static void a_failed_write_leaves_the_old_state(void **context)
{
	struct rlimit all, little;
	char leftover[sizeof(file) + 4];
	struct state *state;

	(void)context;
	save();
	(void)snprintf(leftover, sizeof(leftover), "%s.new", file);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	little = all;
	little.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(state_save(file, 77, only, NULL), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	assert_int_equal(access(leftover, F_OK), -1);
	assert_int_equal(state_load(file, &state), 0);
	assert_int_equal(state_next_id(state), 42);
	assert_int_equal(state_find_id(state, &saved.facts.identity), 41);
	state_free(state);
}

static void another_session_is_not_it(void **context)
{
	struct session session;
	struct state *state;

	(void)context;
	save();
	assert_int_equal(state_load(file, &state), 0);
	for (int i = 0; i < 3; i++) {
		fill(&session);
		session.first_seen_ns = 600 * S;
		session.facts.identity.cookie += i == 0;
		session.facts.identity.start_ticks += i == 1;
		session.facts.identity.pid += i == 2;
		assert_int_equal(state_find_id(state, &session.facts.identity), 0);
		assert_false(state_restore(state, &session));
		session_deinit(&session);
	}
	state_free(state);
}

/* Times that lie ahead are of another clock. */
static void the_future_is_not_believed(void **context)
{
	struct session session;
	struct state *state = restart(&session);

	(void)context;
	session.first_seen_ns = 499 * S;
	assert_false(state_restore(state, &session));
	forget(&session, state);
}

static void write_text(const char *text)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	(void)fputs(text, out);
	(void)fclose(out);
}

static void a_foreign_file_is_an_empty_state(void **context)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"format\": 1}",
		"{\"format\": 2, \"boot_id\": \"x\", \"next_id\": 5, \"sessions\": []}",
		"{\"format\": 1, \"boot_id\": \"another boot\", \"next_id\": 5, \"sessions\": []}",
		"{\"format\": 1, \"boot_id\": 7, \"next_id\": 5, \"sessions\": {}}",
	};
	struct state *state;

	(void)context;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_text(texts[i]);
		assert_int_equal(state_load(file, &state), 0);
		assert_int_equal(state_next_id(state), 1);
		state_free(state);
	}
	(void)unlink(file);
	assert_int_equal(state_load(file, &state), 0);
	assert_int_equal(state_next_id(state), 1);
	state_free(state);
	state_free(NULL);
}

static int setup(void **context)
{
	int fd;

	(void)context;
	(void)snprintf(file, sizeof(file), "/tmp/sshidle-test-state.XXXXXX");
	fd = mkstemp(file);
	if (fd < 0)
		return -1;
	(void)close(fd);
	fill(&saved);
	use_it(&saved);
	return 0;
}

static int teardown(void **context)
{
	(void)context;
	session_deinit(&saved);
	(void)unlink(file);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_that_shows_after_a_restart),
		cmocka_unit_test(a_channel_that_was_another_before_the_restart),
		cmocka_unit_test(everything_comes_back),
		cmocka_unit_test(no_keepalive_is_none),
		cmocka_unit_test(without_memory_nothing_is_taken_up),
		cmocka_unit_test(a_record_outlives_the_daemon),
		cmocka_unit_test(a_failed_write_leaves_the_old_state),
		cmocka_unit_test(another_session_is_not_it),
		cmocka_unit_test(the_future_is_not_believed),
		cmocka_unit_test(a_foreign_file_is_an_empty_state),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
