#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/parked.h"
#include "cli/table.h"
#include "config.h"

enum { N_COLUMNS = 11, TTYS_BYTES = 512, HEARD_BYTES = 2 * DURATION_TEXT_BYTES };

/* Shortened and left out first is what matters least to somebody who asks who ends when. */
static const struct table_column columns[N_COLUMNS] = {
	{ "ID", true, 0, 0 },	   { "USER", false, 8, 0 },  { "FROM", false, 9, 6 },
	{ "SERVER", false, 0, 2 }, { "KIND", false, 0, 4 },  { "TTY", false, 7, 5 },
	{ "IDLE", true, 0, 0 },	   { "LIMIT", true, 0, 3 },  { "HEARD", true, 0, 1 },
	{ "ENDS-IN", true, 0, 0 }, { "STATE", false, 0, 0 },
};

static enum output_style state_style(const char *state)
{
	static const struct {
		const char *state;
		enum output_style style;
	} styles[] = {
		{ "active", STYLE_GOOD },      { "kept", STYLE_GOOD },
		{ "warned", STYLE_ATTENTION }, { "held", STYLE_ATTENTION },
		{ "ending", STYLE_BAD },       { "reported", STYLE_ATTENTION },
		{ "unlimited", STYLE_FAINT },  { "unanswered", STYLE_ATTENTION },
	};

	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (text_equal(styles[i].state, state))
			return styles[i].style;
	return STYLE_PLAIN;
}

static void join_ttys(const json_t *ttys, char *text, size_t size)
{
	const json_t *tty;
	size_t i;

	text[0] = '\0';
	json_array_foreach (ttys, i, tty)
		(void)text_append(text, size, "%s%s", i > 0 ? "," : "", json_string_value(tty));
	if (text[0] == '\0')
		(void)text_append(text, size, "-");
}

/* The last sign of life of the client's machine, and that of its program: "3s/5m". */
static void join_heard(const json_t *session, char *text, size_t size)
{
	const json_t *host = json_object_get(session, "host_heard_s");
	char host_text[DURATION_TEXT_BYTES], program_text[DURATION_TEXT_BYTES];

	output_span(host, "-", host_text, sizeof(host_text));
	output_span(json_object_get(session, "program_heard_s"), "-", program_text,
		    sizeof(program_text));
	text[0] = '\0';
	if (json_is_number(host))
		(void)text_append(text, size, "%s/%s", host_text, program_text);
	else
		(void)text_append(text, size, "-");
}

static int add_session(struct table *table, const json_t *session)
{
	char id[24], ttys[TTYS_BYTES], heard[HEARD_BYTES];
	char idle[DURATION_TEXT_BYTES], limit[DURATION_TEXT_BYTES], ends_in[DURATION_TEXT_BYTES];
	const char *state = output_text(session, "state", "-");

	(void)snprintf(id, sizeof(id), "%lld",
		       (long long)json_integer_value(json_object_get(session, "id")));
	join_ttys(json_object_get(session, "tty"), ttys, sizeof(ttys));
	output_span(json_object_get(session, "idle_s"), "-", idle, sizeof(idle));
	join_heard(session, heard, sizeof(heard));
	output_span(json_object_get(session, "limit_s"), "none", limit, sizeof(limit));
	output_span(json_object_get(session, "ends_in_s"), "-", ends_in, sizeof(ends_in));
	return table_add(table,
			 (const char *const[N_COLUMNS]){ id, output_text(session, "user", "-"),
							 output_text(session, "from", "-"),
							 output_text(session, "server", "-"),
							 output_text(session, "kind", "-"), ttys,
							 idle, limit, heard, ends_in, state },
			 state_style(state));
}

/* Where a row of the table belongs. */
struct place {
	double ends_in_s;
	json_int_t id;
	size_t row;
};

/* What has come so far. */
struct listing {
	struct table table;
	struct place *places; /* one for each row */
	size_t room;
	size_t hidden; /* without a limit */
	json_t *whole; /* instead of the table: for --json */
	bool all;
};

static double ends_in_s(const json_t *session)
{
	const json_t *ends_in = json_object_get(session, "ends_in_s");

	return json_is_number(ends_in) ? json_number_value(ends_in) : 1e300;
}

