/* What is made when something is done to a session, and what is done without memory for it: nothing. */
#include "daemon/monitored.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/fake-session.h"

#define SESSIONS 70 /* more than the table has room for at first */

/* No memory for objects of this size; 0: for all. */
static size_t refused_bytes;

/* What was sent last. */
static struct {
	enum link_type type;
	struct link_sampled sampled;
	struct link_closed closed;
	struct link_channels channels;
	unsigned hung_up, cuts_done, lists;
} sent;

/* In place of act/cut.c and act/hangup.c: a terminal's end takes some looks, and the session was used. */
static unsigned hangup_looks;
static const char under_way;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	if (n == 1 && size == refused_bytes) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_calloc(n, size);
}

int64_t __wrap_hangup_step(struct hangup *hangup, int64_t now_ns);
void __wrap_hangup_result(const struct hangup *hangup, struct order_hangup_done *ret_done);
void __wrap_hangup_free(struct hangup *hangup);
int64_t __wrap_cut_step(struct cut *cut, bool server_ended, int64_t now_ns);
void __wrap_cut_result(const struct cut *cut, struct order_cut_done *ret_done);
void __wrap_cut_free(struct cut *cut);

int64_t __wrap_hangup_step(struct hangup *hangup, int64_t now_ns)
{
	(void)hangup;
	return hangup_looks-- > 0 ? now_ns + NS_PER_MS : TIME_NEVER;
}

void __wrap_hangup_result(const struct hangup *hangup, struct order_hangup_done *ret_done)
{
	(void)hangup;
	ret_done->result = 0;
}

void __wrap_hangup_free(struct hangup *hangup)
{
	(void)hangup;
}

int64_t __wrap_cut_step(struct cut *cut, bool server_ended, int64_t now_ns)
{
	(void)cut;
	(void)server_ended;
	(void)now_ns;
	return TIME_NEVER;
}

void __wrap_cut_result(const struct cut *cut, struct order_cut_done *ret_done)
{
	(void)cut;
	ret_done->result = -EBUSY;
}

