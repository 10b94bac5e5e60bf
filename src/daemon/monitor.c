#include "daemon/monitor.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "act/cut.h"
#include "act/hangup.h"
#include "act/notice.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/clock.h"
#include "daemon/link.h"
#include "observe/finder.h"
#include "observe/process.h"
#include "observe/watch.h"

/* The first look at a big host is done in slices, so that nothing else has to wait long. */
#define LOOK_SLICE_NS (5 * NS_PER_MS)

struct monitored {
	struct monitor *monitor;
	struct watch *watch;
	struct event *ended; /* the pidfd */
	struct event *step;  /* timer of cut or hang-up */
	struct cut *cut;
	struct hangup *hangup;
	uint32_t handle;
	bool server_ended;
};

struct monitor {
	struct event_base *base;
	struct link *link;
	struct finder *finder;
	struct event *look;
	struct monitored **sessions; /* by slot; NULL is free */
	size_t n_slots;
	const struct monitor_options *options;
	int64_t look_every_ns;
	uint32_t generation;
	bool ready, looked;
	int result;
};

/* A handle is a slot and a number that makes it unlike the slot's earlier ones. */
#define SLOT_BITS 16
#define SLOT_MASK ((1u << SLOT_BITS) - 1)

static struct monitored *find(const struct monitor *monitor, uint32_t handle)
{
	uint32_t slot = handle & SLOT_MASK;

	if (slot >= monitor->n_slots || !monitor->sessions[slot] ||
	    monitor->sessions[slot]->handle != handle)
		return NULL;
	return monitor->sessions[slot];
}

