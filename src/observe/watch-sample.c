#include "observe/watch-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "observe/children.h"
#include "observe/socket.h"
#include "observe/terminal.h"
#include "observe/work.h"

/* What reaped children spent is told in ticks, rounded down, while the living are exact: the sum of
 * a tree shrinks by so little when processes end. More than that has left the tree. */
#define WORK_ROUNDING_NS (100 * NS_PER_MS)

/* The wall clock was set: ages of terminals need a look before and after. */
#define CLOCK_STEP_NS (500 * NS_PER_MS)

/* What moved between two samples. */
struct moves {
	uint64_t in, out; /* of the later one, what did not pass its socket, as read first */
	bool net;	  /* anything at all */
	bool plain;	  /* more than the server's own protocol, or that is not known */
	bool listed;	  /* the channels were read anew */
	bool reaped;	  /* a direct child has gone */
};

static int read_io(struct watch *watch, struct sample *sample)
{
	struct procstat_io io;
	int r = process_io(watch->facts.identity.pid, &io);

	if (r == -ESRCH && watch_has_ended(watch))
		return r;
	if (r < 0) {
		watch_note_trouble(watch, r == -ESRCH ? TROUBLE_NO_IO : TROUBLE_IO);
		return 0;
	}
	sample->wchar = io.wchar;
	sample->rchar = io.rchar;
	sample->known |= SAMPLE_IO;
	return 0;
}

static int count_socket(struct watch *watch, struct socket_counters *ret_counters)
{
	auto_close int fd = -1;
	int r;

	if (watch->diag)
		return diag_count(watch->diag, ret_counters);
	r = watch_find_socket(watch, &fd);
	if (r == -EPERM)
		watch_note_trouble(watch, TROUBLE_BORROW);
	return r < 0 ? r : socket_count(fd, ret_counters);
}

static void note_silence(struct watch *watch, const struct socket_counters *counters)
{
	watch->silence_at_ns = clock_ns(CLOCK_MONOTONIC);
	watch->packets_in = counters->packets_in;
	/* Of two counters of 8 bits. */
	watch->asked = (uint16_t)counters->asked;
}

static int read_socket(struct watch *watch, struct sample *sample)
{
	struct socket_counters counters = { 0 };
	int r = count_socket(watch, &counters);

	if (r < 0)
		return r == -ESRCH ? r : 0;
	sample->sent = counters.sent;
	sample->received = counters.received;
	sample->waiting = counters.waiting;
	sample->segments_in = counters.segments_in;
	sample->last_data_recv_ns = counters.last_data_recv_ns;
	sample->last_ack_recv_ns = counters.last_ack_recv_ns;
	sample->acked = counters.acked;
	sample->unsent = counters.unsent;
	sample->known |= SAMPLE_SOCKET | (counters.settled ? SAMPLE_SETTLED : 0);
	note_silence(watch, &counters);
	return 0;
}

/* io first: what moves in between makes the ledger too small, never too large. */
static int read_counters(struct watch *watch, struct sample *sample)
{
	int r;

	sample->known &= ~(uint32_t)(SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_SETTLED);
	r = read_io(watch, sample);
	if (r == 0)
		r = read_socket(watch, sample);
	/* What was read without borrowing may be of a process that got the pid after ours. */
	if (r == 0 && (!(sample->known & SAMPLE_SOCKET) || watch->diag) && watch_has_ended(watch))
		r = -ESRCH;
	return r;
}

/* The parent is who it was as long as the ledger process is its child. */
static int read_parent(const struct watch *watch, struct procstat_io *ret_io)
{
	struct procstat stat;
	int r = process_io(watch->parent, ret_io);

	if (r == 0)
		r = procstat_read(watch->facts.identity.pid, &stat);
	if (r == 0 && stat.parent != watch->parent)
		r = -ESRCH;
	return r;
}

/*
 * What it was asked moves the ledger too. It is read before the counters, which are therefore read again: what is asked
 * in between makes it too small, never too large.
 */
