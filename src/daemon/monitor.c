#include "daemon/monitor.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/notice.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/clock.h"
#include "daemon/confine.h"
#include "daemon/monitored.h"
#include "observe/process.h"

/* An engine saves what it knows within a second, also of 10,000 sessions. One that is stopped, or waits for
 * a database of users, would never be done. */
#define ENGINE_ENDS_MS 8000

void monitor_fail(struct monitor *monitor)
{
	log_error("out of memory");
	event_base_loopbreak(monitor->base);
}

void monitor_send(struct monitor *monitor, enum link_type type, const void *message, size_t size)
{
	if (link_send(monitor->link, type, message, size) < 0)
		monitor_fail(monitor);
}

static void on_found(void *context, struct watch *watch)
{
	struct monitor *monitor = context;
	struct link_opened message = { 0 };
	struct monitored *monitored;
	int r = monitored_new(monitor, watch, &monitored);

	if (r < 0) {
		log_error("a session cannot be watched: %s", strerror(-r));
		finder_forget(monitor->finder, &watch_facts(watch)->identity);
		watch_free(watch);
		return;
	}
	message.handle = monitored->handle;
	message.facts = *watch_facts(watch);
	message.seen_at_ns = clock_now_ns();
	monitor_send(monitor, LINK_OPENED, &message, sizeof(message));
	watch_set_work(watch, true);
	monitored_sample(monitored, true, false);
}

static void become_ready(struct monitor *monitor)
{
	if (monitor->ready || !monitor->looked || monitor->look_every_ns == 0)
		return;
	monitor->ready = true;
	monitor->options->ready(monitor->options->context);
}

/* What hides sessions from the finder, told to the engine as troubles of the host. */
static void send_finder_trouble(struct monitor *monitor)
{
	struct link_trouble message = { .handle = 0 };
	const char *text = finder_trouble(monitor->finder);

	if (!text)
		return;
	(void)text_copy(text, message.text, sizeof(message.text));
	monitor_send(monitor, LINK_TROUBLE, &message, sizeof(message));
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct monitor *monitor = context;
	int64_t now_ns = clock_now_ns(), next_ns = monitor->look_every_ns;
	int r = finder_look(monitor->finder, now_ns, FINDER_SLICE_NS);

	(void)fd;
	(void)what;
	if (r < 0)
		log_error("/proc cannot be read: %s; no new sessions are found", strerror(-r));
	send_finder_trouble(monitor);
	confine_tell(CONFINE_STARTER, monitor->options->witnesses);
	if (r == 1)
		next_ns = NS_PER_MS;
	/* One that failed has not seen who is there: what is saved of them is still needed. */
	if (r == 0 && !monitor->looked) {
		monitor->looked = true;
		monitor_send(monitor, LINK_LOOKED, &(struct link_closed){ 0 },
			     sizeof(struct link_closed));
		become_ready(monitor);
	}
	clock_ring(monitor->look, now_ns + next_ns);
}

static bool terminated(const char *text)
{
	return memchr(text, '\0', ORDER_TEXT_BYTES) != NULL;
}

static int take_settings(void *context, const void *message)
{
	const struct link_settings *settings = message;
	struct monitor *monitor = context;
	bool first = monitor->look_every_ns == 0;
	int r;

	if (settings->look_every_ns < 10 * NS_PER_MS || settings->look_every_ns > 60 * NS_PER_S ||
	    settings->reserved != 0)
		return -EPROTO;
	r = limits_set(&monitor->limits, settings->cuts_most, settings->cuts_span_ns,
		       clock_now_ns());
	if (r < 0)
		return -EPROTO;
	if (r > 0)
		log_warning(
			"MaxCuts is higher than before: that comes into force with a restart, or a "
			"SIGHUP to process %d",
			getpid());
	monitor->look_every_ns = settings->look_every_ns;
	link_set_stage(monitor->link, LINK_RUNNING);
	if (first)
		on_look(-1, 0, monitor);
	return 0;
}

static int take_sample(void *context, const void *message)
{
	const struct link_sample *request = message;
	struct monitored *monitored = monitored_find(context, request->handle);

	if (!monitored || monitored_is_ending(monitored))
		return 0; /* ended, or ending, while the request was on its way */
	watch_set_work(monitored->watch, request->with_work != 0);
	monitored_sample(monitored, false, request->with_ping == 1);
	return 0;
}

