/*
 * play: observer and actors as the monitor uses them, from nothing and back to nothing for each line of
 * input, so that what is left over shows.  faults.so may have one call in it fail.
 *
 *   see              finds all sessions, samples each, with its processes and their work
 *   mark PORT USES   the same, and remembers what an order for the session on that local port rests on
 *   ACT PORT         the same, and then does to that session, with the guard of `mark`:
 *                    cut, hangup, park, or tune, which also pings and shows a line
 *   end PORT         cut without looking before: of what is kept, so that its calls are those of the end alone
 *   kin PORT         the same way looks for the processes of the session's terminal, which a park has to keep
 *   open, close      from now on what was found is kept, and looked at anew for each line
 *
 * Prints its pid, and a JSON line for each: the sessions that were seen, what came of the act (0 and more, or -errno),
 * and after an end how many processes live on, and whether there may be more.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "act/cut.h"
#include "act/hangup.h"
#include "act/keepalive.h"
#include "act/notice.h"
#include "act/park.h"
#include "act/ping.h"
#include "base/clock.h"
#include "core/ledger.h"
#include "observe/destroyed.h"
#include "observe/finder.h"
#include "observe/kin.h"
#include "observe/sockdiag.h"

#define SESSIONS_MAX 64
#define NOT_DONE     1

struct play {
	struct watch *watches[SESSIONS_MAX];
	size_t n;
	struct finder *finder;
	struct destroyed *destroyed;
};

/* What orders rest on, from the last `mark`. */
static struct order_guard guard;
static int32_t terminal;

/* What is told of an end. */
static struct order_cut_done ended_with;

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void on_found(void *context, struct watch *watch)
{
	struct play *play = context;

	if (play->n == SESSIONS_MAX)
		abort();
	play->watches[play->n++] = watch;
	watch_set_work(watch, true);
	if (play->destroyed)
		(void)destroyed_add(play->destroyed, watch_facts(watch)->identity.cookie,
				    watch_facts(watch)->local_port);
}

static void on_words(void *context, uint64_t cookie, const struct destroyed_words *words)
{
	(void)context;
	(void)cookie;
	(void)words;
}

static int set_up(struct play *play)
{
	*play = (struct play){ .n = 0 };
	/* All that will be needed, as the monitor does. */
	(void)sockdiag_hold();
	(void)destroyed_new(&play->destroyed);
	return finder_new(UINT32_MAX, on_found, play, &play->finder);
}

static int look(struct play *play)
{
	struct sample sample;
	bool changed;
	int r;

	while ((r = finder_look(play->finder, now_ns(), NS_PER_S)) == 1)
		;
	for (size_t i = 0; i < play->n; i++)
		(void)watch_sample(play->watches[i], &sample, &changed);
	if (play->destroyed)
		destroyed_read(play->destroyed, on_words, NULL);
	return r;
}

static void tear_down(struct play *play)
{
	for (size_t i = 0; i < play->n; i++)
		watch_free(play->watches[i]);
	finder_free(play->finder);
	destroyed_free(play->destroyed);
	sockdiag_close();
	*play = (struct play){ .n = 0 };
}

static struct watch *find(const struct play *play, long port)
{
	for (size_t i = 0; i < play->n; i++)
		if (watch_facts(play->watches[i])->local_port == port)
			return play->watches[i];
	return NULL;
}

/* ---- the acts ---- */

static int mark(struct watch *watch, uint32_t uses)
{
	const struct watch_channel *channels;
	struct sample sample;
	bool changed;
	size_t n;
	int r = watch_sample(watch, &sample, &changed);

	if (r < 0)
		return r;
	channels = watch_channels(watch, &n);
	terminal = n > 0 ? channels[0].facts.tty : -1;
	guard = (struct order_guard){
		.plain_in = ledger_plain_in(&sample),
		.plain_out = ledger_plain_out(&sample),
		.observed_at_ns = sample.at_ns,
		.atime_s = n > 0 ? sample.channels[0].atime_s : 0,
		.traffic = sample.forward_written + sample.forward_read,
		.forward_opened = sample.forward_opened,
		.uses = uses,
	};
	return 0;
}

/* Until then, or it ends; once it has, until then. */
static bool wait_for_end(struct watch *watch, bool ended, int64_t until_ns)
{
	struct pollfd end = { .fd = watch_pidfd(watch), .events = POLLIN };
	const int64_t ms = (until_ns - now_ns() + NS_PER_MS - 1) / NS_PER_MS;

	return poll(&end, ended ? 0 : 1, ms > 0 ? (int)ms : 0) == 1 || ended;
}

static int cut(struct watch *watch, struct order_cut *order)
{
	struct order_cut_done done = { 0 };
	struct cut *own;
	int64_t again_ns;
	bool ended = false;
	int r;

	order->guard = guard;
	r = cut_new(watch, order, now_ns(), &own);
	if (r < 0)
		return r;
	while ((again_ns = cut_step(own, ended, now_ns())) != TIME_NEVER)
		ended = wait_for_end(watch, ended, again_ns);
	cut_result(own, &done);
	cut_free(own);
	ended_with = done;
	return done.result;
}

