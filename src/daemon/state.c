#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

/* Another format is another number: then the old state is not taken up. */
#define STATE_FORMAT	1
#define STATE_BYTES_MAX (64 << 20)
#define BOOT_ID_BYTES	64

/* Found by its cookie: one after the other, 10,000 sessions would take many seconds. */
struct state_row {
	uint64_t cookie;
	json_t *saved; /* NULL: it was taken up */
};

struct state {
	json_t *sessions;	/* array */
	struct state_row *rows; /* by ascending cookie */
	size_t n_rows;
	uint32_t next_id;
};

/* The clock that all times are on begins anew with each boot. */
static int read_boot_id(char ret_id[static BOOT_ID_BYTES])
{
	auto_fclose FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(ret_id, BOOT_ID_BYTES, file))
		return -EIO;
	ret_id[strcspn(ret_id, "\n")] = '\0';
	return 0;
}

/* --- writing --- */

static json_t *bounds_json(const struct bounds *bounds)
{
	return json_pack("[II]", (json_int_t)bounds->earliest_ns, (json_int_t)bounds->latest_ns);
}

static json_t *identity_json(const struct session_identity *identity)
{
	return json_pack("{sI sI si}", "cookie", (json_int_t)identity->cookie, "start_ticks",
			 (json_int_t)identity->start_ticks, "pid", identity->pid);
}

static json_t *rekeys_json(const struct ledger *ledger)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < ledger->n_rekeys; i++)
		(void)json_array_append_new(
			array, json_pack("[III]", (json_int_t)ledger->rekeys[i].in_bytes,
					 (json_int_t)ledger->rekeys[i].out_bytes,
					 (json_int_t)ledger->rekeys[i].seen));
	return array;
}

/* The high-water marks stand without forwarded traffic, which a new daemon counts from zero. */
static json_t *ledger_json(const struct ledger *ledger)
{
	const struct ledger_counts *last = &ledger->last;

	if (!ledger->primed)
		return json_null();
	return json_pack(
		"{sI sI sI sI sI sI sI sI sI sI sb so}", "high_in",
		ledger->high_in + (json_int_t)last->forward_written, "high_out",
		ledger->high_out + (json_int_t)last->forward_read, "wchar", (json_int_t)last->wchar,
		"rchar", (json_int_t)last->rchar, "sent", (json_int_t)last->sent, "received",
		(json_int_t)last->received, "segments_in", (json_int_t)last->segments_in, "waiting",
		(json_int_t)last->waiting, "notice_until", (json_int_t)ledger->notice_until_ns,
		"notice_bytes", (json_int_t)ledger->notice_bytes, "unusable", ledger->unusable,
		"rekeys", rekeys_json(ledger));
}

static json_t *channel_json(const struct channel *channel)
{
	const struct channel_notes *notes = session_channel_notes(channel);
	const struct channel_identity *facts = &channel->facts;

	return json_pack("{si si si sI so so so sI sI sI sI sI si sb}", "kind", (int)facts->kind,
			 "tty", facts->tty, "pid", facts->pid, "start_ticks",
			 (json_int_t)facts->start_ticks, "opened", bounds_json(&channel->opened),
			 "input", bounds_json(&channel->input), "work", bounds_json(&channel->work),
			 "warned_at", (json_int_t)notes->warned_at_ns, "hung_up_at",
			 (json_int_t)notes->hung_up_at_ns, "work_anchor",
			 (json_int_t)notes->work_anchor_ns, "work_anchor_at",
			 (json_int_t)notes->work_anchor_at_ns, "atime",
			 (json_int_t)channel->last.atime_s, "known", (int)channel->last.known,
			 "primed", (channel->last.known & TERMINAL_KNOWN) != 0);
}

/* Sizes of the server's probes that were seen answered. */
static json_t *answered_json(const struct liveness *liveness)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < LIVENESS_SIZES_MAX; i++)
		if (liveness_answered(liveness, i) != 0)
			(void)json_array_append_new(
				array, json_integer((json_int_t)liveness_answered(liveness, i)));
	return array;
}

