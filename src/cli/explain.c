/* The table of `sshidle explain`: cells wrapped at words, footnotes below it. */
#include "cli/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "cli/output.h"

enum { COLUMNS = 4, GAP = 2, CELL_BYTES = 1024, FOOTNOTES_MAX = 64 };

static const char *const titles[COLUMNS] = { "SITUATION", "WHAT HAPPENS", "AFTER", "BECAUSE OF" };

struct row {
	char cells[COLUMNS][CELL_BYTES]; /* escaped */
	enum output_style style;	 /* of what happens */
};

struct layout {
	unsigned widths[COLUMNS]; /* 0: not wrapped */
};

/* Each text once; a cell has its number. */
struct footnotes {
	size_t n;
	const char *texts[FOOTNOTES_MAX];
};

/* "OpenSSH 9.2 on port 22", printable only after output_escape(). */
static void format_title(const struct settings_server *server, char *ret_text, size_t size)
{
	static const char *const names[SERVER_N] = { "OpenSSH", "dropbear", "tinysshd" };

	ret_text[0] = '\0';
	(void)text_append(ret_text, size, "%s",
			  server->server < SERVER_N ? names[server->server] : "?");
	if (server->server == SERVER_OPENSSH && server->openssh.major > 0)
		(void)text_append(ret_text, size, " %d.%d", (int)server->openssh.major,
				  (int)server->openssh.minor);
	for (size_t i = 0; i < server->n_ports; i++)
		(void)text_append(ret_text, size, "%s%u", i == 0 ? " on port " : ", ",
				  server->ports[i]);
	if (server->unit[0] != '\0')
		(void)text_append(ret_text, size, " (%s)", server->unit);
}

/* The number of bytes of `text` that go into a line, and where the next one begins. */
static size_t line_length(const char *text, unsigned width, size_t *ret_next)
{
	size_t end = strlen(text), taken = 0;

	*ret_next = end;
	if (width == 0 || output_width(text) <= width)
		return end;
	for (size_t i = 0; i <= width && text[i] != '\0'; i++)
		if (text[i] == ' ')
			taken = i;
	if (taken == 0) {
		/* One long word, a path: it goes over the edge whole. */
		taken = strcspn(text, " ");
	}
	*ret_next = taken + strspn(text + taken, " ");
	return taken;
}

static void put_cell(const char *text, size_t length, unsigned width, bool last)
{
	(void)fwrite(text, 1, length, stdout);
	if (!last && length < width)
		(void)printf("%*s", (int)(width - length), "");
	if (!last)
		(void)printf("%*s", GAP, "");
}

/* One line of a row; `rest` moves on.  False when there was nothing left of it. */
static bool put_line(const char *rest[static COLUMNS], const struct row *row,
		     const struct layout *layout)
{
	size_t last = COLUMNS;

	while (last > 0 && rest[last - 1][0] == '\0')
		last--;
	for (size_t i = 0; i < last; i++) {
		const bool styled = i == 1 && row->style != STYLE_PLAIN && rest[i][0] != '\0';
		size_t next, length = line_length(rest[i], layout->widths[i], &next);

		if (styled)
			(void)fputs(output_style(row->style), stdout);
		put_cell(rest[i], length, layout->widths[i], i + 1 == last);
		if (styled)
			(void)fputs(output_style_end(), stdout);
		rest[i] += next;
	}
	if (last > 0)
		(void)putchar('\n');
	return last > 0;
}

static void put_row(const struct row *row, const struct layout *layout)
{
	const char *rest[COLUMNS];

	for (size_t i = 0; i < COLUMNS; i++)
		rest[i] = row->cells[i];
	while (put_line(rest, row, layout))
		;
}

/* A paragraph, the lines after the first one moved in. */
static void put_paragraph(const char *first, const char *text)
{
	const unsigned columns = output_columns();
	const unsigned indent = (unsigned)strlen(first);
	char escaped[CELL_BYTES];
	const char *rest = escaped;
	size_t next;

	output_escape(text, escaped, sizeof(escaped));
	(void)fputs(first, stdout);
	while (rest[0] != '\0') {
		const size_t length =
			line_length(rest, columns > indent ? columns - indent : 0, &next);

		(void)fwrite(rest, 1, length, stdout);
		(void)putchar('\n');
		rest += next;
		if (rest[0] != '\0')
			(void)printf("%*s", (int)indent, "");
	}
}