static int take_quiet(void *context, const void *message)
{
	const struct link_quiet *request = message;
	struct monitored *monitored = monitored_find(context, request->handle);

	if (request->every_ns < QUIET_LEAST_NS || request->every_ns > QUIET_MOST_NS ||
	    request->reserved != 0)
		return -EPROTO;
	if (monitored && !monitored_is_ending(monitored))
		monitored_rest(monitored, request->since_ns, request->every_ns);
	return 0;
}

static int take_warn(void *context, const void *message)
{
	const struct order_warn *order = message;
	struct monitored *monitored = monitored_find(context, order->handle);
	struct link_warned reply = { .handle = order->handle };
	struct notice_result result;

	if (!terminated(order->text))
		return -EPROTO;
	if (!monitored)
		return 0;
	if (monitored_make_acts(monitored) < 0) {
		/* Nobody is to be cut unwarned. */
		monitor_fail(monitored->monitor);
		return 0;
	}
	if (!limits_take_line(&monitored->acts->limits, clock_now_ns()))
		return 0;
	result = notice_show(monitored->watch, order->tty, order->text);
	reply.reached = result.reached;
	reply.missed = result.missed;
	reply.bytes = result.bytes;
	monitor_send(context, LINK_WARNED, &reply, sizeof(reply));
	return 0;
}

static int take_tune(void *context, const void *message)
{
	const struct order_tune *order = message;
	struct monitored *monitored = monitored_find(context, order->handle);
	/* Until something else is known. */
	struct order_tuned done = { .handle = order->handle,
				    .changed = order->original_known,
				    .original = order->original };

	if (limits_check_tune(order) < 0)
		return -EPROTO;
	if (!monitored || monitored->server_ended)
		return 0;
	done.result = monitored_make_acts(monitored);
	if (done.result == 0)
		done.result =
			keepalive_tune(&monitored->acts->keepalive, monitored->watch, order, &done);
	monitor_send(context, LINK_TUNED, &done, sizeof(done));
	return 0;
}

static void refuse_cut(struct monitored *monitored, const struct order_cut *order, int result)
{
	struct order_cut_done done = { .handle = monitored->handle, .result = result };

	if (order->park.wanted && result != -EBUSY && result != -ESRCH && result != -EDQUOT)
		(void)snprintf(done.not_parked, sizeof(done.not_parked),
			       "its terminals cannot be borrowed: %s", strerror(-result));
	monitor_send(monitored->monitor, LINK_CUT_DONE, &done, sizeof(done));
	monitored_sample(monitored, true, false);
}

static int begin_park(struct monitored *monitored, const struct order_cut *order)
{
	const struct monitor_options *options = monitored->monitor->options;
	struct park_setup setup = {
		.starter = options->starter_fd,
		.runtime_dir = options->runtime_dir,
		.realtime_ns = clock_now_ns() + clock_realtime_offset_ns(),
		.starting = &monitored->monitor->parks_starting,
	};

	return park_new(monitored->watch, order, &setup, &monitored->acts->park);
}

/* One that comes to nothing costs no end, but its line was shown, and output may have been stopped. */
static int take_end(struct monitored *monitored, bool asked, int64_t now_ns)
{
	const struct session_facts *facts = watch_facts(monitored->watch);
	struct limits *limits = &monitored->monitor->limits;

	if (!limits_take_end(limits, asked, facts, now_ns))
		return -EDQUOT;
	if (limits_take_line(&monitored->acts->limits, now_ns))
		return 0;
	limits_give_back(limits, asked, facts, now_ns);
	return -EDQUOT;
}

static void begin_end(struct monitored *monitored, const struct order_cut *order)
{
	const struct session_facts *facts = watch_facts(monitored->watch);
	struct limits *limits = &monitored->monitor->limits;
	int64_t now_ns = clock_now_ns();
	int r;

	r = monitored_make_timer(monitored);
	if (r == 0)
		r = take_end(monitored, order->asked, now_ns);
	if (r == 0)
		monitored->acts->ended_at_ns = now_ns;
	if (r < 0) {
		refuse_cut(monitored, order, r);
		return;
	}
	r = order->park.wanted ? begin_park(monitored, order)
			       : cut_new(monitored->watch, order, now_ns, &monitored->acts->cut);
	if (r < 0) {
		limits_give_back(limits, order->asked, facts, now_ns);
		refuse_cut(monitored, order, r);
	} else {
		monitored_step(monitored);
	}
}