static int ask_parent(struct watch *watch, struct sample *sample, const struct moves *moves)
{
	struct procstat_io io;
	int r = 0;

	if (watch->parent != 0 && moves->plain) {
		if (read_parent(watch, &io) < 0) {
			watch->parent = 0;
			return 0;
		}
		watch->parent_rchar = (uint32_t)io.rchar;
		watch->parent_wchar = (uint32_t)io.wchar;
		r = read_counters(watch, sample);
	}
	if (watch->parent == 0)
		return r;
	sample->parent_rchar = watch->parent_rchar;
	sample->parent_wchar = watch->parent_wchar;
	sample->known |= SAMPLE_PARENT;
	return r;
}

static uint64_t plain_in(const struct sample *sample)
{
	return sample->wchar - sample->sent;
}

static uint64_t plain_out(const struct sample *sample)
{
	return sample->rchar - (sample->received - sample->waiting);
}

static void keep_counters(struct watch *watch, const struct sample *sample,
			  const struct moves *moves)
{
	watch->wchar = sample->wchar;
	watch->rchar = sample->rchar;
	watch->sent = sample->sent;
	watch->received = sample->received;
	/* The kernel has it in an int. */
	watch->waiting = (uint32_t)sample->waiting;
	watch->last_known = sample->known & (SAMPLE_IO | SAMPLE_SOCKET);
	/* The parent was asked for that after it was read: the next sample reads it again. */
	if (watch->parent != 0 &&
	    (plain_in(sample) != moves->in || plain_out(sample) != moves->out))
		watch->last_known = 0;
}

/* With what the last sample kept. */
static struct moves compare_counters(const struct sample *now, const struct watch *last)
{
	const uint32_t both = SAMPLE_IO | SAMPLE_SOCKET;
	uint64_t in = plain_in(now), out = plain_out(now);

	if ((now->known & both) != both || last->last_known != both)
		return (struct moves){ .in = in, .out = out, .net = true, .plain = true };
	return (struct moves){
		.in = in,
		.out = out,
		.net = now->wchar != last->wchar || now->rchar != last->rchar ||
		       now->sent != last->sent || now->received != last->received,
		.plain = in != last->wchar - last->sent ||
			 out != last->rchar - (last->received - last->waiting),
	};
}

static bool all_among(const struct process_list *some, const struct process_list *list)
{
	for (size_t i = 0; i < some->n; i++)
		if (!process_list_has(list, some->pids[i]))
			return false;
	return true;
}

/* Reads the list of direct children; servers have one thread. */
static int read_children(struct watch *watch, struct process_list *ret_children)
{
	struct process_list children = { 0 };
	int r = children_read(watch->facts.identity.pid, 1, &children);

	if (r < 0) {
		process_list_deinit(&children);
		return r;
	}
	*ret_children = children;
	return 0;
}

/*
 * A child that has gone has its whole life's bytes added to the counters: they are read again, so
 * that the jump is certainly in the sample that tells of the reaping. The list is read again too,
 * as the kernel may leave out a living child when another one goes while it is read.
 */
static int read_again(struct watch *watch, struct sample *sample, struct process_list *children)
{
	struct process_list anew = { 0 };
	int r = read_counters(watch, sample);

	if (r == 0)
		r = read_children(watch, &anew);
	if (r < 0)
		return r;
	process_list_deinit(children);
	*children = anew;
	return 0;
}

static int look_at_children(struct watch *watch, struct sample *sample, struct moves *moves,
			    bool *ret_changed)
{
	struct process_list children = { 0 };
	const struct process_list before = watch_children(watch);
	int r = read_children(watch, &children);

	if (r == 0 && !all_among(&before, &children)) {
		r = read_again(watch, sample, &children);
		moves->reaped = r == 0 && !all_among(&before, &children);
		moves->plain = true;
	}
	if (r < 0) {
		process_list_deinit(&children);
		return r;
	}
	*ret_changed = moves->reaped || !all_among(&children, &before);
	watch_keep_children(watch, &children);
	return 0;
}

