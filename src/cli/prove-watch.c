/*
 * All situations of one server, side by side.
 *
 * One loop.  Each session goes through the phases of enum prove_phase; what it waits for comes from
 * its client (bytes), from sshidled (events), from the kernel (the end of the server's process of
 * that session, by pidfd), or from the clock.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/clock.h"
#include "cli/prove-private.h"

#define TICK_MS	       50
#define SURVEY_NS      (1 * NS_PER_S)
#define LOGIN_NS       (20 * NS_PER_S)
#define SETTLE_NS      (1200 * NS_PER_MS) /* sshidled looks once a second, then samples */
#define START_NS       (15 * NS_PER_S)
#define RECORD_NS      (4 * NS_PER_S) /* sshidled looks for 1 s what lives on, then tells */
#define SURVIVE_NS     (1500 * NS_PER_MS)
#define LOGINS_AT_ONCE 3 /* sshd turns away some of more than ten (MaxStartups) */
#define ECHOES_MAX     8

/* Printed by what was typed; its echo has the quotes. */
#define READY	    "sshidle-ready"
#define READY_TYPED "sshidle-\"\"ready"

volatile sig_atomic_t prove_interrupted;

/* SSH_FXP_INIT, version 3; SSH_FXP_REALPATH of "." (draft-ietf-secsh-filexfer-02). */
static const unsigned char sftp_init[] = { 0, 0, 0, 5, 1, 0, 0, 0, 3 };
static const unsigned char sftp_ask[] = { 0, 0, 0, 10, 16, 0, 0, 0, 7, 0, 0, 0, 1, '.' };

enum { FDS_FIXED = 3, FDS_MAX = FDS_FIXED + ECHOES_MAX + 2 * PROVE_SITUATIONS };

/* What the loop has open. */
struct loop {
	struct prove_watch *watch;
	struct prove_case *cases;
	struct pollfd fds[FDS_MAX];
	size_t n_fds;
	int echoes[ECHOES_MAX];
};

static void enter(struct prove_case *one, enum prove_phase phase, int64_t now_ns)
{
	one->phase = phase;
	one->phase_at_ns = now_ns;
}

static void give_up(const struct loop *loop, struct prove_case *one, enum prove_verdict verdict,
		    const char *why)
{
	one->verdict = verdict;
	(void)text_copy(why, one->happened, sizeof(one->happened));
	/* What ssh(1) said says more, where it said something. */
	if (one->n_said > 0 && !(one->situation->traits & PROVE_TERMINAL) &&
	    verdict != PROVE_NOT_AS_PROMISED)
		(void)text_append(one->happened, sizeof(one->happened), ": %.200s", one->said);
	one->happened[strcspn(one->happened, "\r\n")] = '\0';
	one->processes.n = 0;
	prove_client_end(&one->client);
	enter(one, PROVE_DONE, loop->watch->now_ns);
}

/* --- the client --- */

static void start(struct loop *loop, struct prove_case *one)
{
	const struct prove_watch *watch = loop->watch;
	const unsigned traits = one->situation->traits;
	struct prove_command command;
	int r;

	prove_command_init(&command, watch->run, watch->server, one->address);
	prove_command_add(&command, traits & PROVE_TERMINAL ? "-tt" : "-T");
	if (traits & PROVE_KEEPALIVES) {
		prove_command_add(&command, "-o");
		prove_command_add(&command, "ServerAliveInterval=1");
	}
	if (traits & PROVE_FORWARD) {
		(void)snprintf(command.forward, sizeof(command.forward), "127.0.0.1:%u",
			       watch->echo_port);
		prove_command_add(&command, "-W");
		prove_command_add(&command, command.forward);
	}
	if (traits & PROVE_SFTP)
		prove_command_add(&command, "-s");
	prove_command_add(&command, command.login);
	if (traits & PROVE_SFTP)
		prove_command_add(&command, "sftp");
	r = prove_client_start(watch->run, one->situation, command.argv, one->mark, &one->client);
	if (r < 0)
		give_up(loop, one, PROVE_COULD_NOT_RUN, strerror(-r));
	else
		enter(one, PROVE_LOGIN, watch->now_ns);
}

