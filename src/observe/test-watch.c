/* What a watch makes when it is needed, and what it says without memory for that. */
#include "observe/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/channels.h"
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

/* How long it is still is told with the next sample. What a sample would have to look at again is not. */
static void what_is_still(void **state)
{
	struct fake_session session;
	struct watch *watch = start(&session, FORWARD_NONE);
	struct sample sample;
	bool changed;

	(void)state;
	for (int i = 0; i < 9; i++) {
		assert_int_equal(watch_sample(watch, &sample, &changed), 0);
		assert_true(sample.still_ns == 0);
		assert_true(watch_is_still(watch));
		watch->settled = i != 0;
		watch->sent += i == 1;
		watch->received += i == 2;
		watch->realtime_offset_ns += i == 3 ? 600 * NS_PER_MS : 0;
		watch->realtime_offset_ns -= i == 4 ? 600 * NS_PER_MS : 0;
		watch->realtime_offset_ns += i == 5 ? 300 * NS_PER_MS : 0;
		assert_true(watch_is_still(watch) == (i >= 5));
		assert_int_equal(watch_sample(watch, &sample, &changed), 0);
		assert_true(sample.still_ns >= watch_sampled_at_ns(watch) - 10 * NS_PER_S &&
			    sample.still_ns <= sample.from_ns);
		assert_true(changed == false);
	}
	/* One that was read as clear needs no other look; one that is not there any more is a lack of the list. */
	watch->channels[0].facts.tty = 0x7ffffff;
	watch->channels[0].last.known = TERMINAL_KNOWN | TERMINAL_RAW;
	assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_true((sample.known & SAMPLE_CHANNELS) && watch_is_still(watch));
	watch->channels[0].last.known |= TERMINAL_PENDING;
	assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_false((sample.known & SAMPLE_CHANNELS) || watch_is_still(watch));
	assert_int_equal(sample.channels[0].known, 0);
	stop(&session, watch);
	watch = start(&session, FORWARD_NONE);
	assert_int_equal(write(session.client, "12345", 5), 5);
	for (sample.waiting = 0; sample.waiting == 0;)
		assert_int_equal(watch_sample(watch, &sample, &changed), 0);
	assert_false(watch_is_still(watch));
	stop(&session, watch);
}

/* A server that reads the output of so many pipes; it has said so when this returns. */
static pid_t start_reader(int n_pipes)
{
	int ready[2], output[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < n_pipes; i++)
			if (pipe2(output, O_CLOEXEC) < 0 || close(output[1]) < 0)
				_exit(1);
		(void)close(ready[0]);
		(void)write(ready[1], "", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

/* Channels of a server that reads so many pipes, with a command that runs, or none. */
static void assert_left(int n_pipes, bool runs, enum server_id server, const char *kinds)
{
	const pid_t reader = start_reader(n_pipes), command = start_reader(0);
	struct process_list children = { 0 };
	struct channels_query query = { .pid = reader,
					.server = server_get(server),
					.server_id = server,
					.children = &children };
	struct channels channels;

	if (runs)
		assert_int_equal(process_list_push(&children, command), 0);
	assert_int_equal(channels_read(&query, &channels), 0);
	assert_true(channels.complete);
	assert_int_equal(channels.n, strlen(kinds));
	for (size_t i = 0; i < channels.n; i++) {
		assert_int_equal(channels.rows[i].facts.kind,
				 kinds[i] == '-' ? KIND_NONE : KIND_EXEC);
		assert_int_equal(channels.rows[i].facts.pid, kinds[i] == 'c' ? command : 0);
	}
	channels_deinit(&channels);
	process_list_deinit(&children);
	(void)kill(reader, SIGKILL);
	(void)kill(command, SIGKILL);
	assert_int_equal(waitpid(reader, NULL, 0), reader);
	assert_int_equal(waitpid(command, NULL, 0), command);
}

/* A command that runs does not hide it, as where clients share a connection. */
static void what_a_command_has_left_is_listed(void **state)
{
	(void)state;
	assert_left(0, false, SERVER_OPENSSH, "-");
	assert_left(1, false, SERVER_OPENSSH, "l");
	assert_left(2, true, SERVER_OPENSSH, "c");
	assert_left(3, true, SERVER_OPENSSH, "cl");
	assert_left(4, true, SERVER_OPENSSH, "cl");
	assert_left(3, true, SERVER_DROPBEAR, "c");
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
		cmocka_unit_test(what_is_still),
		cmocka_unit_test(children_are_kept),
		cmocka_unit_test(what_a_command_has_left_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
