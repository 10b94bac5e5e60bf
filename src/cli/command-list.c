#include <errno.h>
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

static const char *string_of(const json_t *session, const char *name)
{
	const char *text = json_string_value(json_object_get(session, name));

	return text ? text : "-";
}

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
	json_array_foreach(ttys, i, tty)(void)
		text_append(text, size, "%s%s", i > 0 ? "," : "", json_string_value(tty));
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
	const char *state = string_of(session, "state");

	(void)snprintf(id, sizeof(id), "%lld",
		       (long long)json_integer_value(json_object_get(session, "id")));
	join_ttys(json_object_get(session, "tty"), ttys, sizeof(ttys));
	output_span(json_object_get(session, "idle_s"), "-", idle, sizeof(idle));
	join_heard(session, heard, sizeof(heard));
	output_span(json_object_get(session, "limit_s"), "none", limit, sizeof(limit));
	output_span(json_object_get(session, "ends_in_s"), "-", ends_in, sizeof(ends_in));
	return table_add(table,
			 (const char *const[N_COLUMNS]){
				 id, string_of(session, "user"), string_of(session, "from"),
				 string_of(session, "server"), string_of(session, "kind"), ttys,
				 idle, limit, heard, ends_in, state },
			 state_style(state));
}

static double ends_in_s(const json_t *session)
{
	const json_t *ends_in = json_object_get(session, "ends_in_s");

	return json_is_number(ends_in) ? json_number_value(ends_in) : 1e300;
}

/* Those that end first at the top, those that do not at the bottom; then by id. */
static int compare(const void *a, const void *b)
{
	const json_t *one = *(const json_t *const *)a, *other = *(const json_t *const *)b;
	const double one_s = ends_in_s(one), other_s = ends_in_s(other);
	const json_int_t one_id = json_integer_value(json_object_get(one, "id"));
	const json_int_t other_id = json_integer_value(json_object_get(other, "id"));

	if (one_s < other_s || one_s > other_s)
		return one_s < other_s ? -1 : 1;
	return one_id < other_id ? -1 : one_id > other_id;
}

/* Fills `sorted`, which has room for all of them, with those to be shown. */
static size_t choose(const json_t *sessions, bool all, const json_t **sorted)
{
	const json_t *session;
	size_t i, n = 0;

	json_array_foreach(sessions, i, session) if (all || !text_equal(string_of(session, "state"),
									"unlimited")) sorted[n++] =
		session;
	qsort(sorted, n, sizeof(const json_t *), compare);
	return n;
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
	const size_t n = parked_count(runtime_dir);

	if (n > 0)
		(void)printf("%zu parked: sshidle parked\n", n);
#else
	(void)runtime_dir;
#endif
}

static int print_sessions(const json_t *sessions, bool all)
{
	const size_t most = json_array_size(sessions);
	const json_t **sorted = calloc(most + 1, sizeof(const json_t *));
	struct table table;
	size_t n = 0;
	int r = sorted ? 0 : -ENOMEM;

	table_init(&table, columns, N_COLUMNS);
	if (sorted)
		n = choose(sessions, all, sorted);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_session(&table, sorted[i]);
	if (r == 0 && n > 0)
		table_print(&table);
	if (r == 0)
		say_hidden(n, most - n);
	table_deinit(&table);
	free(sorted);
	return r;
}

enum command_exit command_list(const struct arguments *arguments)
{
	json_t *reply = NULL;
	enum command_exit result = client_call(arguments, "io.sshidle.List", NULL, &reply);

	if (result != COMMAND_OK)
		return result;
	if (arguments->json) {
		output_json(reply, false);
	} else if (print_sessions(json_object_get(reply, "sessions"), arguments->all) < 0) {
		output_error("%s", strerror(ENOMEM));
		result = COMMAND_FAILED;
	} else {
		say_parked(arguments->runtime_dir);
	}
	json_decref(reply);
	return result;
}
