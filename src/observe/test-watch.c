/* What a watch makes when it is needed, and what it says without memory for that. */
#include "observe/watch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/fake-session.h"
#include "observe/watch-private.h"

/* No memory for objects of this size; 0: for all. */
static size_t refused_bytes;

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

/* The counters of a session's process and of everybody else, when they are not the kernel's. */
static struct {
	int32_t pid; /* 0: they are the kernel's */
	struct procstat_io session, monitor;
	bool is_asked; /* as soon as its counters have been read */
} told;

/* Ed25519's, with both ends. */
static void ask_monitor(void)
{
	told.session.wchar += 96;
	told.monitor.rchar += 96;
	told.monitor.wchar += 92;
	told.session.rchar += 92;
}

int __real_process_io(int32_t pid, struct procstat_io *ret_io);
int __wrap_process_io(int32_t pid, struct procstat_io *ret_io);

int __wrap_process_io(int32_t pid, struct procstat_io *ret_io)
{
	if (told.pid == 0)
		return __real_process_io(pid, ret_io);
	*ret_io = pid == told.pid ? told.session : told.monitor;
	if (pid != told.pid && told.is_asked) {
		told.is_asked = false;
		ask_monitor();
	}
	return 0;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static struct watch *start(struct fake_session *session, enum fake_forward forward)
{
	refused_bytes = 0;
	return fake_session_start(session, forward);
}

static void stop(struct fake_session *session, struct watch *watch)
{
	watch_free(watch);
	fake_session_stop(session);
}

static void a_session_takes_no_more_than_it_has_to(void **state)
{
	(void)state;
	assert_true(sizeof(struct watch) <= 232 || sizeof(void *) != 8);
}

static void without_forwards_nothing_is_made_for_them(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_NONE);
	struct sample sample;
	bool changed;

	(void)state;
	refused_bytes = sizeof(struct forward);
	assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_null(watch->forward);
	assert_true(sample.known & SAMPLE_FORWARDS);
	assert_true(sample.known & SAMPLE_CHANNELS);
	assert_int_equal(sample.forward_opened, 0);
	stop(&session, watch);
}

static void a_forward_is_counted(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_TCP);
	struct sample sample;
	bool changed;

	(void)state;
	assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_int_equal(sample.forward_opened, 1);
	assert_true(sample.known & SAMPLE_CHANNELS);
	/* It came, and nobody has read it. */
	assert_int_equal(write(session.client, "12345", 5), 5);
	assert_int_equal(write(session.far, "123", 3), 3);
	assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_int_equal(sample.received, 5);
	assert_int_equal(sample.waiting, 5);
	assert_int_equal(sample.forward_opened, 1);
	assert_int_equal(sample.forward_read, 0);
	stop(&session, watch);
}

/* That there is one is told, and that is no lack: whatever moves. */
static void a_unix_socket_is_not_counted(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_UNIX);
	struct sample sample;
	bool changed;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(watch_sample(watch, &sample, &changed), 0);
		assert_int_equal(sample.forward_opened, 0);
		assert_true(sample.known & SAMPLE_FORWARDS);
		assert_true(sample.known & SAMPLE_UNMEASURED);
		assert_int_equal(write(session.client, "12345", 5), 5);
	}
	stop(&session, watch);
	watch = start(&session, FORWARD_TCP);
	assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_false(sample.known & SAMPLE_UNMEASURED);
	stop(&session, watch);
}

/* The list is not known then, which counts as use; it is with the first sample that has the memory. */
static void without_memory_for_a_forward_nothing_is_idle(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_TCP);
	struct sample sample;
	bool changed;

	(void)state;
	refused_bytes = sizeof(struct forward);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(watch_sample(watch, &sample, &changed), 0);
		assert_false(sample.known & SAMPLE_CHANNELS);
		assert_false(watch_is_still(watch));
	}
	refused_bytes = 0;
	assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_true(sample.known & SAMPLE_CHANNELS);
	assert_int_equal(sample.forward_opened, 1);
	assert_true(changed);
	stop(&session, watch);
}

/* Somebody else's counters, as of who has got its pid since, are nobody's. */
static void the_parent_is_read_as_long_as_it_is(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_NONE);
	struct sample first, second;
	bool changed;

	(void)state;
	assert_int_equal(watch_sample(watch, &first, &changed), 0);
	assert_true(first.known & SAMPLE_PARENT);
	watch->last_known = 0; /* more may have moved */
	assert_int_equal(watch_sample(watch, &second, &changed), 0);
	assert_true(second.parent_rchar > first.parent_rchar);
	watch->last_known = 0;
	watch->parent = getppid();
	assert_int_equal(watch_sample(watch, &second, &changed), 0);
	assert_false(second.known & SAMPLE_PARENT);
	assert_int_equal(watch->parent, 0);
	stop(&session, watch);
}

/* It was asked after its counters had been read and before the session's were: the next sample has both, also where
 * nothing has moved since. */
static void what_the_parent_was_asked_meanwhile(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_NONE);
	struct sample first, second;
	bool changed;

	(void)state;
	told.session = told.monitor = (struct procstat_io){ .rchar = 1000, .wchar = 1000 };
	told.pid = session.pid;
	assert_int_equal(watch_sample(watch, &first, &changed), 0);
	told.session.rchar++;
	told.is_asked = true;
	assert_int_equal(watch_sample(watch, &second, &changed), 0);
	assert_int_equal(second.wchar - first.wchar, 96);
	assert_int_equal(second.parent_rchar, first.parent_rchar);
	assert_int_equal(watch_sample(watch, &second, &changed), 0);
	assert_int_equal(second.parent_rchar - first.parent_rchar, 96);
	assert_int_equal(second.parent_wchar - first.parent_wchar, 92);
	told.pid = 0;
	stop(&session, watch);
}

static void keep(struct watch *watch, int32_t first, size_t n)
{
	struct process_list list = { 0 }, kept;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(process_list_push(&list, first + (int32_t)i), 0);
	watch_keep_children(watch, &list);
	assert_int_equal(list.n, 0);
	assert_null(list.pids);
	kept = watch_children(watch);
	assert_int_equal(kept.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(kept.pids[i], first + (int32_t)i);
}

/* From few to many and back: what was held before is given back, which the sanitizers see. */
static void children_are_kept(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_NONE);

	(void)state;
	for (size_t n = 0; n < 2 * CHILDREN_FEW + 2; n++) {
		keep(watch, 100, n);
		keep(watch, 200, CHILDREN_FEW + 5);
	}
	for (size_t n = 0; n < 2 * CHILDREN_FEW + 2; n++)
		keep(watch, 300, n);
	stop(&session, watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_takes_no_more_than_it_has_to),
		cmocka_unit_test(without_forwards_nothing_is_made_for_them),
		cmocka_unit_test(a_forward_is_counted),
		cmocka_unit_test(a_unix_socket_is_not_counted),
		cmocka_unit_test(without_memory_for_a_forward_nothing_is_idle),
		cmocka_unit_test(the_parent_is_read_as_long_as_it_is),
		cmocka_unit_test(what_the_parent_was_asked_meanwhile),
		cmocka_unit_test(children_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
