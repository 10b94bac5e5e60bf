#include "daemon/monitored.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "act/ping.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/clock.h"
#include "observe/process.h"

/* The kernel destroys a connection's socket when the last process that holds it has closed it:
 * sshd's monitor does so after the session's process has ended. */
#define WORDS_FOR_NS (200 * NS_PER_MS)

/* A handle is a slot and a number that makes it unlike the slot's earlier ones. */
#define SLOT_BITS 16
#define SLOT_MASK ((1u << SLOT_BITS) - 1)

/* Those of one turn of the monitor's loop. */
#define ENDED_AT_ONCE 64

struct monitored *monitored_find(const struct monitor *monitor, uint32_t handle)
{
	uint32_t slot = handle & SLOT_MASK;

	if (slot >= monitor->n_slots || !monitor->sessions[slot].watch ||
	    monitor->sessions[slot].handle != handle)
		return NULL;
	return &monitor->sessions[slot];
}

static int new_slot(struct monitor *monitor, uint32_t *ret_slot)
{
	size_t slot = monitor->maybe_free;

	while (slot < monitor->n_slots && monitor->sessions[slot].watch)
		slot++;
	monitor->maybe_free = slot;
	if (slot == monitor->size) {
		size_t size = monitor->size == 0 ? 64 : monitor->size * 2;
		struct monitored *more;

		if (size > SLOT_MASK)
			return -ENOSPC;
		more = realloc(monitor->sessions, size * sizeof(*more));
		if (!more)
			return -ENOMEM;
		monitor->sessions = more;
		monitor->size = size;
	}
	/* What is beyond was never touched, and takes no memory. */
	if (slot == monitor->n_slots)
		monitor->sessions[monitor->n_slots++] = (struct monitored){ .watch = NULL };
	*ret_slot = (uint32_t)slot;
	return 0;
}

static uint64_t cookie_of(const struct monitored *monitored)
{
	return watch_facts(monitored->watch)->identity.cookie;
}

/* Also while others hold copies of the pidfd. */
static void forget_end(const struct monitored *monitored)
{
	(void)epoll_ctl(monitored->monitor->ended_fd, EPOLL_CTL_DEL, watch_pidfd(monitored->watch),
			NULL);
}

static void acts_free(struct acts *acts)
{
	if (!acts)
		return;
	if (acts->step)
		event_free(acts->step);
	cut_free(acts->cut);
	park_free(acts->park);
	hangup_free(acts->hangup);
	free(acts);
}

void monitored_free(struct monitored *monitored)
{
	struct monitor *monitor = monitored->monitor;
	const uint32_t slot = monitored->handle & SLOT_MASK;

	forget_end(monitored);
	quiet_end(monitor->quiet, slot);
	acts_free(monitored->acts);
	finder_forget(monitor->finder, &watch_facts(monitored->watch)->identity);
	if (monitor->destroyed)
		destroyed_forget(monitor->destroyed, cookie_of(monitored));
	watch_free(monitored->watch);
	*monitored = (struct monitored){ .watch = NULL };
	if (slot < monitor->maybe_free)
		monitor->maybe_free = slot;
}

void monitored_free_all(struct monitor *monitor)
{
	for (size_t slot = 0; slot < monitor->n_slots; slot++)
		if (monitor->sessions[slot].watch)
			monitored_free(&monitor->sessions[slot]);
	free(monitor->sessions);
	monitor->sessions = NULL;
	monitor->n_slots = monitor->size = monitor->maybe_free = 0;
}

bool monitored_is_ending(const struct monitored *monitored)
{
	return monitored->acts && (monitored->acts->cut || monitored->acts->park);
}

static void monitored_close(struct monitored *monitored)
{
	struct link_closed message = { .handle = monitored->handle };

	if (monitored->acts)
		message.last_words = monitored->acts->last_words;
	monitor_send(monitored->monitor, LINK_CLOSED, &message, sizeof(message));
	monitored_free(monitored);
}

static void send_trouble(struct monitored *monitored)
{
	const char *text = watch_trouble(monitored->watch);
	struct link_trouble message = { .handle = monitored->handle };

	if (!text)
		return;
	(void)text_copy(text, message.text, sizeof(message.text));
	monitor_send(monitored->monitor, LINK_TROUBLE, &message, sizeof(message));
}