/* Numbers a text and adds "[N]" to the cell. */
static void refer(struct footnotes *footnotes, const char *text, char *cell)
{
	size_t i;

	if (!text)
		return;
	for (i = 0; i < footnotes->n && !text_equal(footnotes->texts[i], text); i++)
		;
	if (i == FOOTNOTES_MAX)
		return;
	if (i == footnotes->n)
		footnotes->texts[footnotes->n++] = text;
	(void)text_append(cell, CELL_BYTES, "%s[%zu]", cell[0] == '\0' ? "" : " ", i + 1);
}

static void add_setting(char *cell, const struct outcome_effect *effect)
{
	char escaped[OUTCOME_SETTING_BYTES + SETTINGS_PATH_BYTES];

	output_escape(effect->setting, escaped, sizeof(escaped));
	(void)text_append(cell, CELL_BYTES, "%s%s", cell[0] == '\0' ? "" : ", or ", escaped);
	if (effect->source[0] == '\0')
		return;
	output_escape(effect->source, escaped, sizeof(escaped));
	(void)text_append(cell, CELL_BYTES, " (%s)", escaped);
}

static void fill_effect(struct row *row, const struct outcome_effect *effect,
			struct footnotes *footnotes)
{
	char warned[DURATION_TEXT_BYTES];

	outcome_effect_time(effect, row->cells[2], CELL_BYTES);
	add_setting(row->cells[3], effect);
	if (effect->warned_ns > 0) {
		duration_format(effect->warned_ns, warned);
		(void)text_append(row->cells[1], CELL_BYTES, ", warned %s before", warned);
	}
	if (effect->unless)
		(void)text_append(row->cells[3], CELL_BYTES, ", unless %s", effect->unless);
	refer(footnotes, effect->note, row->cells[3]);
}

/* What decides, with what may come before it for the same end. */
static void fill_first(struct row *row, const struct outcome *outcome, struct footnotes *footnotes)
{
	struct outcome_effect first = outcome->effects[0];

	fill_effect(row, &first, footnotes);
	for (size_t i = 1; i < outcome->n; i++) {
		const struct outcome_effect *effect = &outcome->effects[i];

		if (!effect->certain || effect->what != first.what ||
		    effect->earliest_ns + effect->slack_ns >= first.earliest_ns + first.slack_ns)
			continue;
		first.earliest_ns = effect->earliest_ns + effect->slack_ns - first.slack_ns;
		outcome_effect_time(&first, row->cells[2], CELL_BYTES);
		add_setting(row->cells[3], effect);
	}
}

/* "else" for what would happen without the first, "then" for what becomes of the connection that
 * stays. */
static const char *word_for(const struct outcome *outcome, size_t at, bool *said_then)
{
	const struct outcome_effect *effect = &outcome->effects[at];

	if (!effect->certain)
		return "perhaps";
	if (!outcome->connection_stays || *said_then || effect->what != OUTCOME_CONNECTION_ENDED)
		return "else";
	*said_then = true;
	return "then";
}

/* What is good or bad is for the administrator to say: nothing is told apart from an end, no
 * more. */
static void put_situation(const struct outcome_case *outcome_case, bool all,
			  enum outcome_situation situation, const struct layout *layout,
			  struct footnotes *footnotes)
{
	struct row row = { .style = STYLE_ATTENTION };
	bool said_then = false;
	struct outcome outcome;
	size_t at = 0;

	outcome_compute(outcome_case, situation, &outcome);
	(void)text_copy(outcome_situation_title(situation), row.cells[0], CELL_BYTES);
	(void)text_copy(outcome_what_title(outcome.what), row.cells[1], CELL_BYTES);
	(void)text_copy(outcome.what == OUTCOME_NOTHING ? "never" : "-", row.cells[2], CELL_BYTES);
	if (outcome.n > 0 && outcome.effects[0].certain) {
		row.style = STYLE_PLAIN;
		fill_first(&row, &outcome, footnotes);
		at = 1;
	}
	for (size_t i = 0; i < outcome.n_remarks; i++)
		refer(footnotes, outcome.remarks[i], row.cells[3]);
	put_row(&row, layout);
	for (; at < outcome.n; at++) {
		const char *word = word_for(&outcome, at, &said_then);

		if (!all && text_equal(word, "else"))
			continue;
		row = (struct row){ .style = STYLE_FAINT };
		(void)text_append(row.cells[1], CELL_BYTES, "%s %s", word,
				  outcome_what_title(outcome.effects[at].what));
		fill_effect(&row, &outcome.effects[at], footnotes);
		put_row(&row, layout);
	}
}