static int take_cut(void *context, const void *message)
{
	const struct order_cut *order = message;
	struct monitored *monitored = monitored_find(context, order->handle);

	if (limits_check_cut(order) < 0)
		return -EPROTO;
	if (!monitored || monitored_is_ending(monitored) || monitored->server_ended)
		return 0;
	monitored->asked = order->asked;
	begin_end(monitored, order);
	return 0;
}

static int begin_hangup(struct monitored *monitored, const struct order_hangup *order)
{
	const struct session_facts *facts = watch_facts(monitored->watch);
	struct limits *limits = &monitored->monitor->limits;
	int64_t now_ns = clock_now_ns();
	int r;

	if (monitored_make_timer(monitored) < 0)
		return -ENOMEM;
	if (monitored->acts->hangup)
		return -EBUSY;
	r = take_end(monitored, false, now_ns);
	if (r < 0)
		return r;
	r = hangup_new(monitored->watch, order, now_ns, &monitored->acts->hangup);
	if (r < 0)
		limits_give_back(limits, false, facts, now_ns);
	return r;
}

static int take_hangup(void *context, const void *message)
{
	const struct order_hangup *order = message;
	struct monitored *monitored = monitored_find(context, order->handle);
	struct order_hangup_done done = { .handle = order->handle, .tty = order->tty };
	struct link_warned shown = { .handle = order->handle };

	if (!terminated(order->text))
		return -EPROTO;
	if (!monitored || monitored_is_ending(monitored) || monitored->server_ended)
		return 0;
	done.result = begin_hangup(monitored, order);
	if (done.result < 0) {
		monitor_send(context, LINK_HANGUP_DONE, &done, sizeof(done));
		monitored_sample(monitored, true, false);
	} else {
		shown.bytes = hangup_notice_bytes(monitored->acts->hangup);
		monitor_send(context, LINK_WARNED, &shown, sizeof(shown));
		monitored_step(monitored);
	}
	return 0;
}

/* What the engine may ask for, and when. */
static const struct link_row monitor_rows[] = {
	{ LINK_SETTINGS, LINK_STARTING | LINK_RUNNING, sizeof(struct link_settings), 0, 0,
	  take_settings },
	{ LINK_SAMPLE, LINK_RUNNING, sizeof(struct link_sample), 0, 0, take_sample },
	{ LINK_WARN, LINK_RUNNING, sizeof(struct order_warn), 0, 0, take_warn },
	{ LINK_CUT, LINK_RUNNING, sizeof(struct order_cut), 0, 0, take_cut },
	{ LINK_HANGUP, LINK_RUNNING, sizeof(struct order_hangup), 0, 0, take_hangup },
	{ LINK_TUNE, LINK_RUNNING, sizeof(struct order_tune), 0, 0, take_tune },
	{ LINK_QUIET, LINK_RUNNING, sizeof(struct link_quiet), 0, 0, take_quiet },
	{ 0 },
};

static void on_lost(void *context)
{
	struct monitor *monitor = context;

	if (monitor->ready)
		log_error("the engine process has ended; leaving (no session is touched)");
	monitor->result = 1;
	event_base_loopbreak(monitor->base);
}

/* It never says anything. */
static void on_starter_lost(evutil_socket_t fd, short what, void *context)
{
	struct monitor *monitor = context;

	(void)fd;
	(void)what;
	if (monitor->ready)
		log_error("the starter process has ended; leaving (no session is touched)");
	monitor->result = 1;
	event_base_loopbreak(monitor->base);
}

static void on_stop(evutil_socket_t number, short what, void *context)
{
	struct monitor *monitor = context;

	(void)number;
	(void)what;
	monitor->result = 0;
	event_base_loopbreak(monitor->base);
}

static void on_reload(evutil_socket_t number, short what, void *context)
{
	struct monitor *monitor = context;

	(void)number;
	(void)what;
	limits_expect_reload(&monitor->limits, clock_now_ns());
	monitor_send(context, LINK_RELOAD, &(struct link_closed){ 0 }, sizeof(struct link_closed));
}