/* What is to be put back; nothing where nothing was changed. */
static json_t *keepalive_json(const struct session *session)
{
	const struct session_keepalive *keepalive = session->keepalive;
	const struct order_keepalive *original;

	if (!keepalive || !keepalive->changed)
		return NULL;
	original = &keepalive->original;
	return json_pack("[iiiii]", original->on, original->idle_s, original->interval_s,
			 original->count, original->user_timeout_ms);
}

static json_t *session_json(const struct session *session)
{
	const struct session_notes *notes = session_notes(session);
	json_t *channels = json_array(), *uses = json_array();

	for (size_t i = 0; i < session->n_channels; i++)
		(void)json_array_append_new(channels, channel_json(&session->channels[i]));
	for (int use = 0; use < USE_N; use++)
		(void)json_array_append_new(uses, bounds_json(&session->uses[use]));
	return json_pack(
		"{sI so sI sI sI sI sI sI sI sI sI sI so so so so so so* ss*}", "id",
		(json_int_t)session->id, "identity", identity_json(&session->facts.identity), "uid",
		(json_int_t)session->facts.uid, "observed_at", (json_int_t)session->observed_at_ns,
		"realtime_offset", (json_int_t)session->realtime_offset_ns, "rekey_from",
		(json_int_t)session->rekey_from_ns, "answer_from",
		(json_int_t)session->answer_from_ns, "first_seen",
		(json_int_t)session->first_seen_ns, "warned_at", (json_int_t)notes->warned_at_ns,
		"reported_at", (json_int_t)notes->reported_at_ns, "unresponsive_reported_at",
		(json_int_t)notes->unresponsive_reported_at_ns, "kept_until",
		(json_int_t)notes->kept_until_ns, "uses", uses, "unsure",
		bounds_json(&session->unsure), "channels", channels, "ledger",
		ledger_json(&session->ledger), "answered", answered_json(&session->liveness),
		"keepalive", keepalive_json(session), "record", session->record);
}

static int put(FILE *stream, const char *text)
{
	errno = 0;
	if (fputs(text, stream) >= 0)
		return 0;
	return errno != 0 ? -errno : -EIO;
}

/* One session at a time: as one object, ten thousand of them take 70 MB. */
static int write_sessions(FILE *stream,
			  const struct session *(*next)(void *context, const struct session *after),
			  void *context)
{
	const char *before = "";

	for (const struct session *session = next(context, NULL); session;
	     session = next(context, session)) {
		auto_free char *text = NULL;
		json_t *object;
		int r;

		if (session->n_channels == 0)
			continue;
		object = session_json(session);
		text = object ? json_dumps(object, JSON_COMPACT) : NULL;
		json_decref(object);
		if (!text)
			return -ENOMEM;
		r = put(stream, before);
		if (r == 0)
			r = put(stream, text);
		if (r < 0)
			return r;
		before = ",";
	}
	return 0;
}

/* A file that nobody else has opened. */
static int create(const char *path, FILE **ret_stream)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	*ret_stream = fd < 0 ? NULL : fdopen(fd, "w");
	if (!*ret_stream)
		return -errno;
	(void)take_fd(&fd);
	return 0;
}

