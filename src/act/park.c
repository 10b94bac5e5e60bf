#include "act/park.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "act/cut.h"
#include "act/guard.h"
#include "act/notice.h"
#include "act/park-drain.h"
#include "act/park-mend.h"
#include "act/park-stop.h"
#include "act/park-terminal.h"
#include "base/cleanup.h"
#include "core/ledger.h"
#include "observe/process.h"

/* systemd and directory servers may take their time. */
#define START_FOR_NS  (15 * NS_PER_S)
#define START_LOOK_NS (2 * NS_PER_MS)
/* A writer is let in as soon as the one before it is done; one that waits for room never is. */
#define STOP_FOR_NS  (300 * NS_PER_MS)
#define STOP_LOOK_NS (NS_PER_MS / 5)
/* The kernel moves a line from the slave to the master in the background: before that nothing is seen
 * of it there. */
#define NOTICE_LEAST_NS (40 * NS_PER_MS)
/* How soon a terminal that its server leaves open to everybody is seen. */
#define MEND_LOOK_NS (1 * NS_PER_MS)
/* A server ends within milliseconds, or nobody knows when. */
#define MEND_LOOKS_FOR_NS (1 * NS_PER_S)
#define MEND_RARE_NS	  (50 * NS_PER_MS)

enum stage { STAGE_START, STAGE_NOTICE, STAGE_STOP, STAGE_DRAIN, STAGE_CUT, STAGE_DONE };

struct park {
	struct watch *watch;
	struct order_cut order;
	struct park_setup setup;
	struct park *next_starting;
	bool starting; /* is in that list */
	struct cut *cut;
	struct park_drain drain;
	struct park_terminal terminals[FACTS_CHANNELS_MAX];
	size_t n, at; /* the one that a keeper is started for, or that is stopped */
	struct park_stop stop;
	int rough;
	int64_t until_ns, cut_at_ns;
	enum stage stage;
	int result;
	bool drained, settled; /* the terminals: nothing is left to be done for them */
	char why[ORDER_WHY_BYTES], alarm[ORDER_WHY_BYTES];
};

/* --- one start of a user at a time --- */

static bool may_start(struct park *park)
{
	const uint32_t uid = watch_facts(park->watch)->uid;

	if (park->starting)
		return true;
	for (const struct park *one = *park->setup.starting; one; one = one->next_starting)
		if (watch_facts(one->watch)->uid == uid)
			return false;
	park->next_starting = *park->setup.starting;
	*park->setup.starting = park;
	park->starting = true;
	return true;
}

static void has_started(struct park *park)
{
	struct park **at = park->setup.starting;

	if (!park->starting)
		return;
	while (*at != park)
		at = &(*at)->next_starting;
	*at = park->next_starting;
	park->starting = false;
}

/* --- ends --- */

static void cancel_all(struct park *park)
{
	/* First what somebody may be waiting for. */
	for (size_t i = 0; i < park->n; i++)
		park_terminal_go_on(&park->terminals[i]);
	for (size_t i = 0; i < park->n; i++)
		park_terminal_cancel(&park->terminals[i]);
}

static int64_t give_up(struct park *park, int result)
{
	has_started(park);
	cancel_all(park);
	park->result = result;
	park->stage = STAGE_DONE;
	return TIME_NEVER;
}