static bool count_changed(struct watch *watch, const struct moves *moves)
{
	uint64_t n;
	bool changed;

	/* Before Linux 6.2 there is no count: any packet may have opened something. */
	if (process_count_descriptors(watch->facts.identity.pid, &n) < 0) {
		watch->n_descriptors = 0;
		return moves->net;
	}
	changed = (uint32_t)n != watch->n_descriptors;
	watch->n_descriptors = (uint32_t)n;
	return changed;
}

static bool has_process(const struct channels *channels, int32_t pid)
{
	for (size_t i = 0; i < channels->n; i++)
		if (channels->rows[i].facts.pid == pid)
			return true;
	return false;
}

/* What a command has left has no process of its own that would tell: it is of one that is no longer there. */
static bool is_same_channel(const struct watch *watch, const struct channels *new,
			    const struct channel_facts *now, const struct channel_facts *before)
{
	if (now->kind != KIND_EXEC || before->kind != KIND_EXEC)
		return false;
	if (now->pid == 0)
		return before->pid == 0 || !has_process(new, before->pid);
	return !watch->young && now->pid == before->pid && now->start_ticks == before->start_ticks;
}

/* A command keeps the text under which it was seen first, once the shell has had time to become it.
 */
static void keep_commands(struct watch *watch, struct channels *new)
{
	for (size_t i = 0; i < new->n; i++) {
		struct watch_channel *row = &new->rows[i];

		for (size_t j = 0; j < watch->n_channels; j++) {
			struct watch_channel *before = &watch->channels[j];

			if (!before->command ||
			    !is_same_channel(watch, new, &row->facts, &before->facts))
				continue;
			free(row->command);
			row->command = before->command;
			before->command = NULL;
		}
	}
}