static int new_slot(struct monitor *monitor, uint32_t *ret_slot)
{
	struct monitored **more;
	size_t n = monitor->n_slots == 0 ? 64 : monitor->n_slots * 2;

	for (uint32_t slot = 0; slot < monitor->n_slots; slot++) {
		if (!monitor->sessions[slot]) {
			*ret_slot = slot;
			return 0;
		}
	}
	if (n > SLOT_MASK)
		return -ENOSPC;
	more = realloc(monitor->sessions, n * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memset(more + monitor->n_slots, 0, (n - monitor->n_slots) * sizeof(*more));
	*ret_slot = (uint32_t)monitor->n_slots;
	monitor->sessions = more;
	monitor->n_slots = n;
	return 0;
}

static void send_message(struct monitor *monitor, enum link_type type, const void *message,
			 size_t size)
{
	if (link_send(monitor->link, type, message, size) < 0) {
		log_error("out of memory");
		event_base_loopbreak(monitor->base);
	}
}

static void monitored_free(struct monitored *monitored)
{
	struct monitor *monitor = monitored->monitor;

	monitor->sessions[monitored->handle & SLOT_MASK] = NULL;
	if (monitored->ended)
		event_free(monitored->ended);
	if (monitored->step)
		event_free(monitored->step);
	cut_free(monitored->cut);
	hangup_free(monitored->hangup);
	finder_forget(monitor->finder, &watch_facts(monitored->watch)->identity);
	watch_free(monitored->watch);
	free(monitored);
}

static void monitored_close(struct monitored *monitored)
{
	struct link_closed message = { .handle = monitored->handle };

	send_message(monitored->monitor, LINK_CLOSED, &message, sizeof(message));
	monitored_free(monitored);
}

static void send_trouble(struct monitored *monitored)
{
	const char *text = watch_trouble(monitored->watch);
	struct link_trouble message = { .handle = monitored->handle };

	if (!text)
		return;
	(void)text_copy(text, message.text, sizeof(message.text));
	send_message(monitored->monitor, LINK_TROUBLE, &message, sizeof(message));
}

static void send_channels(struct monitored *monitored, const struct sample *sample)
{
	struct link_channels message = { .handle = monitored->handle,
					 .from_ns = sample->from_ns,
					 .at_ns = sample->at_ns };
	const struct channel_facts *channels;
	size_t n;

	channels = watch_channels(monitored->watch, &n);
	if (n > FACTS_CHANNELS_MAX)
		n = FACTS_CHANNELS_MAX;
	message.uid = watch_facts(monitored->watch)->uid;
	message.n_channels = (uint32_t)n;
	memcpy(message.channels, channels, n * sizeof(*channels));
	for (size_t i = 0; i < n; i++)
		if (channels[i].pid != 0)
			message.channels[i].started_at_ns =
				clock_now_ns() - process_age_ns(channels[i].start_ticks);
	send_message(monitored->monitor, LINK_CHANNELS, &message,
		     link_channels_bytes(message.n_channels));
}

/* Takes a sample and sends it, with the list of channels before it when that is new. */
static void send_sample(struct monitored *monitored, bool with_channels)
{
	struct link_sampled message = { .handle = monitored->handle };
	bool changed = false;
	int r = watch_sample(monitored->watch, &message.sample, &changed);

	if (r == -ESRCH)
		return; /* it has ended: its pidfd says so */
	if (r < 0)
		message.sample =
			(struct sample){ .from_ns = clock_now_ns(), .at_ns = clock_now_ns() };
	send_trouble(monitored);
	if (changed || with_channels)
		send_channels(monitored, &message.sample);
	send_message(monitored->monitor, LINK_SAMPLED, &message,
		     link_sampled_bytes(message.sample.n_channels));
}

static void schedule_step(struct monitored *monitored, int64_t at_ns)
{
	struct timeval after = clock_until(at_ns);

	if (at_ns != TIME_NEVER)
		(void)event_add(monitored->step, &after);
}

static void finish_cut(struct monitored *monitored)
{
	struct order_cut_done done = { .handle = monitored->handle };

	cut_result(monitored->cut, &done);
	send_message(monitored->monitor, LINK_CUT_DONE, &done, sizeof(done));
	cut_free(monitored->cut);
	monitored->cut = NULL;
	if (monitored->server_ended)
		monitored_close(monitored);
	else
		send_sample(monitored, true);
}

static void finish_hangup(struct monitored *monitored)
{
	struct order_hangup_done done = { .handle = monitored->handle };

	hangup_result(monitored->hangup, &done);
	send_message(monitored->monitor, LINK_HANGUP_DONE, &done, sizeof(done));
	hangup_free(monitored->hangup);
	monitored->hangup = NULL;
}

static void step(struct monitored *monitored)
{
	int64_t again_ns = TIME_NEVER;

	if (monitored->hangup) {
		again_ns = hangup_step(monitored->hangup, clock_now_ns());
		if (again_ns == TIME_NEVER)
			finish_hangup(monitored);
	}
	if (monitored->cut) {
		again_ns = cut_step(monitored->cut, monitored->server_ended, clock_now_ns());
		if (again_ns == TIME_NEVER) {
			finish_cut(monitored);
			return;
		}
	}
	if (again_ns != TIME_NEVER)
		schedule_step(monitored, again_ns);
}

static void on_step(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	step(context);
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
	struct monitored *monitored = context;

	(void)fd;
	(void)what;
	(void)event_del(monitored->ended);
	monitored->server_ended = true;
	if (monitored->hangup)
		finish_hangup(monitored);
	if (monitored->cut)
		step(monitored);
	else
		monitored_close(monitored);
}

static int monitored_new(struct monitor *monitor, struct watch *watch, struct monitored **ret)
{
	struct monitored *monitored;
	uint32_t slot;
	int r = new_slot(monitor, &slot);

	if (r < 0)
		return r;
	monitored = calloc(1, sizeof(*monitored));
	if (!monitored)
		return -ENOMEM;
	monitored->monitor = monitor;
	monitored->ended = event_new(monitor->base, watch_pidfd(watch), EV_READ | EV_PERSIST,
				     on_ended, monitored);
	monitored->step = evtimer_new(monitor->base, on_step, monitored);
	if (!monitored->ended || !monitored->step || event_add(monitored->ended, NULL) < 0) {
		if (monitored->ended)
			event_free(monitored->ended);
		if (monitored->step)
			event_free(monitored->step);
		free(monitored);
		return -ENOMEM;
	}
	monitored->watch = watch;
	monitored->handle = (++monitor->generation << SLOT_BITS) | slot;
	monitor->sessions[slot] = monitored;
	*ret = monitored;
	return 0;
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
	send_message(monitor, LINK_OPENED, &message, sizeof(message));
	watch_set_work_rhythm(watch, 1);
	send_sample(monitored, true);
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
	send_message(monitor, LINK_TROUBLE, &message, sizeof(message));
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct monitor *monitor = context;
	int64_t now_ns = clock_now_ns(), next_ns = monitor->look_every_ns;
	struct timeval after;
	int r = finder_look(monitor->finder, now_ns, LOOK_SLICE_NS);

	(void)fd;
	(void)what;
	if (r < 0)
		log_error("/proc cannot be read: %s; no new sessions are found", strerror(-r));
	send_finder_trouble(monitor);
	if (r == 1)
		next_ns = NS_PER_MS;
	if (r != 1 && !monitor->looked) {
		monitor->looked = true;
		send_message(monitor, LINK_LOOKED, &(struct link_closed){ 0 },
			     sizeof(struct link_closed));
		become_ready(monitor);
	}
	after = clock_until(now_ns + next_ns);
	(void)event_add(monitor->look, &after);
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

	if (settings->look_every_ns < 10 * NS_PER_MS || settings->look_every_ns > 60 * NS_PER_S)
		return -EPROTO;
	monitor->look_every_ns = settings->look_every_ns;
	link_set_stage(monitor->link, LINK_RUNNING);
	if (first)
		on_look(-1, 0, monitor);
	return 0;
}

static int take_sample(void *context, const void *message)
{
	const struct link_sample *request = message;
	struct monitored *monitored = find(context, request->handle);

	if (!monitored || monitored->cut)
		return 0; /* ended, or ending, while the request was on its way */
	watch_set_work_rhythm(monitored->watch, request->with_work ? 1 : 0);
	send_sample(monitored, false);
	return 0;
}

static int take_warn(void *context, const void *message)
{
	const struct order_warn *order = message;
	struct monitored *monitored = find(context, order->handle);
	struct link_warned reply = { .handle = order->handle };
	struct notice_result result;

	if (!terminated(order->text))
		return -EPROTO;
	if (!monitored)
		return 0;
	result = notice_show(monitored->watch, order->tty, order->text);
	reply.reached = result.reached;
	reply.missed = result.missed;
	reply.bytes = result.bytes;
	send_message(context, LINK_WARNED, &reply, sizeof(reply));
	return 0;
}

static void refuse_cut(struct monitored *monitored, int result)
{
	struct order_cut_done done = { .handle = monitored->handle, .result = result };

	send_message(monitored->monitor, LINK_CUT_DONE, &done, sizeof(done));
	send_sample(monitored, true);
}

static int take_cut(void *context, const void *message)
{
	const struct order_cut *order = message;
	struct monitored *monitored = find(context, order->handle);
	int r;

	if (!terminated(order->text))
		return -EPROTO;
	if (!monitored || monitored->cut || monitored->server_ended)
		return 0;
	r = cut_new(monitored->watch, order, clock_now_ns(), &monitored->cut);
	if (r < 0)
		refuse_cut(monitored, r);
	else
		step(monitored);
	return 0;
}

static int take_hangup(void *context, const void *message)
{
	const struct order_hangup *order = message;
	struct monitored *monitored = find(context, order->handle);
	struct order_hangup_done done = { .handle = order->handle, .tty = order->tty };
	struct link_warned shown = { .handle = order->handle };

	if (!terminated(order->text))
		return -EPROTO;
	if (!monitored || monitored->cut || monitored->server_ended)
		return 0;
	done.result = monitored->hangup ? -EBUSY
					: hangup_new(monitored->watch, order, clock_now_ns(),
						     &monitored->hangup);
	if (done.result < 0) {
		send_message(context, LINK_HANGUP_DONE, &done, sizeof(done));
		send_sample(monitored, true);
	} else {
		shown.bytes = hangup_notice_bytes(monitored->hangup);
		send_message(context, LINK_WARNED, &shown, sizeof(shown));
		step(monitored);
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
	(void)number;
	(void)what;
	send_message(context, LINK_RELOAD, &(struct link_closed){ 0 }, sizeof(struct link_closed));
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
	r = finder_new(on_found, monitor, &monitor->finder);
	if (r < 0)
		return r;
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
	for (uint32_t slot = 0; slot < monitor->n_slots; slot++)
		if (monitor->sessions[slot])
			monitored_free(monitor->sessions[slot]);
	free(monitor->sessions);
	for (int i = 0; i < 3; i++)
		if (signals[i])
			event_free(signals[i]);
	if (monitor->look)
		event_free(monitor->look);
	finder_free(monitor->finder);
	/* The engine sees the end of the link, saves what it knows and goes. */
	link_free(monitor->link);
	if (monitor->base)
		event_base_free(monitor->base);
}

int monitor_run(const struct monitor_options *options)
{
	struct monitor monitor = { .options = options, .result = 1 };
	struct event *signals[3] = { NULL };
	int r = monitor_init(&monitor, signals);

	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	else
		(void)event_base_dispatch(monitor.base);
	monitor_deinit(&monitor, signals);
	(void)waitpid(options->engine_pid, NULL, 0);
	return monitor.result;
}