static int64_t fail(struct park *park, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int64_t fail(struct park *park, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(park->why, sizeof(park->why), format, arguments);
	va_end(arguments);
	return give_up(park, result);
}

void park_free(struct park *park)
{
	if (!park)
		return;
	has_started(park);
	park_stop_end(&park->stop);
	for (size_t i = 0; i < park->n; i++) {
		/* After the cut it is for the keeper to let output go on. */
		if (park->cut)
			park->terminals[i].stopped = false;
		else
			park_terminal_cancel(&park->terminals[i]);
		park_terminal_close(&park->terminals[i]);
	}
	cut_free(park->cut);
	free(park);
}

/* --- the beginning --- */

/* Those that are worth it. */
static int open_terminals(struct park *park)
{
	const struct watch_channel *channels;
	size_t n;

	channels = watch_channels(park->watch, &n);
	for (size_t i = 0; i < n && park->n < FACTS_CHANNELS_MAX; i++) {
		struct park_terminal *terminal = &park->terminals[park->n];
		int r;

		if (channels[i].facts.tty < 0)
			continue;
		r = park_terminal_open(terminal, park->watch, &channels[i].facts);
		if (r == -ESRCH || r == -EALREADY)
			continue;
		if (r < 0)
			return r;
		terminal->id = park->n == 0 ? park->order.park.first_id
					    : park->order.park.more_id + (uint32_t)park->n - 1;
		park->n++;
	}
	return 0;
}

/* Nothing can be parked: a cut like any other. */
static int cut_only(struct park *park, int64_t now_ns)
{
	park->stage = STAGE_CUT;
	return cut_new(park->watch, &park->order, now_ns, &park->cut);
}

int park_new(struct watch *watch, const struct order_cut *request, const struct park_setup *setup,
	     struct park **ret_park)
{
	struct park *park;
	int r = guard_check(watch, &request->guard);

	if (r < 0)
		return r;
	park = calloc(1, sizeof(*park));
	if (!park)
		return -ENOMEM;
	park->watch = watch;
	park->order = *request;
	park->setup = *setup;
	r = open_terminals(park);
	if (r < 0) {
		park_free(park);
		return r;
	}
	if (watch_has_more_channels(watch))
		(void)fail(park, -E2BIG, "it has more than %d channels", FACTS_CHANNELS_MAX);
	else if (watch_facts(watch)->container && park->n > 0)
		(void)fail(park, -EXDEV, "it runs in a container");
	*ret_park = park;
	return 0;
}

static int64_t failed_start(struct park *park, int r)
{
	switch (r) {
	case -EDQUOT:
		return fail(park, r,
			    "the user has as many parked terminals as allowed (ParkMax %u)",
			    park->order.park.most);
	case -ETIMEDOUT:
		return fail(park, r, "its keeper did not start in time");
	case -EPIPE:
	case -ECONNRESET:
		return fail(park, r, "its keeper ended while it started");
	case -ENOPKG:
		return fail(park, r,
			    "there is no sshidle-keeper where it is looked for (sshidled -k)");
	case -ENOTCONN:
		return fail(park, r, "the process that starts keepers has ended; restart sshidled");
	}
	return fail(park, r, "its keeper could not be started: %s", strerror(-r));
}

static int64_t step_start(struct park *park, int64_t now_ns)
{
	struct park_terminal *terminal = &park->terminals[park->at];
	int r;

	if (!may_start(park))
		return now_ns + START_LOOK_NS;
	if (terminal->state == PARK_NEW) {
		r = park_terminal_ask(terminal, park->watch, &park->order.park, &park->setup);
		if (r < 0)
			return failed_start(park, r);
		park->until_ns = now_ns + START_FOR_NS;
	}
	r = park_terminal_wait(terminal);
	if (r == 0 && now_ns >= park->until_ns)
		r = -ETIMEDOUT;
	if (r < 0)
		return failed_start(park, r);
	if (r == 1 && ++park->at == park->n) {
		has_started(park);
		park->stage = STAGE_NOTICE;
	}
	return r == 1 ? now_ns : now_ns + START_LOOK_NS;
}

/* Somebody is back, or it has ended: then its pidfd says so, and the keepers must stay. */
static int64_t refuse(struct park *park, int r, int64_t now_ns)
{
	return r == -ESRCH ? now_ns + START_LOOK_NS : give_up(park, r);
}

static int64_t step_notice(struct park *park, int64_t now_ns)
{
	struct notice_result shown = { 0 };
	int r = guard_check(park->watch, &park->order.guard);

	if (r < 0)
		return refuse(park, r, now_ns);
	if (park->order.park.text[0] != '\0')
		shown = notice_show(park->watch, -1, park->order.park.text);
	park->order.guard.notice_bytes = shown.bytes;
	park->at = 0;
	park->stage = STAGE_STOP;
	return now_ns + (shown.reached > 0 ? NOTICE_LEAST_NS : 0);
}

/* A writer that is not let go on waits for room, and loses nothing: nobody takes what it writes. */
static int64_t step_stop(struct park *park, int64_t now_ns)
{
	struct park_terminal *terminal = &park->terminals[park->at];
	int r;

	if (!park->stop.begun) {
		r = park_stop_begin(&park->stop, terminal->master);
		park->rough = r < 0 ? r : park->rough;
		park->until_ns = r < 0 ? now_ns : now_ns + STOP_FOR_NS;
	}
	if (!park_stop_is_alone(&park->stop) && now_ns < park->until_ns)
		return now_ns + STOP_LOOK_NS;
	r = park_terminal_stop(terminal);
	park_stop_end(&park->stop);
	if (r < 0)
		return fail(park, r, "its output could not be stopped: %s", strerror(-r));
	if (++park->at == park->n)
		park->stage = STAGE_DRAIN;
	return now_ns;
}

/* --- drain and cut --- */

static int look(struct park *park, struct park_look *ret_look)
{
	auto_close int fd = -1;
	struct procstat server;
	struct sample sample;
	bool changed = false;
	int unsent = 0;
	int r = watch_sample(park->watch, &sample, &changed);

	if (r < 0)
		return r;
	if (changed)
		return -EBUSY;
	*ret_look = (struct park_look){ .plain_out = ledger_plain_out(&sample) };
	/* In this order: what has left the terminals by then is in the server, and what has left a
	 * server that sleeps is in the socket. */
	for (size_t i = 0; i < park->n; i++)
		ret_look->waiting += park_terminal_waiting(&park->terminals[i]);
	r = procstat_read(watch_facts(park->watch)->identity.pid, &server);
	if (r < 0)
		return r;
	ret_look->asleep = server.state == 'S';
	ret_look->runnable = server.state == 'R';
	r = watch_borrow_socket(park->watch, &fd);
	if (r < 0)
		return r;
	if (ioctl(fd, SIOCOUTQ, &unsent) < 0)
		return -errno;
	ret_look->unsent = unsent;
	return 0;
}

static int64_t begin_cut(struct park *park, bool server_ended, int64_t now_ns);

static int64_t step_drain(struct park *park, int64_t now_ns)
{
	enum park_drained drained = PARK_FROZEN;
	struct park_look now;
	int r = look(park, &now);

	if (r == 0)
		drained = park_drain_judge(&park->drain, &now, now_ns);
	if (r == 0 && drained == PARK_DRAINING)
		return now_ns + PARK_DRAIN_LOOK_NS;
	if (r < 0)
		return refuse(park, r, now_ns);
	park->drained = drained == PARK_DRAINED;
	r = guard_check(park->watch, &park->order.guard);
	if (r < 0)
		return refuse(park, r, now_ns);
	for (size_t i = 0; i < park->n; i++)
		if (!park_terminal_is_held(&park->terminals[i]))
			return fail(park, -EPIPE, "the keeper of pts/%d has ended",
				    park->terminals[i].channel.tty);
	return begin_cut(park, false, now_ns);
}

/* --- after the cut --- */

/* True: this terminal needs another look. */
static bool mend_terminal(struct park *park, struct park_terminal *terminal, int64_t now_ns)
{
	int r;

	if (terminal->not_mended || (terminal->answer < 0 && !park_mend_is_due(terminal)))
		return false;
	r = park_mend_step(terminal, park->setup.starter, now_ns);
	if (r >= 0)
		return r == 0;
	/* It stays exclusive; the keeper ends that when the next daemon has mended it. */
	terminal->not_mended = true;
	terminal->exclusive = false;
	(void)snprintf(
		park->alarm, sizeof(park->alarm),
		"pts/%d was not given back to its user and cannot be opened until sshidled is restarted: %s",
		terminal->channel.tty, strerror(-r));
	return false;
}

static void settle(struct park *park)
{
	park->settled = true;
	for (size_t i = 0; i < park->n; i++) {
		park_terminal_share(&park->terminals[i]);
		park_terminal_close(&park->terminals[i]);
	}
}

/* Returns when to look at the terminals again. */
static int64_t step_terminals(struct park *park, bool server_ended, int64_t now_ns)
{
	bool again = false;

	if (park->settled)
		return TIME_NEVER;
	for (size_t i = 0; i < park->n; i++) {
		if (server_ended)
			park_terminal_go_on(&park->terminals[i]);
		again = mend_terminal(park, &park->terminals[i], now_ns) || again;
	}
	if (server_ended && !again) {
		settle(park);
		return TIME_NEVER;
	}
	return now_ns + (again || now_ns < park->cut_at_ns + MEND_LOOKS_FOR_NS ? MEND_LOOK_NS
									       : MEND_RARE_NS);
}

/* `cut_ns`: when the cut is to be looked at again. */
static int64_t step_with(struct park *park, int64_t cut_ns, bool server_ended, int64_t now_ns)
{
	int64_t terminals_ns = step_terminals(park, server_ended, now_ns);

	/* A server that nothing ends. */
	if (cut_ns == TIME_NEVER && !server_ended)
		return TIME_NEVER;
	return cut_ns < terminals_ns ? cut_ns : terminals_ns;
}

static int64_t step_cut(struct park *park, bool server_ended, int64_t now_ns)
{
	return step_with(park, cut_step(park->cut, server_ended, now_ns), server_ended, now_ns);
}

/* In one go: a SIGTERM finds the output going on, or the connection cut.  The keepers, which hold the output
 * stopped for long once they are told, are told after that, so a kill -9 does too. */
static int64_t begin_cut(struct park *park, bool server_ended, int64_t now_ns)
{
	const bool exclusive = watch_facts(park->watch)->server == SERVER_DROPBEAR;
	struct order_cut order = { .hang_up = park->order.hang_up };
	int64_t cut_ns;
	int r = cut_new(park->watch, &order, now_ns, &park->cut);

	if (r < 0)
		return give_up(park, r);
	park->stage = STAGE_CUT;
	park->cut_at_ns = now_ns;
	for (size_t i = 0; exclusive && i < park->n; i++)
		park_terminal_exclude(&park->terminals[i]);
	cut_ns = cut_step(park->cut, server_ended, now_ns);
	for (size_t i = 0; i < park->n; i++)
		park_terminal_commit(&park->terminals[i]);
	return step_with(park, cut_ns, server_ended, now_ns);
}

/* Its end came by itself before the cut: what a keeper was asked to hold stays. */
static int64_t step_ended(struct park *park, int64_t now_ns)
{
	park_stop_end(&park->stop);
	return begin_cut(park, true, now_ns);
}

int64_t park_step(struct park *park, bool server_ended, int64_t now_ns)
{
	int r;

	if (park->n == 0 && !park->cut && park->stage != STAGE_DONE) {
		r = cut_only(park, now_ns);
		if (r < 0)
			return give_up(park, r);
	}
	if (server_ended && park->stage < STAGE_CUT)
		return step_ended(park, now_ns);
	switch (park->stage) {
	case STAGE_START:
		return step_start(park, now_ns);
	case STAGE_NOTICE:
		return step_notice(park, now_ns);
	case STAGE_STOP:
		return step_stop(park, now_ns);
	case STAGE_DRAIN:
		return step_drain(park, now_ns);
	case STAGE_CUT:
		return step_cut(park, server_ended, now_ns);
	case STAGE_DONE:
		break;
	}
	return TIME_NEVER;
}

int park_is_rough(const struct park *park)
{
	return park->rough;
}

void park_result(const struct park *park, struct order_cut_done *ret_done)
{
	if (park->cut)
		cut_result(park->cut, ret_done);
	else
		ret_done->result = park->result;
	ret_done->notice_bytes = park->order.guard.notice_bytes;
	ret_done->drained = park->drained;
	(void)snprintf(ret_done->not_parked, sizeof(ret_done->not_parked), "%s", park->why);
	(void)snprintf(ret_done->alarm, sizeof(ret_done->alarm), "%s", park->alarm);
	ret_done->n_parked = 0;
	for (size_t i = 0; park->cut && i < park->n; i++) {
		const struct park_terminal *terminal = &park->terminals[i];

		if (terminal->state == PARK_HELD && park_terminal_has_leader(terminal))
			ret_done->parked[ret_done->n_parked++] =
				(struct order_parked){ .id = terminal->id,
						       .tty = terminal->channel.tty };
	}
}