static bool is_same_command(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Apart from commands that are kept as they were. */
static bool is_same_list(const struct watch *watch, const struct channels *new)
{
	for (size_t i = 0; i < watch->n_channels && i < new->n; i++) {
		const struct watch_channel *a = &watch->channels[i], *b = &new->rows[i];

		if (memcmp(&a->facts, &b->facts, sizeof(a->facts)) != 0 ||
		    (watch->young && b->facts.pid != 0 && !is_same_command(a->command, b->command)))
			return false;
	}
	return watch->n_channels == new->n;
}

static void keep_samples(const struct watch *watch, struct channels *new)
{
	for (size_t i = 0; i < new->n; i++)
		new->rows[i].last = watch->channels[i].last;
}

static bool learn_user(struct watch *watch, uint32_t child_uid)
{
	const struct server *server = server_get((enum server_id)watch->facts.server);

	if (watch->facts.uid != UINT32_MAX || child_uid == UINT32_MAX)
		return false;
	watch->facts.uid = server->user(0, child_uid);
	return true;
}

/* Takes over the new list. */
static void take_channels(struct watch *watch, struct channels *channels, bool *changed)
{
	if (learn_user(watch, channels->child_uid))
		*changed = true;
	if (is_same_list(watch, channels))
		keep_samples(watch, channels);
	else
		*changed = true;
	keep_commands(watch, channels);
	channels_free(watch->channels, watch->n_channels);
	watch->channels = take_ptr(channels->rows);
	watch->n_channels = (uint8_t)channels->n;
	watch->more = channels->more;
	watch->young = channels->young;
	watch->agent = channels->agent;
	watch->unmeasured = channels->unmeasured;
	channels->n = 0;
}

/* Most sessions have nothing to count. */
static int set_forwards(struct watch *watch, const struct channels *channels)
{
	if (!watch->forward && channels->n_forwards == 0)
		return 0;
	if (!watch->forward)
		watch->forward = calloc(1, sizeof(*watch->forward));
	if (!watch->forward)
		return -ENOMEM;
	return forward_set(watch->forward, watch->pidfd, channels->forwards, channels->n_forwards);
}

static int list_channels(struct watch *watch, bool *changed)
{
	const struct process_list children = watch_children(watch);
	struct channels_query query = {
		.pid = watch->facts.identity.pid,
		.pidfd = watch->pidfd,
		.inode = watch->inode,
		.refused = watch->diag != NULL,
		.server = server_get((enum server_id)watch->facts.server),
		.server_id = (enum server_id)watch->facts.server,
		.children = &children,
	};
	struct channels channels;
	int r = channels_read(&query, &channels);

	watch->listed = false;
	if (r < 0)
		return r;
	if (channels.more)
		watch_note_trouble(watch, TROUBLE_CHANNELS);
	r = set_forwards(watch, &channels);
	watch->listed = r == 0 && channels.complete;
	/* The first ones are better than none: by them the policy is found. */
	if (watch->listed || (r == 0 && channels.more))
		take_channels(watch, &channels, changed);
	channels_deinit(&channels);
	return r;
}

/* Looks at the channels anew when something may have opened or closed one. */
static int look_at_channels(struct watch *watch, struct sample *sample, struct moves *moves,
			    bool *changed)
{
	bool children_changed, must = !watch->listed || watch->young || moves->plain;
	int r;

	if (!must && !moves->net)
		return 0;
	r = look_at_children(watch, sample, moves, &children_changed);
	if (r == 0 && (count_changed(watch, moves) || children_changed || must)) {
		moves->listed = true;
		r = list_channels(watch, changed);
	}
	if (r < 0)
		watch->listed = false;
	if (r == -EACCES)
		watch_note_trouble(watch, TROUBLE_DESCRIPTORS);
	if (r == -EPERM)
		watch_note_trouble(watch, TROUBLE_BORROW);
	return r == -ESRCH && watch_has_ended(watch) ? r : 0;
}

static void sample_forwards(struct watch *watch, struct sample *sample, const struct moves *moves)
{
	const struct forward *forward = watch->forward;
	int r = 0;

	/* A forwarded socket cannot move without the process's counters; but it may have moved when it
	 * could not be read. */
	if (forward && (moves->net || watch->forwards_unread))
		r = forward_read(watch->forward, watch->pidfd);
	watch->forwards_unread = r < 0 && r != -ESTALE;
	sample->forward_written = forward ? forward->written : 0;
	sample->forward_read = forward ? forward->read : 0;
	sample->forward_opened = forward ? forward->opened : 0;
	/* One that has gone since the list was read: what it moved last counts as input. */
	if (r < 0)
		watch->listed = false;
	if (!watch->forwards_unread)
		sample->known |= SAMPLE_FORWARDS;
	if (watch->unmeasured)
		sample->known |= SAMPLE_UNMEASURED;
}

static size_t count_terminals(const struct watch *watch)
{
	size_t n = 0;

	for (size_t i = 0; i < watch->n_channels; i++)
		n += watch->channels[i].facts.tty >= 0;
	return n;
}

/*
 * Nothing reaches or leaves a terminal without moving the ledger, so what was read before still
 * holds. But what waited, or was on its way, may have been read since; and where there are several, each look matters.
 */
static bool is_terminal_due(const struct watch *watch, const struct channel_sample *last,
			    const struct moves *moves)
{
	return moves->plain || watch->moved || moves->listed || !(last->known & TERMINAL_KNOWN) ||
	       (last->known & TERMINAL_PENDING) || count_terminals(watch) > 1;
}

static void sample_terminal(struct watch *watch, size_t i, const struct moves *moves)
{
	struct channel_sample *last = &watch->channels[i].last;
	auto_close int master = -1;

	last->tty = watch->channels[i].facts.tty;
	if (last->tty < 0 || !is_terminal_due(watch, last, moves))
		return;
	last->known = 0;
	if (watch->diag)
		return;
	if (watch_borrow_master(watch, last->tty, &master) < 0)
		watch->listed = false;
	else
		/* One that cannot be opened (exclusive, or hung up) is no lack of the list. */
		(void)terminal_sample(master, last);
}

static void sample_work(struct watch *watch, size_t i, struct channel_sample *sample)
{
	struct watch_channel *row = &watch->channels[i];
	uint64_t now_ns;

	if (row->facts.pid == 0 || work_read(row->facts.pid, &now_ns) < 0)
		return;
	if (now_ns > row->last.work_ns || now_ns + WORK_ROUNDING_NS < row->last.work_ns)
		row->last.work_ns = now_ns;
	sample->work_ns = row->last.work_ns;
	sample->known |= TERMINAL_WORK;
}

static void sample_channels(struct watch *watch, struct sample *sample, const struct moves *moves)
{
	sample->n_channels = watch->n_channels;
	children_hold();
	for (size_t i = 0; i < watch->n_channels; i++) {
		sample_terminal(watch, i, moves);
		sample->channels[i] = watch->channels[i].last;
		if (watch->with_work)
			sample_work(watch, i, &sample->channels[i]);
	}
	children_release();
	if (watch->listed)
		sample->known |= SAMPLE_CHANNELS;
	if (watch->agent)
		sample->known |= SAMPLE_AGENT;
}

/* Nothing waits anywhere, and nothing is to be looked at again. */
static bool is_settled(const struct watch *watch, const struct sample *sample)
{
	static const struct moves none;
	const uint32_t all = SAMPLE_LEDGER | SAMPLE_CHANNELS;

	if (watch->diag || watch->young || (sample->known & all) != all || sample->waiting > 0 ||
	    sample->unsent > 0)
		return false;
	for (size_t i = 0; i < watch->n_channels; i++)
		if (watch->channels[i].facts.tty >= 0 &&
		    is_terminal_due(watch, &watch->channels[i].last, &none))
			return false;
	return true;
}

static void note_sample(struct watch *watch, const struct sample *sample, const struct moves *moves)
{
	watch->sampled_at_ns = sample->from_ns;
	watch->realtime_offset_ns = sample->realtime_offset_ns;
	watch->moved = moves->plain;
	watch->settled = is_settled(watch, sample);
	watch->still_ns = 0;
}

int watch_sample(struct watch *watch, struct sample *ret_sample, bool *ret_changed)
{
	struct sample sample = { .from_ns = clock_ns(CLOCK_MONOTONIC),
				 .still_ns = watch->still_ns };
	bool changed = false;
	struct moves moves;
	int r = read_counters(watch, &sample);

	if (r < 0)
		return r;
	moves = compare_counters(&sample, watch);
	r = ask_parent(watch, &sample, &moves);
	if (r < 0)
		return r;
	r = look_at_channels(watch, &sample, &moves, &changed);
	if (r < 0)
		return r;
	/* They may have been read again. */
	keep_counters(watch, &sample, &moves);
	if (moves.reaped)
		sample.known |= SAMPLE_REAPED;
	sample_forwards(watch, &sample, &moves);
	sample_channels(watch, &sample, &moves);
	sample.n_descriptors = watch->n_descriptors;
	if (watch->n_descriptors > 0)
		sample.known |= SAMPLE_DESCRIPTORS;
	sample.at_ns = clock_ns(CLOCK_MONOTONIC);
	sample.realtime_offset_ns = clock_ns(CLOCK_REALTIME) - sample.at_ns;
	note_sample(watch, &sample, &moves);
	*ret_sample = sample;
	*ret_changed = changed;
	return 0;
}

bool watch_is_still(struct watch *watch)
{
	int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	int64_t stepped_ns = clock_ns(CLOCK_REALTIME) - now_ns - watch->realtime_offset_ns;
	struct socket_counters counters;
	auto_close int fd = -1;

	if (!watch->settled || llabs(stepped_ns) > CLOCK_STEP_NS ||
	    watch_find_socket(watch, &fd) < 0 || socket_count_moves(fd, &counters) < 0)
		return false;
	note_silence(watch, &counters);
	/* A client's machine that does not answer is for a sample to tell of. */
	if (counters.sent != watch->sent || counters.received != watch->received ||
	    counters.asked > 0)
		return false;
	watch->still_ns = now_ns;
	return true;
}