/* Those that end first at the top, those that do not at the bottom; then by id. */
static int compare(const void *a, const void *b)
{
	const struct place *one = a, *other = b;

	if (one->ends_in_s < other->ends_in_s || one->ends_in_s > other->ends_in_s)
		return one->ends_in_s < other->ends_in_s ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

static int reserve_place(struct listing *listing)
{
	const size_t room = listing->room > 0 ? listing->room * 2 : 16;
	struct place *places;

	if (listing->table.n_rows < listing->room)
		return 0;
	places = reallocarray(listing->places, room, sizeof(*places));
	if (!places)
		return -ENOMEM;
	listing->places = places;
	listing->room = room;
	return 0;
}

static int list_session(struct listing *listing, const json_t *session)
{
	const size_t row = listing->table.n_rows;
	int r;

	if (!listing->all && text_equal(output_text(session, "state", "-"), "unlimited")) {
		listing->hidden++;
		return 0;
	}
	r = reserve_place(listing);
	if (r < 0)
		return r;
	listing->places[row] =
		(struct place){ .ends_in_s = ends_in_s(session),
				.id = json_integer_value(json_object_get(session, "id")),
				.row = row };
	return add_session(&listing->table, session);
}

static int take_sessions(struct listing *listing, json_t *sessions)
{
	json_t *session;
	size_t i;
	int r = 0;

	if (listing->whole)
		return json_array_extend(listing->whole, sessions) < 0 ? -ENOMEM : 0;
	json_array_foreach (sessions, i, session) {
		r = list_session(listing, session);
		if (r < 0)
			break;
	}
	return r;
}

static void say_hidden(size_t shown, size_t hidden)
{
	if (shown == 0 && hidden == 0)
		(void)puts("no SSH sessions");
	else if (hidden > 0)
		(void)printf("%zu %swithout a limit: sshidle list --all\n", hidden,
			     shown > 0 ? "more " : "");
}

/* They are no sessions any more. */
static void say_parked(const char *runtime_dir)
{
#if HAVE_PARK
	size_t n;
	const int r = parked_count(runtime_dir, &n);

	if (r < 0)
		output_error("what is parked cannot be found: %s", strerror(-r));
	else if (n > 0)
		(void)printf("%zu parked: sshidle parked\n", n);
#else
	(void)runtime_dir;
#endif
}

static void print_listing(struct listing *listing)
{
	struct table *table = &listing->table;

	if (listing->whole) {
		output_new_json(json_pack("{s:O}", "sessions", listing->whole));
		return;
	}
	if (table->n_rows > 0)
		qsort(listing->places, table->n_rows, sizeof(*listing->places), compare);
	table_start(table);
	for (size_t i = 0; i < table->n_rows; i++)
		table_print_row(table, listing->places[i].row);
	say_hidden(table->n_rows, listing->hidden);
}

/* In parts: while one is read, sshidled writes the next. */
static enum command_exit receive_listing(struct client_stream *stream, struct listing *listing)
{
	enum command_exit result;
	int r;

	do {
		json_t *reply = NULL;

		result = client_stream_wait(stream, &reply);
		if (result != COMMAND_OK)
			return result;
		r = take_sessions(listing, json_object_get(reply, "sessions"));
		json_decref(reply);
	} while (r == 0 && client_stream_continues(stream));
	if (r == 0)
		return COMMAND_OK;
	output_error("%s", strerror(-r));
	return COMMAND_FAILED;
}

enum command_exit command_list(const struct arguments *arguments)
{
	struct listing listing = { .all = arguments->all,
				   .whole = arguments->json ? json_array() : NULL };
	struct client_stream *stream = NULL;
	enum command_exit result = client_stream_open(
		arguments, arguments->json ? "io.sshidle.List" : "io.sshidle.Overview", NULL,
		&stream);

	table_init(&listing.table, columns, N_COLUMNS);
	if (result == COMMAND_OK)
		result = receive_listing(stream, &listing);
	if (result == COMMAND_OK)
		print_listing(&listing);
	if (result == COMMAND_OK && !arguments->json)
		say_parked(arguments->runtime_dir);
	client_stream_close(stream);
	table_deinit(&listing.table);
	free(listing.places);
	json_decref(listing.whole);
	return result;
}