static void on_destroyed(evutil_socket_t fd, short what, void *context)
{
	struct monitor *monitor = context;

	(void)fd;
	(void)what;
	destroyed_read(monitor->destroyed, monitored_take_words, monitor);
}

/* Without it an end has no reason in the log, that is all. */
static void listen_for_words(struct monitor *monitor)
{
	if (destroyed_new(&monitor->destroyed) < 0)
		return;
	monitor->destroyed_event = event_new(monitor->base, destroyed_fd(monitor->destroyed),
					     EV_READ | EV_PERSIST, on_destroyed, monitor);
	if (monitor->destroyed_event)
		(void)event_add(monitor->destroyed_event, NULL);
}

static int watch_starter(struct monitor *monitor)
{
	monitor->starter = event_new(monitor->base, monitor->options->starter_fd, EV_READ,
				     on_starter_lost, monitor);
	return monitor->starter && event_add(monitor->starter, NULL) == 0 ? 0 : -ENOMEM;
}

static int monitor_init(struct monitor *monitor, struct event *signals[3])
{
	struct link_setup setup = { .rows = monitor_rows, .lost = on_lost };
	sigset_t none;
	int r;

	monitor->base = event_base_new();
	if (!monitor->base)
		return -ENOMEM;
	setup.fd = monitor->options->link_fd;
	setup.context = monitor;
	r = link_new(monitor->base, &setup, &monitor->link);
	if (r < 0)
		return r;
	r = finder_new(monitor->options->privsep_uid, on_found, monitor, &monitor->finder);
	if (r == 0)
		r = quiet_new(monitor->base, monitored_look, monitor, &monitor->quiet);
	if (r == 0)
		r = watch_starter(monitor);
	if (r == 0)
		r = monitored_listen(monitor);
	if (r < 0)
		return r;
	listen_for_words(monitor);
	monitor->look = evtimer_new(monitor->base, on_look, monitor);
	signals[0] = evsignal_new(monitor->base, SIGTERM, on_stop, monitor);
	signals[1] = evsignal_new(monitor->base, SIGINT, on_stop, monitor);
	signals[2] = evsignal_new(monitor->base, SIGHUP, on_reload, monitor);
	if (!monitor->look || !signals[0] || !signals[1] || !signals[2])
		return -ENOMEM;
	for (int i = 0; i < 3; i++)
		if (event_add(signals[i], NULL) < 0)
			return -ENOMEM;
	/* What came since the start (main.c holds it back) is handled now. */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

static void monitor_deinit(struct monitor *monitor, struct event *signals[3])
{
	monitored_leave(monitor);
	monitored_free_all(monitor);
	monitored_stop_listening(monitor);
	quiet_free(monitor->quiet);
	for (int i = 0; i < 3; i++)
		if (signals[i])
			event_free(signals[i]);
	if (monitor->look)
		event_free(monitor->look);
	if (monitor->destroyed_event)
		event_free(monitor->destroyed_event);
	if (monitor->starter)
		event_free(monitor->starter);
	destroyed_free(monitor->destroyed);
	limits_deinit(&monitor->limits);
	finder_free(monitor->finder);
	/* The engine sees the end of the link, saves what it knows and goes. */
	link_free(monitor->link);
	if (monitor->base)
		event_base_free(monitor->base);
}

/* It must not live on: it would write its state over that of the next daemon's. */
static void bury_engine(int pid)
{
	struct pollfd ended = { .events = POLLIN };
	auto_close int pidfd = -1;

	if (process_open(pid, &pidfd) < 0)
		return;
	ended.fd = pidfd;
	if (poll(&ended, 1, ENGINE_ENDS_MS) == 0) {
		log_warning("the engine process did not end in time and is killed; idle times are "
			    "known as they were saved last");
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	}
	(void)waitpid(pid, NULL, 0);
}

int monitor_run(const struct monitor_options *options)
{
	struct monitor monitor = { .options = options, .ended_fd = -1, .result = 1 };
	struct event *signals[3] = { NULL };
	int r = monitor_init(&monitor, signals);

	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	else
		(void)event_base_dispatch(monitor.base);
	monitor_deinit(&monitor, signals);
	bury_engine(options->engine_pid);
	confine_tell(CONFINE_ENGINE, options->witnesses);
	return monitor.result;
}