static void send_channels(struct monitored *monitored, const struct sample *sample)
{
	struct link_channels message = { .handle = monitored->handle,
					 .from_ns = sample->from_ns,
					 .at_ns = sample->at_ns };
	const struct watch_channel *channels;
	size_t n;

	channels = watch_channels(monitored->watch, &n);
	if (n > FACTS_CHANNELS_MAX)
		n = FACTS_CHANNELS_MAX;
	message.uid = watch_facts(monitored->watch)->uid;
	message.n_channels = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		struct link_channel *row = &message.channels[i];

		row->facts = channels[i].facts;
		if (row->facts.pid != 0)
			row->facts.started_at_ns =
				clock_now_ns() - process_age_ns(row->facts.start_ticks);
		if (channels[i].command)
			(void)text_copy(channels[i].command, row->command, sizeof(row->command));
	}
	monitor_send(monitored->monitor, LINK_CHANNELS, &message,
		     link_channels_bytes(message.n_channels));
}

/* The last words matter where the client's machine has not answered: the kernel may give it up. */
static void expect_words(struct monitored *monitored)
{
	const struct session_facts *facts = watch_facts(monitored->watch);
	struct destroyed *destroyed = monitored->monitor->destroyed;

	if (!destroyed)
		return;
	if (watch_silence(monitored->watch).asked == 0)
		destroyed_forget(destroyed, facts->identity.cookie);
	else if (destroyed_add(destroyed, facts->identity.cookie, facts->local_port) < 0)
		log_warning("out of memory; a lost connection may end without its reason");
}

static void tell_ping_refused(struct monitor *monitor)
{
	struct link_trouble message = { .handle = 0 };

	if (monitor->ping_refused)
		return;
	monitor->ping_refused = true;
	(void)text_copy("clients cannot be pinged (CAP_NET_ADMIN is missing); those that are lost "
			"are left to the kernel, which takes three times as long",
			message.text, sizeof(message.text));
	monitor_send(monitor, LINK_TROUBLE, &message, sizeof(message));
}

static void ping(struct monitored *monitored, struct sample *sample)
{
	int64_t now_ns = clock_now_ns();
	int r = monitored_make_acts(monitored);

	if (r == 0)
		r = limits_take_ping(&monitored->acts->limits, now_ns) ? ping_send(monitored->watch)
								       : -ENOTCONN;
	if (r == 0)
		sample->pinged_at_ns = now_ns;
	else if (r != -ENOTCONN)
		sample->known |= SAMPLE_NO_PING;
	/* That nothing can be borrowed was told for all. */
	if (r == -EPERM && !watch_is_refused(monitored->watch))
		tell_ping_refused(monitored->monitor);
}

void monitored_sample(struct monitored *monitored, bool with_channels, bool with_ping)
{
	struct link_sampled message = { .handle = monitored->handle };
	bool changed = false;
	int r = watch_sample(monitored->watch, &message.sample, &changed);

	quiet_end(monitored->monitor->quiet, monitored->handle & SLOT_MASK);
	if (r == -ESRCH)
		return; /* it has ended: its pidfd says so */
	if (r < 0)
		message.sample =
			(struct sample){ .from_ns = clock_now_ns(), .at_ns = clock_now_ns() };
	if (with_ping)
		ping(monitored, &message.sample);
	expect_words(monitored);
	send_trouble(monitored);
	if (changed || with_channels)
		send_channels(monitored, &message.sample);
	monitor_send(monitored->monitor, LINK_SAMPLED, &message,
		     link_sampled_bytes(message.sample.n_channels));
}

void monitored_rest(struct monitored *monitored, int64_t since_ns, int64_t every_ns)
{
	struct monitor *monitor = monitored->monitor;

	if (watch_sampled_at_ns(monitored->watch) != since_ns)
		return;
	if (quiet_begin(monitor->quiet, monitored->handle & SLOT_MASK, every_ns) < 0)
		monitor_fail(monitor);
}

