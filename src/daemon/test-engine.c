/* The engine as it is, in a process of its own: with a stand-in for the monitor at the other end of its link, for the
 * database of users, and for the clock. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/confine.h"
#include "daemon/engine.h"
#include "daemon/link.h"

#define S NS_PER_S

enum { HANDLE = 0x10000, ALICE = 1000, MESSAGE_MOST = 16384, PATIENCE_MS = 20000 };

/* Seen by both processes. */
static struct {
	int64_t now_ns;
	int user; /* what the database says: an errno, 0 that it is alice */
} * world;

/* --- stand-ins --- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int64_t __wrap_clock_ns(clockid_t id);
struct passwd *__wrap_getpwuid(uid_t uid);
int __real_event_add(struct event *event, const struct timeval *after);
int __wrap_event_add(struct event *event, const struct timeval *after);

int64_t __wrap_clock_ns(clockid_t id)
{
	return id == CLOCK_THREAD_CPUTIME_ID ? 0 : world->now_ns;
}

struct passwd *__wrap_getpwuid(uid_t uid)
{
	static char name[] = "alice";
	static struct passwd alice = { .pw_name = name };

	assert_int_equal(uid, ALICE);
	errno = world->user;
	return world->user == 0 ? &alice : NULL;
}

/* Nobody waits for a second. */
int __wrap_event_add(struct event *event, const struct timeval *after)
{
	const struct timeval soon = { .tv_usec = 10000 };

	return __real_event_add(event, after && after->tv_sec > 0 ? &soon : after);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

int confine_files(const char *state_file, const struct config_places *config)
{
	(void)state_file;
	(void)config;
	return -ENOSYS;
}

int confine_calls(enum confine_process process, struct confine_witnesses *witnesses)
{
	(void)process;
	(void)witnesses;
	return -ENOSYS;
}

void confine_tell(enum confine_process process, struct confine_witnesses *witnesses)
{
	(void)process;
	(void)witnesses;
}

/* --- the monitor --- */

struct scene {
	char directory[32], config[48], state[48], control[48], log[48];
	int link; /* the monitor's end */
	pid_t engine;
};

/* What the engine has ordered since it was asked for the last time. */
struct orders {
	unsigned n[LINK_N];
};

static void nothing(void *context)
{
	(void)context;
}

static _Noreturn void run(const struct scene *scene, int link)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct engine_options options = { .config_file = scene->config,
					  .state_file = scene->state,
					  .link_fd = link,
					  .ready = nothing };

	(void)dup2(open(scene->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
		   STDERR_FILENO);
	log_open("engine", true, LOG_LEVEL_INFO);
	(void)close(scene->link);
	(void)unlink(scene->control);
	(void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", scene->control);
	options.control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(options.control_fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
	    listen(options.control_fd, 1) < 0)
		_exit(2);
	_exit(engine_run(&options));
}

static void read_all(const struct scene *scene, void *bytes, size_t size)
{
	struct pollfd readable = { .fd = scene->link, .events = POLLIN };

	for (size_t at = 0; at < size;) {
		ssize_t n;

		assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
		n = read(scene->link, (char *)bytes + at, size - at);
		assert_true(n > 0);
		at += (size_t)n;
	}
}

static uint32_t take(const struct scene *scene, struct orders *orders)
{
	unsigned char message[MESSAGE_MOST];
	uint32_t head[2];

	read_all(scene, head, sizeof(head));
	assert_true(head[0] < LINK_N && head[1] <= sizeof(message));
	read_all(scene, message, head[1]);
	orders->n[head[0]]++;
	return head[0];
}

static void start(struct scene *scene)
{
	struct orders orders = { 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	scene->link = pair[0];
	scene->engine = fork();
	assert_true(scene->engine >= 0);
	if (scene->engine == 0)
		run(scene, pair[1]);
	(void)close(pair[1]);
	assert_int_equal(take(scene, &orders), LINK_SETTINGS);
}

/* It saves what it knows. */
static void stop(struct scene *scene)
{
	int status;

	(void)close(scene->link);
	assert_int_equal(waitpid(scene->engine, &status, 0), scene->engine);
	assert_int_equal(status, 0);
}

static void tell(const struct scene *scene, enum link_type type, const void *message, size_t size)
{
	assert_int_equal(link_send_first(scene->link, type, message, size), 0);
}

/* So many of its lines have it. */
static unsigned count_lines(const char *path, const char *words)
{
	FILE *file = fopen(path, "re");
	char line[4096];
	unsigned n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, words) != NULL;
	if (file)
		assert_int_equal(fclose(file), 0);
	return n;
}

static void wait_until_saved(const struct scene *scene, const char *words)
{
	for (int ms = 0; count_lines(scene->state, words) == 0; ms++) {
		assert_true(ms < PATIENCE_MS / 4);
		(void)poll(NULL, 0, 1);
	}
}

static void kill_engine(const struct scene *scene)
{
	assert_int_equal(kill(scene->engine, SIGKILL), 0);
	assert_int_equal(waitpid(scene->engine, NULL, 0), scene->engine);
	(void)close(scene->link);
}

/* All that came of what was told so far. */
static struct orders settle(const struct scene *scene)
{
	const struct link_closed reload = { 0 };
	struct orders orders = { 0 };

	tell(scene, LINK_RELOAD, &reload, sizeof(reload));
	while (take(scene, &orders) != LINK_SETTINGS)
		;
	return orders;
}

static void begin(struct scene *scene, const char *config)
{
	FILE *file;

	world->now_ns = 1000 * S;
	world->user = 0;
	*scene = (struct scene){ .directory = "/tmp/test-engine-XXXXXX" };
	assert_non_null(mkdtemp(scene->directory));
	(void)snprintf(scene->config, sizeof(scene->config), "%s/conf", scene->directory);
	(void)snprintf(scene->state, sizeof(scene->state), "%s/state", scene->directory);
	(void)snprintf(scene->control, sizeof(scene->control), "%s/socket", scene->directory);
	(void)snprintf(scene->log, sizeof(scene->log), "%s/log", scene->directory);
	file = fopen(scene->config, "we");
	assert_non_null(file);
	(void)fputs(config, file);
	assert_int_equal(fclose(file), 0);
	start(scene);
}

static void end(struct scene *scene)
{
	stop(scene);
	(void)unlink(scene->config);
	(void)unlink(scene->state);
	(void)unlink(scene->control);
	(void)unlink(scene->log);
	assert_int_equal(rmdir(scene->directory), 0);
}

static void tell_channels(const struct scene *scene, const enum channel_kind *kinds, uint32_t n)
{
	struct link_channels list = { .handle = HANDLE,
				      .uid = ALICE,
				      .from_ns = world->now_ns,
				      .at_ns = world->now_ns,
				      .n_channels = n };

	for (uint32_t i = 0; i < n; i++) {
		struct channel_facts *facts = &list.channels[i].facts;

		*facts = (struct channel_facts){ .kind = kinds[i], .tty = -1 };
		if (kinds[i] == KIND_FORWARD)
			continue;
		facts->pid = 78;
		facts->started_at_ns = 1000 * S;
	}
	tell(scene, LINK_CHANNELS, &list, link_channels_bytes(n));
}

/* Now, and so is what it has open. */
static void open_session(const struct scene *scene, const enum channel_kind *kinds, uint32_t n)
{
	const struct session_identity identity = { .cookie = 7, .start_ticks = 8, .pid = 9 };
	const struct link_opened opened = {
		.handle = HANDLE,
		.seen_at_ns = world->now_ns,
		.facts = { .identity = identity, .started_at_ns = 1000 * S, .uid = ALICE }
	};

	tell(scene, LINK_OPENED, &opened, sizeof(opened));
	tell_channels(scene, kinds, n);
}

/* The first look is over. */
static void tell_looked(const struct scene *scene)
{
	const struct link_closed looked = { 0 };

	tell(scene, LINK_LOOKED, &looked, sizeof(looked));
}

/* At which everything is known, and nothing has come since the start. */
static struct link_sampled sampled(uint32_t n_channels)
{
	const struct sample sample = { .from_ns = world->now_ns,
				       .at_ns = world->now_ns,
				       .wchar = 5000,
				       .rchar = 5000,
				       .last_data_recv_ns = world->now_ns - 1000 * S,
				       .last_ack_recv_ns = world->now_ns - 1000 * S,
				       .known = SAMPLE_LEDGER | SAMPLE_CHANNELS,
				       .n_channels = n_channels };
	struct link_sampled message = { .handle = HANDLE, .sample = sample };

	for (uint32_t i = 0; i < n_channels; i++)
		message.sample.channels[i].tty = -1;
	return message;
}

static void tell_sample(const struct scene *scene, const struct link_sampled *message)
{
	tell(scene, LINK_SAMPLED, message, link_sampled_bytes(message->sample.n_channels));
}

static void look(const struct scene *scene, int64_t at_ns, uint32_t n_channels)
{
	struct link_sampled message;

	world->now_ns = at_ns;
	message = sampled(n_channels);
	tell_sample(scene, &message);
}

/* The same, with its CPU time. */
static void look_at_work(const struct scene *scene, int64_t at_ns, uint64_t work_ns)
{
	struct link_sampled message;

	world->now_ns = at_ns;
	message = sampled(1);
	message.sample.channels[0].work_ns = work_ns;
	message.sample.channels[0].known = TERMINAL_WORK;
	tell_sample(scene, &message);
}

/* --- the tests --- */

/* Nobody has looked at the CPU time of a command without a limit: what it did is unknown, and counts as use. */
static void a_limit_that_comes_with_the_name(void **state)
{
	static const enum channel_kind command[] = { KIND_EXEC };
	struct scene scene;

	(void)state;
	begin(&scene, "IdleTimeout 10m\nMatch User bob\n\tIdleTimeout none\n");
	world->user = EIO;
	open_session(&scene, command, 1);
	look(&scene, 1001 * S, 1);
	look(&scene, 4000 * S, 1);
	assert_int_equal(settle(&scene).n[LINK_CUT], 0);
	world->user = 0;
	look(&scene, 8000 * S, 1);
	assert_int_equal(settle(&scene).n[LINK_CUT], 0);
	look_at_work(&scene, 8001 * S, 70 * S);
	look_at_work(&scene, 8600 * S, 70 * S);
	assert_int_equal(settle(&scene).n[LINK_CUT], 0);
	look_at_work(&scene, 8602 * S, 70 * S);
	assert_int_equal(settle(&scene).n[LINK_CUT], 1);
	end(&scene);
}

/* The first sample after a restart may be one inside a system call, which says nothing: what was forwarded meanwhile
 * shows in the next. */
static void what_was_forwarded_while_nobody_watched(void **state)
{
	static const enum channel_kind kinds[] = { KIND_SFTP, KIND_FORWARD };
	struct link_sampled message;
	struct scene scene;

	(void)state;
	begin(&scene, "IdleTimeout sftp=1m forward=10m\n");
	open_session(&scene, kinds, 2);
	tell_looked(&scene);
	look(&scene, 1001 * S, 2);
	look(&scene, 1002 * S, 2);
	assert_int_equal(settle(&scene).n[LINK_CUT], 0);
	stop(&scene);
	world->now_ns = 1500 * S;
	start(&scene);
	open_session(&scene, kinds, 2);
	for (uint64_t wchar = 4100; wchar <= 5100; wchar += 1000) {
		message = sampled(2);
		message.sample.wchar = wchar;
		tell_sample(&scene, &message);
	}
	for (world->now_ns = 1605 * S; world->now_ns <= 2105 * S; world->now_ns += 500 * S) {
		message = sampled(2);
		message.sample.wchar = 5100;
		tell_sample(&scene, &message);
		assert_int_equal(settle(&scene).n[LINK_CUT], world->now_ns > 2100 * S);
	}
	end(&scene);
}

/* A command that is idle, up to the order of its end. */
static void begin_and_cut(struct scene *scene)
{
	static const enum channel_kind command[] = { KIND_EXEC };

	begin(scene, "IdleTimeout 10m\n");
	open_session(scene, command, 1);
	tell_looked(scene);
	look_at_work(scene, 1001 * S, 0);
	look_at_work(scene, 1602 * S, 0);
	assert_int_equal(settle(scene).n[LINK_CUT], 1);
}

/* Also where the daemon is killed just after it; and one that came too late has none. */
static void an_end_has_one_record(void **state)
{
	const struct link_closed closed = { .handle = HANDLE };
	const struct order_cut_done done = { .handle = HANDLE };

	(void)state;
	for (unsigned was_cut = 0; was_cut <= 1; was_cut++) {
		struct scene scene;

		begin_and_cut(&scene);
		if (was_cut)
			tell(&scene, LINK_CUT_DONE, &done, sizeof(done));
		tell(&scene, LINK_CLOSED, &closed, sizeof(closed));
		(void)settle(&scene);
		assert_int_equal(count_lines(scene.log, "cut session"), was_cut);
		kill_engine(&scene);
		start(&scene);
		tell_looked(&scene);
		(void)settle(&scene);
		assert_int_equal(count_lines(scene.log, "cut session"), was_cut);
		end(&scene);
	}
}

/* The end of the session was not seen by the daemon that ordered it; the next one tells of it, and is killed at once. */
static void an_end_that_nobody_saw_has_one_record(void **state)
{
	struct scene scene;

	(void)state;
	begin_and_cut(&scene);
	for (int i = 0; i < 2; i++) {
		kill_engine(&scene);
		start(&scene);
		tell_looked(&scene);
		(void)settle(&scene);
		assert_int_equal(count_lines(scene.log, "lives-on=unknown"), 1);
	}
	end(&scene);
}

static void look_at_forward(const struct scene *scene, uint32_t n_channels)
{
	struct link_sampled message = sampled(n_channels);

	message.sample.last_data_recv_ns = world->now_ns - 1501 * S;
	tell_sample(scene, &message);
}

/* One forward is like the other: with a state from before, that of the next daemon would be as old as that of the last. */
static void a_forward_that_was_opened_again(void **state)
{
	static const enum channel_kind kinds[] = { KIND_SFTP, KIND_FORWARD };
	struct scene scene;

	(void)state;
	begin(&scene, "IdleTimeout 10m\n");
	open_session(&scene, kinds, 2);
	tell_looked(&scene);
	look(&scene, 1001 * S, 2);
	wait_until_saved(&scene, "1001000000000");
	world->now_ns = 1500 * S;
	tell_channels(&scene, kinds, 1);
	look(&scene, 1500 * S, 1);
	world->now_ns = 1501 * S;
	tell_channels(&scene, kinds, 2);
	look_at_forward(&scene, 2);
	wait_until_saved(&scene, "1501000000000");
	kill_engine(&scene);
	world->now_ns = 1650 * S;
	start(&scene);
	open_session(&scene, kinds, 2);
	look_at_forward(&scene, 2);
	assert_int_equal(settle(&scene).n[LINK_CUT], 0);
	world->now_ns = 2102 * S;
	look_at_forward(&scene, 2);
	assert_int_equal(settle(&scene).n[LINK_CUT], 1);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_that_comes_with_the_name),
		cmocka_unit_test(what_was_forwarded_while_nobody_watched),
		cmocka_unit_test(an_end_has_one_record),
		cmocka_unit_test(an_end_that_nobody_saw_has_one_record),
		cmocka_unit_test(a_forward_that_was_opened_again),
	};

	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return world == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