int state_save(const char *file, uint32_t next_id,
	       const struct session *(*next)(void *context, const struct session *after),
	       void *context)
{
	char boot_id[BOOT_ID_BYTES], temporary[4096];
	FILE *stream;
	int r = read_boot_id(boot_id);

	if (snprintf(temporary, sizeof(temporary), "%s.new", file) >= (int)sizeof(temporary))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = create(temporary, &stream);
	if (r < 0)
		return r;
	(void)fprintf(stream,
		      "{\"format\":%d,\"boot_id\":\"%s\",\"next_id\":%" PRIu32 ",\"sessions\":[",
		      STATE_FORMAT, boot_id, next_id);
	r = write_sessions(stream, next, context);
	if (r == 0)
		r = put(stream, "]}");
	errno = 0;
	if (fclose(stream) != 0 && r == 0)
		r = errno != 0 ? -errno : -EIO;
	/* The new file, whole, takes the place of the old one. No fsync: it is of use in this boot only. */
	if (r == 0 && rename(temporary, file) < 0)
		r = -errno;
	/* On a full disk a piece of it would be in the way of others. */
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

/* --- reading --- */

static int64_t get_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void get_bounds(const json_t *object, const char *key, struct bounds *bounds)
{
	const json_t *array = json_object_get(object, key);

	if (json_array_size(array) != 2)
		return;
	bounds->earliest_ns = json_integer_value(json_array_get(array, 0));
	bounds->latest_ns = json_integer_value(json_array_get(array, 1));
}

static bool same_identity(const json_t *saved, const struct session_identity *identity)
{
	const json_t *object = json_object_get(saved, "identity");

	return (uint64_t)get_int(object, "cookie") == identity->cookie &&
	       (uint64_t)get_int(object, "start_ticks") == identity->start_ticks &&
	       get_int(object, "pid") == identity->pid;
}

static struct state_row *find(const struct state *state, const struct session_identity *identity)
{
	size_t low = 0, high = state ? state->n_rows : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (state->rows[middle].cookie < identity->cookie)
			low = middle + 1;
		else
			high = middle;
	}
	for (; state && low < state->n_rows && state->rows[low].cookie == identity->cookie; low++)
		if (state->rows[low].saved && same_identity(state->rows[low].saved, identity))
			return &state->rows[low];
	return NULL;
}

static void restore_ledger(const json_t *saved, struct ledger *ledger)
{
	const json_t *rekeys = json_object_get(saved, "rekeys");

	if (!json_is_object(saved))
		return;
	ledger->high_in = get_int(saved, "high_in");
	ledger->high_out = get_int(saved, "high_out");
	ledger->last.wchar = (uint64_t)get_int(saved, "wchar");
	ledger->last.rchar = (uint64_t)get_int(saved, "rchar");
	ledger->last.sent = (uint64_t)get_int(saved, "sent");
	ledger->last.received = (uint64_t)get_int(saved, "received");
	ledger->last.segments_in = (uint32_t)get_int(saved, "segments_in");
	ledger->last.waiting = (uint32_t)get_int(saved, "waiting");
	ledger->notice_until_ns = get_int(saved, "notice_until");
	ledger->notice_bytes = (uint64_t)get_int(saved, "notice_bytes");
	ledger->unusable = json_is_true(json_object_get(saved, "unusable"));
	for (size_t i = 0; i < json_array_size(rekeys) && i < LEDGER_REKEYS_MAX; i++) {
		const json_t *pair = json_array_get(rekeys, i);
		struct ledger_rekey rekey = {
			.in_bytes = (uint32_t)json_integer_value(json_array_get(pair, 0)),
			.out_bytes = (uint32_t)json_integer_value(json_array_get(pair, 1)),
			.seen = (uint32_t)json_integer_value(json_array_get(pair, 2)),
		};

		(void)ledger_add_rekey(ledger, &rekey);
	}
	ledger->primed = true;
}

static int restore_channel_notes(const json_t *saved, struct channel *channel)
{
	const struct channel_notes notes = {
		.work_anchor_ns = (uint64_t)get_int(saved, "work_anchor"),
		.work_anchor_at_ns = get_int(saved, "work_anchor_at"),
		.warned_at_ns = get_int(saved, "warned_at"),
		.hung_up_at_ns = get_int(saved, "hung_up_at"),
	};

	if (notes.work_anchor_ns == 0 && notes.work_anchor_at_ns == 0 && notes.warned_at_ns == 0 &&
	    notes.hung_up_at_ns == 0)
		return 0;
	if (!session_need_channel_notes(channel))
		return -ENOMEM;
	*channel->notes = notes;
	return 0;
}

static void restore_channel(const json_t *saved, struct channel *channel)
{
	get_bounds(saved, "opened", &channel->opened);
	get_bounds(saved, "input", &channel->input);
	get_bounds(saved, "work", &channel->work);
	channel->last.atime_s = get_int(saved, "atime");
	channel->last.known = (uint32_t)get_int(saved, "known");
	if (!json_is_true(json_object_get(saved, "primed")))
		channel->last.known &= ~(uint32_t)TERMINAL_KNOWN;
}

static bool same_channel(const json_t *saved, const struct channel_identity *facts)
{
	return get_int(saved, "kind") == facts->kind && get_int(saved, "tty") == facts->tty &&
	       get_int(saved, "pid") == facts->pid &&
	       (uint64_t)get_int(saved, "start_ticks") == facts->start_ticks;
}