void __wrap_cut_free(struct cut *cut)
{
	(void)cut;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* In place of monitor.c. */
void monitor_send(struct monitor *monitor, enum link_type type, const void *message, size_t size)
{
	(void)monitor;
	sent.type = type;
	if (type == LINK_SAMPLED)
		memcpy(&sent.sampled, message, size);
	if (type == LINK_CLOSED)
		memcpy(&sent.closed, message, size);
	if (type == LINK_CHANNELS)
		memcpy(&sent.channels, message, size);
	sent.hung_up += type == LINK_HANGUP_DONE;
	sent.cuts_done += type == LINK_CUT_DONE;
	sent.lists += type == LINK_CHANNELS;
}

void monitor_fail(struct monitor *monitor)
{
	(void)monitor;
	fail();
}

static void on_found(void *context, struct watch *watch)
{
	(void)context;
	(void)watch;
	fail();
}

static int start(void **state)
{
	static struct monitor monitor;

	monitor = (struct monitor){ .ended_fd = -1 };
	memset(&sent, 0, sizeof(sent));
	refused_bytes = 0;
	monitor.base = event_base_new();
	if (!monitor.base || monitored_listen(&monitor) < 0 ||
	    finder_new(UINT32_MAX, on_found, NULL, &monitor.finder) < 0 ||
	    quiet_new(monitor.base, monitored_look, &monitor, &monitor.quiet) < 0)
		return -1;
	*state = &monitor;
	return 0;
}

static int stop(void **state)
{
	struct monitor *monitor = *state;

	monitored_free_all(monitor);
	monitored_stop_listening(monitor);
	quiet_free(monitor->quiet);
	finder_free(monitor->finder);
	event_base_free(monitor->base);
	return 0;
}

static struct monitored *add(struct monitor *monitor, struct fake_session *session)
{
	struct monitored *monitored = NULL;
	struct watch *watch = fake_session_start(session, FORWARD_NONE);

	assert_int_equal(monitored_new(monitor, watch, &monitored), 0);
	return monitored;
}

static void to_sample_makes_nothing(void **state)
{
	struct fake_session session;
	struct monitored *monitored = add(*state, &session);

	refused_bytes = sizeof(struct acts);
	monitored_sample(monitored, false, false);
	assert_int_equal(sent.type, LINK_SAMPLED);
	assert_true(sent.sampled.sample.known & SAMPLE_SOCKET);
	assert_null(monitored->acts);
	assert_false(monitored_is_ending(monitored));
	monitored_leave(*state);
	fake_session_stop(&session);
}

static void nothing_begins_without_memory(void **state)
{
	struct fake_session session;
	struct monitored *monitored = add(*state, &session);

	refused_bytes = sizeof(struct acts);
	assert_int_equal(monitored_make_acts(monitored), -ENOMEM);
	assert_int_equal(monitored_make_timer(monitored), -ENOMEM);
	assert_null(monitored->acts);
	refused_bytes = 0;
	assert_int_equal(monitored_make_timer(monitored), 0);
	assert_non_null(monitored->acts);
	assert_false(monitored_is_ending(monitored));
	monitored->acts->park = (struct park *)(uintptr_t)&under_way;
	assert_true(monitored_is_ending(monitored));
	monitored->acts->park = NULL;
	fake_session_stop(&session);
}

/* With the first sample, and where it is asked for. */
static void channels_are_told(void **state)
{
	struct fake_session session;
	struct monitored *monitored = add(*state, &session);
	size_t n;

	monitored_sample(monitored, true, false);
	assert_int_equal(sent.lists, 1);
	assert_int_equal(sent.type, LINK_SAMPLED);
	assert_int_equal(sent.channels.handle, monitored->handle);
	(void)watch_channels(monitored->watch, &n);
	assert_int_equal(sent.channels.n_channels, n);
	assert_int_equal(sent.channels.uid, watch_facts(monitored->watch)->uid);
	monitored_sample(monitored, false, false);
	assert_int_equal(sent.lists, 1);
	fake_session_stop(&session);
}

/* What moves is told at once, and ends its rest; not while it is ended, as that has its own looks. */
static void a_rest_ends_with_a_byte(void **state)
{
	struct monitor *monitor = *state;
	struct fake_session session;
	struct monitored *monitored = add(monitor, &session);
	const uint32_t slot = monitored->handle & 0xffff;

	monitored_sample(monitored, true, false);
	sent.type = LINK_CLOSED;
	assert_true(monitored_look(monitor, slot));
	assert_int_equal(sent.type, LINK_CLOSED);
	assert_int_equal(write(session.client, "x", 1), 1);
	assert_int_equal(monitored_make_acts(monitored), 0);
	monitored->acts->cut = (struct cut *)(uintptr_t)&under_way;
	assert_false(monitored_look(monitor, slot));
	assert_int_equal(sent.type, LINK_CLOSED);
	monitored->acts->cut = NULL;
	/* The kernel may take its time to deliver it. */
	for (int i = 0; i < 1000000 && monitored_look(monitor, slot); i++)
		;
	assert_int_equal(sent.type, LINK_SAMPLED);
	fake_session_stop(&session);
}

/* The engine hears that there was no ping: what is unanswered is not held against the client. */
static void no_ping_without_memory(void **state)
{
	struct fake_session session;
	struct monitored *monitored = add(*state, &session);

	refused_bytes = sizeof(struct acts);
	monitored_sample(monitored, false, true);
	assert_int_equal(sent.type, LINK_SAMPLED);
	assert_true(sent.sampled.sample.known & SAMPLE_NO_PING);
	assert_int_equal(sent.sampled.sample.pinged_at_ns, 0);
	fake_session_stop(&session);
}

static void say(struct monitor *monitor, const struct monitored *monitored)
{
	const struct destroyed_words words = { .probes = 3 };

	monitored_take_words(monitor, watch_facts(monitored->watch)->identity.cookie, &words);
}

static void close_it(struct monitored *monitored)
{
	const uint32_t handle = monitored->handle;
	struct monitor *monitor = monitored->monitor;

	monitored->server_ended = true;
	monitored_step(monitored);
	assert_int_equal(sent.type, LINK_CLOSED);
	assert_int_equal(sent.closed.handle, handle);
	assert_null(monitored_find(monitor, handle));
}

static void last_words_are_lost_without_memory(void **state)
{
	struct monitor *monitor = *state;
	struct fake_session sessions[2];
	uint32_t handle;

	handle = add(monitor, &sessions[0])->handle;
	(void)add(monitor, &sessions[1]);
	refused_bytes = sizeof(struct acts);
	say(monitor, monitored_find(monitor, handle));
	close_it(monitored_find(monitor, handle));
	assert_int_equal(sent.closed.last_words.known, 0);
	refused_bytes = 0;
	say(monitor, &monitor->sessions[1]);
	close_it(&monitor->sessions[1]);
	assert_int_equal(sent.closed.last_words.known, 1);
	assert_int_equal(sent.closed.last_words.probes, 3);
	for (int i = 0; i < 2; i++)
		fake_session_stop(&sessions[i]);
}

/* The table grows and moves while something is under way; what is free is taken again, under another name. */
static void handles_outlive_the_table(void **state)
{
	static struct fake_session sessions[SESSIONS + 1];
	struct monitor *monitor = *state;
	uint32_t handles[SESSIONS], again;

	for (int i = 0; i < SESSIONS; i++) {
		struct monitored *monitored = add(monitor, &sessions[i]);

		handles[i] = monitored->handle;
		assert_int_equal(monitored_make_timer(monitored), 0);
	}
	for (int i = 0; i < SESSIONS; i++) {
		const struct monitored *monitored = monitored_find(monitor, handles[i]);

		assert_non_null(monitored);
		assert_int_equal(watch_facts(monitored->watch)->identity.pid, sessions[i].pid);
		assert_int_equal(monitored->acts->handle, handles[i]);
	}
	monitored_free(monitored_find(monitor, handles[40]));
	monitored_free(monitored_find(monitor, handles[3]));
	again = add(monitor, &sessions[SESSIONS])->handle;
	assert_int_equal(again & 0xffff, 3);
	assert_int_not_equal(again, handles[3]);
	assert_null(monitored_find(monitor, handles[3]));
	assert_null(monitored_find(monitor, handles[40]));
	assert_int_equal(monitor->n_slots, SESSIONS);
	/* nor is one found that was never given */
	monitored_free(monitored_find(monitor, handles[0]));
	assert_null(monitored_find(monitor, 0));
	assert_null(monitored_find(monitor, SESSIONS));
	for (int i = 0; i <= SESSIONS; i++)
		fake_session_stop(&sessions[i]);
}

/* Else it would be under way for ever, and no other terminal of the session could be ended. */
static void a_terminal_ends_after_a_cut_that_is_refused(void **state)
{
	const struct timeval most = { .tv_sec = 5 };
	struct monitor *monitor = *state;
	struct fake_session session;
	struct monitored *monitored = add(monitor, &session);

	assert_int_equal(monitored_make_timer(monitored), 0);
	monitored->acts->hangup = (struct hangup *)(uintptr_t)&under_way;
	monitored->acts->cut = (struct cut *)(uintptr_t)&under_way;
	hangup_looks = 2;
	assert_int_equal(limits_set(&monitor->limits, 1, 60 * NS_PER_S, NS_PER_S), 0);
	monitored->acts->ended_at_ns = 100 * NS_PER_S;
	assert_true(limits_take_end(&monitor->limits, false, watch_facts(monitored->watch),
				    100 * NS_PER_S));
	monitored_step(monitored);
	assert_false(monitored_is_ending(monitored));
	/* It is told, what there is now too, and it counts for nothing. */
	assert_int_equal(sent.cuts_done, 1);
	assert_int_equal(sent.lists, 1);
	assert_int_equal(sent.type, LINK_SAMPLED);
	assert_true(limits_take_end(&monitor->limits, false, watch_facts(monitored->watch),
				    101 * NS_PER_S));
	limits_deinit(&monitor->limits);
	(void)event_base_loopexit(monitor->base, &most);
	while (monitored->acts->hangup && !event_base_got_exit(monitor->base))
		(void)event_base_loop(monitor->base, EVLOOP_ONCE);
	assert_null(monitored->acts->hangup);
	assert_int_equal(sent.hung_up, 1);
	fake_session_stop(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_sample_makes_nothing, start, stop),
		cmocka_unit_test_setup_teardown(nothing_begins_without_memory, start, stop),
		cmocka_unit_test_setup_teardown(channels_are_told, start, stop),
		cmocka_unit_test_setup_teardown(a_rest_ends_with_a_byte, start, stop),
		cmocka_unit_test_setup_teardown(no_ping_without_memory, start, stop),
		cmocka_unit_test_setup_teardown(last_words_are_lost_without_memory, start, stop),
		cmocka_unit_test_setup_teardown(handles_outlive_the_table, start, stop),
		cmocka_unit_test_setup_teardown(a_terminal_ends_after_a_cut_that_is_refused, start,
						stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