bool monitored_look(void *context, uint32_t slot)
{
	struct monitor *monitor = context;
	struct monitored *monitored = &monitor->sessions[slot];

	if (monitored_is_ending(monitored))
		return false;
	if (watch_is_still(monitored->watch))
		return true;
	monitored_sample(monitored, false, false);
	return false;
}

static void schedule_step(struct monitored *monitored, int64_t at_ns)
{
	if (at_ns != TIME_NEVER && monitored->acts && monitored->acts->step)
		clock_ring(monitored->acts->step, at_ns);
}

static void tell_rough(struct monitor *monitor, int why)
{
	struct link_trouble message = { .handle = 0 };

	if (why == 0 || monitor->rough)
		return;
	monitor->rough = true;
	(void)snprintf(
		message.text, sizeof(message.text),
		"userfaultfd(2) is refused (%s): a program that prints at full speed may lose a "
		"line end when it is parked",
		strerror(-why));
	monitor_send(monitor, LINK_TROUBLE, &message, sizeof(message));
}

static void finish_cut(struct monitored *monitored)
{
	struct order_cut_done done = { .handle = monitored->handle };
	struct acts *acts = monitored->acts;

	if (acts->park) {
		tell_rough(monitored->monitor, park_is_rough(acts->park));
		park_result(acts->park, &done);
	} else {
		cut_result(acts->cut, &done);
	}
	if (done.result < 0)
		limits_give_back(&monitored->monitor->limits, monitored->asked,
				 watch_facts(monitored->watch), acts->ended_at_ns);
	monitor_send(monitored->monitor, LINK_CUT_DONE, &done, sizeof(done));
	cut_free(acts->cut);
	park_free(acts->park);
	acts->cut = NULL;
	acts->park = NULL;
	if (monitored->server_ended) {
		monitored_close(monitored);
		return;
	}
	monitored_sample(monitored, true, false);
	/* They share a timer. */
	if (acts->hangup)
		schedule_step(monitored, clock_now_ns());
}

static void finish_hangup(struct monitored *monitored)
{
	struct order_hangup_done done = { .handle = monitored->handle };

	hangup_result(monitored->acts->hangup, &done);
	monitor_send(monitored->monitor, LINK_HANGUP_DONE, &done, sizeof(done));
	hangup_free(monitored->acts->hangup);
	monitored->acts->hangup = NULL;
}

static int64_t step_end(struct monitored *monitored)
{
	const struct acts *acts = monitored->acts;

	if (acts->park)
		return park_step(acts->park, monitored->server_ended, clock_now_ns());
	return cut_step(acts->cut, monitored->server_ended, clock_now_ns());
}