static const json_t *find_channel(const json_t *saved, const struct channel_identity *facts)
{
	for (size_t i = json_array_size(saved); i > 0; i--)
		if (same_channel(json_array_get(saved, i - 1), facts))
			return json_array_get(saved, i - 1);
	return NULL;
}

/* One that is older than the last look, which did not have it, was there as part of another. */
static void open_channel(const struct session *session, struct channel *channel, int64_t now_ns)
{
	struct bounds use = session->unsure;

	if (use.latest_ns == 0 && channel->opened.latest_ns < session->observed_at_ns)
		use = (struct bounds){ session->observed_at_ns, now_ns };
	bounds_use(&channel->opened, use.earliest_ns, use.latest_ns);
	bounds_use(&channel->input, use.earliest_ns, use.latest_ns);
	bounds_use(&channel->work, use.earliest_ns, use.latest_ns);
}

static void restore_channels(const json_t *saved, struct session *session, int64_t now_ns)
{
	for (size_t i = 0; i < session->n_channels; i++) {
		struct channel *channel = &session->channels[i];
		const json_t *found = find_channel(saved, &channel->facts);

		if (found)
			restore_channel(found, channel);
		else
			open_channel(session, channel, now_ns);
	}
}

static void restore_answered(const json_t *saved, struct liveness *liveness)
{
	for (size_t i = 0; i < json_array_size(saved) && i < LIVENESS_SIZES_MAX; i++)
		(void)liveness_add_answered(liveness,
					    (uint32_t)json_integer_value(json_array_get(saved, i)));
}

static int restore_keepalive(const json_t *saved, struct session *session)
{
	struct session_keepalive *keepalive;
	int32_t values[5];

	if (json_array_size(saved) != 5)
		return 0;
	keepalive = session_need_keepalive(session);
	if (!keepalive)
		return -ENOMEM;
	for (size_t i = 0; i < 5; i++)
		values[i] = (int32_t)json_integer_value(json_array_get(saved, i));
	keepalive->changed = true;
	keepalive->original = order_keepalive_settable(
		&(struct order_keepalive){ values[0], values[1], values[2], values[3], values[4] });
	return 0;
}

static int restore_notes(const json_t *saved, struct session *session)
{
	const struct session_notes notes = {
		.warned_at_ns = get_int(saved, "warned_at"),
		.reported_at_ns = get_int(saved, "reported_at"),
		.unresponsive_reported_at_ns = get_int(saved, "unresponsive_reported_at"),
		.kept_until_ns = get_int(saved, "kept_until"),
	};

	if (notes.warned_at_ns == 0 && notes.reported_at_ns == 0 &&
	    notes.unresponsive_reported_at_ns == 0 && notes.kept_until_ns == 0)
		return 0;
	if (!session_need_notes(session))
		return -ENOMEM;
	*session->notes = notes;
	return 0;
}

/* What needs memory: all of it or nothing is taken up, for clocks without the rest say less than
 * none. */
static int restore_rare(const json_t *saved, struct session *session)
{
	const json_t *channels = json_object_get(saved, "channels");
	int r = restore_keepalive(json_object_get(saved, "keepalive"), session);

	if (r == 0)
		r = restore_notes(saved, session);
	for (size_t i = 0; r == 0 && i < session->n_channels; i++) {
		struct channel *channel = &session->channels[i];
		const json_t *found = find_channel(channels, &channel->facts);

		if (found)
			r = restore_channel_notes(found, channel);
	}
	return r;
}

static void restore_session(const json_t *saved, struct session *session, int64_t now_ns)
{
	const json_t *uses = json_object_get(saved, "uses");

	session->observed_at_ns = get_int(saved, "observed_at");
	session->realtime_offset_ns = get_int(saved, "realtime_offset");
	session->rekey_from_ns = get_int(saved, "rekey_from");
	session->answer_from_ns = get_int(saved, "answer_from");
	session->first_seen_ns = get_int(saved, "first_seen");
	for (size_t use = 0; use < USE_N && use < json_array_size(uses); use++) {
		const json_t *pair = json_array_get(uses, use);

		session->uses[use].earliest_ns = json_integer_value(json_array_get(pair, 0));
		session->uses[use].latest_ns = json_integer_value(json_array_get(pair, 1));
	}
	get_bounds(saved, "unsure", &session->unsure);
	restore_channels(json_object_get(saved, "channels"), session, now_ns);
	restore_ledger(json_object_get(saved, "ledger"), &session->ledger);
	restore_answered(json_object_get(saved, "answered"), &session->liveness);
}