/* Keeps the last half of a full buffer. */
static void take_bytes(struct prove_case *one, const char *bytes, size_t n)
{
	if (n > PROVE_SAID_BYTES / 2 - 1) {
		bytes += n - (PROVE_SAID_BYTES / 2 - 1);
		n = PROVE_SAID_BYTES / 2 - 1;
	}
	if (one->n_said + n >= PROVE_SAID_BYTES) {
		const size_t kept = PROVE_SAID_BYTES / 2;

		memmove(one->said, one->said + one->n_said - kept, kept);
		one->n_said = kept;
	}
	memcpy(one->said + one->n_said, bytes, n);
	one->n_said += n;
	one->said[one->n_said] = '\0';
}

static bool has_said(const struct prove_case *one, const char *text)
{
	return memmem(one->said, one->n_said, text, strlen(text)) != NULL;
}

static void hear(struct prove_case *one)
{
	char bytes[4096];
	ssize_t n;

	while (one->client.fd >= 0 && (n = read(one->client.fd, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		take_bytes(one, bytes, (size_t)n);
	}
	if (one->client.fd >= 0)
		(void)close(one->client.fd);
	one->client.fd = -1;
}

/* What the session is for, begun. */
static int begin(struct prove_case *one)
{
	const struct prove_situation *situation = one->situation;
	char line[PROVE_TEXT_BYTES];

	if (situation->traits & PROVE_SFTP)
		return prove_client_send(&one->client, sftp_init, sizeof(sftp_init));
	if (situation->traits & PROVE_FORWARD)
		return prove_client_send(&one->client, "x", 1);
	/* Any shell understands this line; it leaves no trace in its history. */
	(void)snprintf(line, sizeof(line),
		       " unset HISTFILE; env " PROVE_MARK "=%s sh -c 'echo " READY_TYPED "; %s'\r",
		       one->mark, situation->program);
	return prove_client_send(&one->client, line, strlen(line));
}

static bool has_begun(const struct prove_case *one)
{
	if (one->situation->traits & PROVE_SFTP)
		return one->n_said >= sizeof(sftp_init) && one->said[4] == 2;
	if (one->situation->traits & PROVE_FORWARD)
		return one->n_said >= 1;
	return has_said(one, READY "\r") || has_said(one, READY "\n");
}

/* Used once more. */
static void use(const struct prove_watch *watch, struct prove_case *one)
{
	const unsigned traits = one->situation->traits;

	one->busy_at_ns = watch->now_ns + watch->limit_ns / 4;
	if (traits & PROVE_SFTP)
		(void)prove_client_send(&one->client, sftp_ask, sizeof(sftp_ask));
	else
		(void)prove_client_send(&one->client, "x", 1);
}

/* --- what sshidled says --- */

static struct prove_case *find_case(const struct loop *loop, const json_t *event)
{
	const char *from = json_string_value(json_object_get(event, "from"));

	for (size_t i = 0; from && i < PROVE_SITUATIONS; i++)
		if (text_equal(loop->cases[i].address, from))
			return &loop->cases[i];
	return NULL;
}

/* The process that sshidled takes for the session's. False: it did not answer. */
static bool learn_pid(const struct loop *loop, struct prove_case *one)
{
	const json_t *session;
	json_t *reply = NULL;
	size_t i;

	if (client_call(loop->watch->arguments, "io.sshidle.List", NULL, &reply) != COMMAND_OK)
		return false;
	json_array_foreach (json_object_get(reply, "sessions"), i, session) {
		const char *from = json_string_value(json_object_get(session, "from"));

		if (from && text_equal(from, one->address))
			one->pid = (int32_t)json_integer_value(json_object_get(session, "pid"));
	}
	json_decref(reply);
	if (one->pid > 0)
		one->pidfd = (int)syscall(SYS_pidfd_open, one->pid, 0);
	return true;
}

static void take_event(struct loop *loop, const json_t *event)
{
	const char *what = json_string_value(json_object_get(event, "event"));
	const char *reason = json_string_value(json_object_get(event, "reason"));
	struct prove_case *one = find_case(loop, event);

	if (!one || !what || one->phase == PROVE_DONE)
		return;
	if (text_equal(what, "opened") && one->phase == PROVE_LOGIN) {
		if (learn_pid(loop, one))
			enter(one, PROVE_SETTLING, loop->watch->now_ns);
		else
			give_up(loop, one, PROVE_COULD_NOT_RUN, "sshidled did not answer");
	} else if (text_equal(what, "warned")) {
		one->warned_at_ns = loop->watch->now_ns;
	} else if (text_equal(what, "cut") || text_equal(what, "closed")) {
		one->told = true;
		if (text_equal(what, "cut"))
			one->ended_by = (int)json_integer_value(json_object_get(event, "rule"));
		(void)text_copy(reason ? reason : "", one->reason, sizeof(one->reason));
	}
}

static void take_events(struct loop *loop)
{
	json_t *reply = NULL;
	int r;

	while ((r = client_stream_take(loop->watch->events, &reply)) > 0) {
		take_event(loop, json_object_get(reply, "event"));
		json_decref(reply);
	}
	if (r < 0)
		loop->watch->daemon_gone = true;
}

/* --- the phases --- */

static bool server_has_gone(const struct prove_case *one)
{
	struct pollfd fd = { .fd = one->pidfd, .events = POLLIN };

	return one->pidfd >= 0 && poll(&fd, 1, 0) == 1;
}

static void step_login(struct loop *loop, struct prove_case *one)
{
	const unsigned traits = one->situation->traits;

	if (one->client.fd < 0)
		give_up(loop, one,
			traits & (PROVE_SFTP | PROVE_FORWARD) ? PROVE_NOT_APPLICABLE
							      : PROVE_COULD_NOT_RUN,
			traits & PROVE_SFTP	 ? "this server offers no sftp"
			: traits & PROVE_FORWARD ? "this server forwards nothing"
						 : "the login ended at once");
	else if (loop->watch->now_ns - one->phase_at_ns > LOGIN_NS)
		give_up(loop, one, PROVE_NOT_AS_PROMISED, "sshidled does not see this session");
}

static void step_settling(struct loop *loop, struct prove_case *one)
{
	const int64_t now_ns = loop->watch->now_ns;

	if (one->client.fd < 0 || one->pidfd < 0) {
		step_login(loop, one);
		if (one->phase == PROVE_SETTLING && now_ns - one->phase_at_ns > SETTLE_NS)
			give_up(loop, one, PROVE_COULD_NOT_RUN, "its process ended at once");
		return;
	}
	if (now_ns - one->phase_at_ns < SETTLE_NS)
		return;
	one->n_said = one->situation->traits & PROVE_TERMINAL ? one->n_said : 0;
	one->last_use_ns = now_ns;
	if (begin(one) < 0)
		give_up(loop, one, PROVE_COULD_NOT_RUN, "it takes no input");
	else
		enter(one, PROVE_STARTING, now_ns);
}

static void step_starting(struct loop *loop, struct prove_case *one)
{
	const unsigned traits = one->situation->traits;

	if (has_begun(one)) {
		/* A typed line was the last use; answers are use where they are counted. */
		if (!(traits & PROVE_TERMINAL))
			one->last_use_ns = loop->watch->now_ns;
		if (traits & PROVE_FROZEN)
			(void)kill(one->client.pid, SIGSTOP);
		one->busy_at_ns = loop->watch->now_ns + loop->watch->limit_ns / 4;
		enter(one, PROVE_RUNNING, loop->watch->now_ns);
	} else if (one->client.fd < 0) {
		step_login(loop, one);
	} else if (loop->watch->now_ns - one->phase_at_ns > START_NS) {
		give_up(loop, one, PROVE_COULD_NOT_RUN, "what it is for did not begin");
	}
}

static void let_go(const struct loop *loop, struct prove_case *one)
{
	one->after_ns = loop->watch->now_ns - one->last_use_ns;
	one->processes.n = 0;
	prove_verdict_give(loop->watch, one);
	prove_client_end(&one->client);
	enter(one, PROVE_DONE, loop->watch->now_ns);
}

static void step_running(struct loop *loop, struct prove_case *one)
{
	const struct prove_watch *watch = loop->watch;

	if (server_has_gone(one)) {
		one->ended_at_ns = watch->now_ns;
		enter(one, PROVE_ENDED, watch->now_ns);
		return;
	}
	if ((one->situation->traits & PROVE_BUSY) && watch->now_ns >= one->busy_at_ns)
		use(watch, one);
	if (watch->now_ns >= one->last_use_ns + prove_verdict_patience_ns(watch, one))
		let_go(loop, one);
}

static void step_ended(struct loop *loop, struct prove_case *one)
{
	const int64_t since_ns = loop->watch->now_ns - one->phase_at_ns;
	struct prove_snapshot snapshot;

	if (since_ns < SURVIVE_NS || (!one->told && since_ns < RECORD_NS))
		return;
	if (prove_survey_take(&snapshot) < 0) {
		if (since_ns >= RECORD_NS)
			give_up(loop, one, PROVE_COULD_NOT_RUN,
				"what it left alive cannot be read");
		return;
	}
	prove_survey_marked(&snapshot, one->mark, one->client.pid, &one->processes);
	prove_survey_living(&snapshot, &one->processes);
	prove_survey_free(&snapshot);
	one->after_ns = one->ended_at_ns - one->last_use_ns;
	prove_verdict_give(loop->watch, one);
	prove_client_end(&one->client);
	enter(one, PROVE_DONE, loop->watch->now_ns);
}

static void step(struct loop *loop, struct prove_case *one)
{
	switch (one->phase) {
	case PROVE_WAITING:
		start(loop, one);
		return;
	case PROVE_LOGIN:
		step_login(loop, one);
		return;
	case PROVE_SETTLING:
		step_settling(loop, one);
		return;
	case PROVE_STARTING:
		step_starting(loop, one);
		return;
	case PROVE_RUNNING:
		step_running(loop, one);
		return;
	case PROVE_ENDED:
		step_ended(loop, one);
		return;
	case PROVE_DONE:
		return;
	}
}

static void survey(struct loop *loop)
{
	struct prove_snapshot snapshot;

	if (loop->watch->now_ns < loop->watch->surveyed_at_ns + SURVEY_NS ||
	    prove_survey_take(&snapshot) < 0)
		return;
	loop->watch->surveyed_at_ns = loop->watch->now_ns;
	for (size_t i = 0; i < PROVE_SITUATIONS; i++)
		if (loop->cases[i].phase == PROVE_RUNNING)
			prove_survey_tree(&snapshot, loop->cases[i].pid, &loop->cases[i].processes);
	prove_survey_free(&snapshot);
}

/* --- the far end of forwarded connections --- */

static void admit_echo(struct loop *loop)
{
	const int fd = accept4(loop->watch->echo_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < ECHOES_MAX; i++) {
		if (loop->echoes[i] >= 0)
			continue;
		loop->echoes[i] = fd;
		return;
	}
	if (fd >= 0)
		(void)close(fd);
}

static void echo(int *fd)
{
	char bytes[512];
	const ssize_t n = recv(*fd, bytes, sizeof(bytes), 0);

	if (n > 0 && send(*fd, bytes, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	(void)close(*fd);
	*fd = -1;
}

/* --- the loop --- */

static void add_fd(struct loop *loop, int fd)
{
	loop->fds[loop->n_fds++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* A client that floods us while we do not read it would stop by itself; frozen ones are silent. */
static void collect(struct loop *loop)
{
	loop->n_fds = 0;
	add_fd(loop, client_stream_fd(loop->watch->events));
	add_fd(loop, client_stream_fd(loop->watch->rules));
	add_fd(loop, loop->watch->echo_fd);
	for (size_t i = 0; i < ECHOES_MAX; i++)
		add_fd(loop, loop->echoes[i]);
	for (size_t i = 0; i < PROVE_SITUATIONS; i++) {
		add_fd(loop, loop->cases[i].client.fd);
		/* Its end is an event only once. */
		add_fd(loop, loop->cases[i].phase == PROVE_RUNNING ? loop->cases[i].pidfd : -1);
	}
}

static void wait_for_something(struct loop *loop)
{
	const int64_t before_ns = clock_now_ns();
	int64_t late_ns;
	int n;

	collect(loop);
	n = poll(loop->fds, (nfds_t)loop->n_fds, TICK_MS);
	loop->watch->now_ns = clock_now_ns();
	late_ns = loop->watch->now_ns - before_ns - TICK_MS * NS_PER_MS;
	if (late_ns > loop->watch->worst_delay_ns)
		loop->watch->worst_delay_ns = late_ns;
	if (n <= 0)
		return;
	if (loop->fds[2].revents)
		admit_echo(loop);
	for (size_t i = 0; i < ECHOES_MAX; i++)
		if (loop->fds[FDS_FIXED + i].revents)
			echo(&loop->echoes[i]);
	for (size_t i = 0; i < PROVE_SITUATIONS; i++)
		if (loop->fds[FDS_FIXED + ECHOES_MAX + 2 * i].revents)
			hear(&loop->cases[i]);
	/* The rules go only with the daemon. */
	if (loop->fds[1].revents)
		loop->watch->daemon_gone = true;
	if (loop->fds[0].revents)
		take_events(loop);
}

static bool step_all(struct loop *loop)
{
	size_t logins = 0, left = 0;

	for (size_t i = 0; i < PROVE_SITUATIONS; i++)
		logins += loop->cases[i].phase == PROVE_LOGIN;
	for (size_t i = 0; i < PROVE_SITUATIONS; i++) {
		struct prove_case *one = &loop->cases[i];

		if (one->phase == PROVE_WAITING && logins++ >= LOGINS_AT_ONCE)
			left++;
		else
			step(loop, one);
		left += one->phase != PROVE_DONE;
	}
	survey(loop);
	return left > 0;
}

static void stop(struct loop *loop, const char *why)
{
	for (size_t i = 0; i < PROVE_SITUATIONS; i++)
		if (loop->cases[i].phase != PROVE_DONE) {
			loop->cases[i].n_said = 0;
			give_up(loop, &loop->cases[i], PROVE_COULD_NOT_RUN, why);
		}
}

static void close_all(struct loop *loop)
{
	for (size_t i = 0; i < ECHOES_MAX; i++)
		if (loop->echoes[i] >= 0)
			(void)close(loop->echoes[i]);
	for (size_t i = 0; i < PROVE_SITUATIONS; i++) {
		if (loop->cases[i].pidfd >= 0)
			(void)close(loop->cases[i].pidfd);
		loop->cases[i].pidfd = -1;
	}
}

int prove_watch_play(struct prove_watch *watch)
{
	struct loop loop = { .watch = watch, .cases = watch->server->cases };
	int r = 0;

	for (size_t i = 0; i < ECHOES_MAX; i++)
		loop.echoes[i] = -1;
	watch->now_ns = clock_now_ns();
	while (r == 0 && step_all(&loop)) {
		wait_for_something(&loop);
		if (prove_interrupted)
			r = -EINTR;
		else if (watch->daemon_gone)
			r = -EPIPE;
	}
	if (r == -EINTR)
		stop(&loop, "interrupted");
	else if (r == -EPIPE)
		stop(&loop, "sshidled ended meanwhile");
	close_all(&loop);
	return r;
}