void monitored_step(struct monitored *monitored)
{
	int64_t again_ns = TIME_NEVER;

	if (monitored->server_ended && !monitored_is_ending(monitored)) {
		monitored_close(monitored);
		return;
	}
	if (monitored->acts && monitored->acts->hangup) {
		again_ns = hangup_step(monitored->acts->hangup, clock_now_ns());
		if (again_ns == TIME_NEVER)
			finish_hangup(monitored);
	}
	if (monitored_is_ending(monitored)) {
		again_ns = step_end(monitored);
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
	const struct acts *acts = context;

	(void)fd;
	(void)what;
	monitored_step(monitored_find(acts->monitor, acts->handle));
}

int monitored_make_acts(struct monitored *monitored)
{
	if (monitored->acts)
		return 0;
	monitored->acts = calloc(1, sizeof(*monitored->acts));
	if (!monitored->acts)
		return -ENOMEM;
	monitored->acts->monitor = monitored->monitor;
	monitored->acts->handle = monitored->handle;
	return 0;
}

int monitored_make_timer(struct monitored *monitored)
{
	struct acts *acts;

	if (monitored_make_acts(monitored) < 0)
		return -ENOMEM;
	acts = monitored->acts;
	if (!acts->step)
		acts->step = evtimer_new(monitored->monitor->base, on_step, acts);
	return acts->step ? 0 : -ENOMEM;
}

static bool waits_for_words(const struct monitored *monitored)
{
	const struct destroyed *destroyed = monitored->monitor->destroyed;

	return destroyed && destroyed_wants(destroyed, cookie_of(monitored));
}

static void take_end(struct monitored *monitored)
{
	forget_end(monitored);
	/* It is told again where that has failed. */
	if (monitored->server_ended)
		return;
	monitored->server_ended = true;
	if (monitored->acts && monitored->acts->hangup)
		finish_hangup(monitored);
	if (!monitored_is_ending(monitored) && waits_for_words(monitored) &&
	    monitored_make_timer(monitored) == 0)
		schedule_step(monitored, clock_now_ns() + WORDS_FOR_NS);
	else
		monitored_step(monitored);
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
	struct epoll_event events[ENDED_AT_ONCE];
	int n = epoll_wait(fd, events, ENDED_AT_ONCE, 0);

	(void)what;
	for (int i = 0; i < n; i++) {
		struct monitored *monitored = monitored_find(context, events[i].data.u32);

		if (monitored)
			take_end(monitored);
	}
}

int monitored_listen(struct monitor *monitor)
{
	monitor->ended_fd = epoll_create1(EPOLL_CLOEXEC);
	if (monitor->ended_fd < 0)
		return -errno;
	monitor->ended = event_new(monitor->base, monitor->ended_fd, EV_READ | EV_PERSIST, on_ended,
				   monitor);
	return monitor->ended && event_add(monitor->ended, NULL) == 0 ? 0 : -ENOMEM;
}

void monitored_stop_listening(struct monitor *monitor)
{
	if (monitor->ended)
		event_free(monitor->ended);
	cleanup_close(&monitor->ended_fd);
}

/* Something came after the last look that was neither an acknowledgement nor data: a reset. */
static bool was_reset(const struct watch_silence *silence, const struct destroyed_words *words)
{
	int64_t age_ns = words->last_ack_recv_ns < words->last_data_recv_ns
				 ? words->last_ack_recv_ns
				 : words->last_data_recv_ns;

	return clock_now_ns() - age_ns < silence->at_ns && words->packets_in != silence->packets_in;
}

static struct monitored *find_cookie(const struct monitor *monitor, uint64_t cookie)
{
	for (size_t slot = 0; slot < monitor->n_slots; slot++)
		if (monitor->sessions[slot].watch && cookie_of(&monitor->sessions[slot]) == cookie)
			return &monitor->sessions[slot];
	return NULL;
}

void monitored_take_words(void *monitor, uint64_t cookie, const struct destroyed_words *words)
{
	struct monitored *monitored = find_cookie(monitor, cookie);
	struct watch_silence silence;

	if (!monitored)
		return;
	silence = watch_silence(monitored->watch);
	/* Without memory its end has no reason in the log, that is all. */
	if (monitored_make_acts(monitored) == 0)
		monitored->acts->last_words = (struct link_last_words){
			.last_data_recv_ns = words->last_data_recv_ns,
			.last_ack_recv_ns = words->last_ack_recv_ns,
			.known = 1,
			.probes = words->probes,
			.retransmits = words->retransmits,
			.from_peer = was_reset(&silence, words),
		};
	if (monitored->server_ended && !monitored_is_ending(monitored))
		monitored_close(monitored);
}

void monitored_leave(struct monitor *monitor)
{
	for (size_t slot = 0; slot < monitor->n_slots; slot++) {
		const struct monitored *monitored = &monitor->sessions[slot];

		if (monitored->acts)
			(void)keepalive_put_back(&monitored->acts->keepalive, monitored->watch);
	}
}

int monitored_new(struct monitor *monitor, struct watch *watch, struct monitored **ret_monitored)
{
	struct epoll_event readable = { .events = EPOLLIN };
	struct monitored *monitored;
	uint32_t slot;
	int r = new_slot(monitor, &slot);

	if (r < 0)
		return r;
	readable.data.u32 = (++monitor->generation << SLOT_BITS) | slot;
	if (epoll_ctl(monitor->ended_fd, EPOLL_CTL_ADD, watch_pidfd(watch), &readable) < 0)
		return -errno;
	monitored = &monitor->sessions[slot];
	*monitored = (struct monitored){ .monitor = monitor,
					 .watch = watch,
					 .handle = readable.data.u32 };
	*ret_monitored = monitored;
	return 0;
}