static void lay_out(struct layout *layout)
{
	static const unsigned widest[COLUMNS] = { 46, 38, 18, 0 },
			      shares[COLUMNS] = { 28, 22, 14, 0 };
	const unsigned columns = output_columns();
	unsigned left = 3 * GAP;

	for (size_t i = 0; i + 1 < COLUMNS; i++) {
		const unsigned share = columns * shares[i] / 100;

		layout->widths[i] = columns == 0 || share > widest[i] ? widest[i] : share;
		left += layout->widths[i];
	}
	/* The last column is not filled up, so what stands in it may go over the edge. */
	layout->widths[3] = columns < left + 10 ? 0 : columns - left;
}

static void put_server(const struct explain *explain, const struct settings_server *server)
{
	struct row head = { .style = STYLE_PLAIN };
	struct footnotes footnotes = { 0 };
	struct outcome_case outcome_case;
	struct outcome_notes notes;
	struct layout layout;
	char text[CELL_BYTES], mark[16];

	format_title(server, text, sizeof(text));
	(void)fputs(output_style(STYLE_HEAD), stdout);
	output_put(text);
	(void)printf("%s\n", output_style_end());
	if (server->trouble[0] != '\0')
		put_paragraph("  its settings are not known: ", server->trouble);
	(void)putchar('\n');
	lay_out(&layout);
	for (size_t i = 0; i < COLUMNS; i++)
		(void)text_copy(titles[i], head.cells[i], CELL_BYTES);
	put_row(&head, &layout);
	explain_case(explain, server, &outcome_case);
	for (unsigned i = 0; i < SITUATION_N; i++)
		put_situation(&outcome_case, explain->all, (enum outcome_situation)i, &layout,
			      &footnotes);
	(void)putchar('\n');
	for (size_t i = 0; i < footnotes.n; i++) {
		(void)snprintf(mark, sizeof(mark), "[%zu] ", i + 1);
		put_paragraph(mark, footnotes.texts[i]);
	}
	outcome_server_notes(&outcome_case, &notes);
	for (size_t i = 0; i < notes.n; i++)
		put_paragraph("* ", notes.texts[i]);
	(void)putchar('\n');
}

static void put_sshidled(const struct explain *explain)
{
	const struct host_case *host_case = explain->host_case;
	char text[sizeof(host_case->config_path) + 128] = "";

	if (explain->assumed)
		(void)text_append(text, sizeof(text), "as if sshidled ran with %s%s",
				  host_case->config_path,
				  host_case->running ? "" : " (it does not run)");
	else if (!host_case->running)
		(void)text_append(text, sizeof(text),
				  "sshidled does not run: this is what happens without it");
	else if (!explain->in_force)
		(void)text_append(text, sizeof(text),
				  "sshidled runs with %s, which cannot be read here: this is what "
				  "happens without it",
				  host_case->config_path);
	else
		(void)text_append(text, sizeof(text), "sshidled runs with %s%s",
				  host_case->config_path,
				  host_case->stale ? ", which has changed since it was read" : "");
	put_paragraph("", text);
	put_paragraph("", "Times count from the last thing that the client sent.");
}

void explain_print(const struct explain *explain)
{
	const struct outcome_case outcome_case = { .host = explain->host_case->host };
	struct outcome_notes notes;

	put_sshidled(explain);
	outcome_host_notes(&outcome_case, &notes);
	for (size_t i = 0; i < notes.n; i++)
		put_paragraph("* ", notes.texts[i]);
	(void)putchar('\n');
	if (explain->n_shown == 0)
		put_paragraph("", "No SSH server was found on this host.");
	for (size_t i = 0; i < explain->n_shown; i++)
		put_server(explain, explain->shown[i]);
}