bool state_restore(struct state *state, struct session *session)
{
	struct state_row *row = find(state, &session->facts.identity);
	int64_t now_ns = session->first_seen_ns;

	if (!row)
		return false;
	/* A time that lies ahead is not of this clock. */
	if (get_int(row->saved, "observed_at") > now_ns || get_int(row->saved, "observed_at") <= 0)
		return false;
	if (restore_rare(row->saved, session) < 0)
		return false;
	/* What a child shows now may be whom the user has become. */
	if ((uint32_t)get_int(row->saved, "uid") != UINT32_MAX)
		session->facts.uid = (uint32_t)get_int(row->saved, "uid");
	restore_session(row->saved, session, now_ns);
	row->saved = NULL;
	return true;
}

uint32_t state_find_id(const struct state *state, const struct session_identity *identity)
{
	const struct state_row *row = find(state, identity);

	return row ? (uint32_t)get_int(row->saved, "id") : 0;
}

const char *state_record(const struct state *state, size_t at)
{
	for (size_t i = 0; state && i < state->n_rows; i++) {
		const char *record =
			json_string_value(json_object_get(state->rows[i].saved, "record"));

		if (record && at-- == 0)
			return record;
	}
	return NULL;
}

uint32_t state_next_id(const struct state *state)
{
	return state->next_id;
}

static json_t *read_root(const char *file)
{
	json_error_t trouble;
	struct stat status;
	auto_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_t *root;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &status) < 0 || status.st_size > STATE_BYTES_MAX) {
		log_warning("%s cannot be read: %s; all idle times begin now", file,
			    fd < 0 ? strerror(errno) : "too large");
		return NULL;
	}
	root = json_loadfd(fd, 0, &trouble);
	if (!root)
		log_warning("%s is broken (%s); all idle times begin now", file, trouble.text);
	return root;
}

static bool fits(const json_t *root)
{
	const char *saved = json_string_value(json_object_get(root, "boot_id"));
	char boot_id[BOOT_ID_BYTES];

	return saved && get_int(root, "format") == STATE_FORMAT && read_boot_id(boot_id) == 0 &&
	       text_equal(saved, boot_id) && json_is_array(json_object_get(root, "sessions"));
}

static int compare_rows(const void *a, const void *b)
{
	const struct state_row *one = a, *other = b;

	return one->cookie < other->cookie ? -1 : one->cookie > other->cookie;
}

static int make_rows(struct state *state)
{
	const size_t n = json_array_size(state->sessions);

	state->rows = calloc(n + 1, sizeof(*state->rows));
	if (!state->rows)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		json_t *saved = json_array_get(state->sessions, i);

		state->rows[i].saved = saved;
		state->rows[i].cookie =
			(uint64_t)get_int(json_object_get(saved, "identity"), "cookie");
	}
	state->n_rows = n;
	qsort(state->rows, n, sizeof(*state->rows), compare_rows);
	return 0;
}

int state_load(const char *file, struct state **ret_state)
{
	struct state *state = calloc(1, sizeof(*state));
	json_t *root = read_root(file);

	if (!state) {
		json_decref(root);
		return -ENOMEM;
	}
	state->next_id = 1;
	if (fits(root)) {
		state->sessions = json_incref(json_object_get(root, "sessions"));
		state->next_id = (uint32_t)get_int(root, "next_id");
	}
	if (state->next_id == 0)
		state->next_id = 1;
	json_decref(root);
	if (make_rows(state) < 0) {
		state_free(state);
		return -ENOMEM;
	}
	*ret_state = state;
	return 0;
}

void state_free(struct state *state)
{
	if (!state)
		return;
	json_decref(state->sessions);
	free(state->rows);
	free(state);
}