/* The starter is one that has gone: what comes before it is what is tried. */
static int park(struct watch *watch, struct order_cut *order)
{
	struct park *starting = NULL;
	struct park_setup setup = { .runtime_dir = "/nonexistent", .starting = &starting };
	struct order_cut_done done = { 0 };
	struct park *own;
	int64_t again_ns;
	bool ended = false;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)close(pair[1]);
	setup.starter = pair[0];
	order->guard = guard;
	order->park =
		(struct order_park){ .wanted = 1, .most = 8, .first_id = 1, .user = "nobody" };
	r = park_new(watch, order, &setup, &own);
	if (r == 0) {
		while ((again_ns = park_step(own, ended, now_ns())) != TIME_NEVER)
			ended = wait_for_end(watch, ended, again_ns);
		park_result(own, &done);
		park_free(own);
		r = done.result;
	}
	(void)close(pair[0]);
	return r;
}

static int hangup(struct watch *watch)
{
	struct order_hangup order = { .guard = guard, .tty = terminal, .text = "hang-up" };
	struct order_hangup_done done = { 0 };
	struct hangup *own;
	int64_t again_ns;
	int r = hangup_new(watch, &order, now_ns(), &own);

	if (r < 0)
		return r;
	while ((again_ns = hangup_step(own, now_ns())) != TIME_NEVER)
		(void)wait_for_end(watch, true, again_ns);
	hangup_result(own, &done);
	hangup_free(own);
	return done.result;
}

static int tune(struct watch *watch)
{
	const struct order_tune order = { .wanted = { 1, 5, 5, 127, 90000 } };
	struct keepalive keepalive = { 0 };
	struct order_tuned tuned = { 0 };
	int r;

	(void)notice_show(watch, -1, "a line");
	(void)notice_is_out(watch);
	(void)ping_send(watch);
	r = keepalive_tune(&keepalive, watch, &order, &tuned);
	(void)keepalive_put_back(&keepalive, watch);
	return r;
}

/* How many there are. */
static int kin(const struct watch *watch)
{
	struct watch_process found[8];
	struct process_list list = { 0 };
	const int n = watch_processes(watch, found, sizeof(found) / sizeof(*found));
	int r = n < 0 ? n : -ENOENT;

	for (int i = 0; i < n && r == -ENOENT; i++)
		if (found[i].sid == found[i].pid)
			r = kin_find(&(struct kin_leader){ found[i].start_ticks, found[i].pid },
				     &list);
	if (r == 0)
		r = (int)list.n;
	process_list_deinit(&list);
	return r;
}

static int act(const struct play *play, const char *word, long port, uint32_t uses)
{
	struct order_cut order = { .hang_up = 1, .text = "the end" };
	struct watch *watch = find(play, port);

	if (!watch)
		return -ENOENT;
	if (strcmp(word, "mark") == 0)
		return mark(watch, uses);
	if (strcmp(word, "cut") == 0 || strcmp(word, "end") == 0)
		return cut(watch, &order);
	if (strcmp(word, "kin") == 0)
		return kin(watch);
	if (strcmp(word, "park") == 0)
		return park(watch, &order);
	if (strcmp(word, "hangup") == 0)
		return hangup(watch);
	return strcmp(word, "tune") == 0 ? tune(watch) : -EINVAL;
}

static long next_number(char **rest)
{
	const char *word = strsep(rest, " \n");

	return word ? strtol(word, NULL, 10) : 0;
}

static void obey(struct play *play, bool *kept, char *line)
{
	const char *word = strsep(&line, " \n");
	const long port = next_number(&line);
	const uint32_t uses = (uint32_t)next_number(&line);
	int looked, done = NOT_DONE;
	size_t seen;

	ended_with = (struct order_cut_done){ 0 };
	looked = *kept ? 0 : set_up(play);
	if (looked < 0) {
		tear_down(play);
		*kept = false;
	} else if (strcmp(word, "end") != 0 && strcmp(word, "kin") != 0) {
		looked = look(play);
	}
	if (port > 0 && play->finder)
		done = act(play, word, port, uses);
	seen = play->n;
	if (play->finder) {
		*kept = (*kept || strcmp(word, "open") == 0) && strcmp(word, "close") != 0;
		if (!*kept)
			tear_down(play);
	}
	(void)printf("{\"looked\":%d,\"seen\":%zu,\"done\":%d,\"living\":%u,\"more\":%u}\n", looked,
		     seen, done, ended_with.n_survivors, ended_with.more_survivors);
	(void)fflush(stdout);
}

int main(void)
{
	static struct play play;
	char *line = NULL;
	bool kept = false;
	size_t size = 0;

	(void)printf("{\"pid\":%d}\n", getpid());
	(void)fflush(stdout);
	/* getline(3): it is in no table, so what is tried begins behind it. */
	while (getline(&line, &size, stdin) > 0)
		obey(&play, &kept, line);
	free(line);
	return 0;
}
