/* A report for people. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/audit-output.h"
#include "cli/output.h"

enum { COLUMNS_DEFAULT = 80, COLUMNS_MOST = 100, INDENT = 2, HANGING = 4 };

static size_t columns(void)
{
	const size_t known = output_columns();

	if (known == 0)
		return COLUMNS_DEFAULT;
	return known < COLUMNS_MOST ? known : COLUMNS_MOST;
}

/* `text` behind `head`, broken between words; following lines begin `hanging` columns in. */
static void put_wrapped(size_t indent, size_t hanging, const char *head, const char *text)
{
	char escaped[2 * PROFILE_LINE_BYTES];
	size_t at = indent + output_width(head);
	const char *word = escaped;
	bool first = true;

	output_escape(text, escaped, sizeof(escaped));
	(void)printf("%*s%s", (int)indent, "", head);
	while (*word != '\0') {
		char piece[PROFILE_LINE_BYTES];
		const size_t bytes = strcspn(word, " ");
		size_t width;

		(void)snprintf(piece, sizeof(piece), "%.*s", (int)bytes, word);
		width = output_width(piece);
		if (!first && at + 1 + width > columns()) {
			(void)printf("\n%*s", (int)hanging, "");
			at = hanging;
		} else if (!first) {
			(void)putchar(' ');
			at++;
		}
		(void)fputs(piece, stdout);
		at += width;
		first = false;
		word += bytes + strspn(word + bytes, " ");
	}
	(void)putchar('\n');
}

static const char *mark(enum audit_verdict verdict)
{
	static const char *const marks[AUDIT_VERDICT_N] = {
		[AUDIT_PASS] = "+ ",	[AUDIT_NOT_APPLICABLE] = ". ", [AUDIT_REMARK] = "! ",
		[AUDIT_UNKNOWN] = "? ", [AUDIT_FAIL] = "- ",
	};

	return marks[verdict];
}

static void put_detail(const struct audit_detail *detail)
{
	char text[AUDIT_TEXT_BYTES + SETTINGS_PATH_BYTES + 32];

	(void)text_copy(detail->text, text, sizeof(text));
	if (detail->file[0] != '\0' && detail->line > 0)
		(void)text_append(text, sizeof(text), " (%s:%d)", detail->file, detail->line);
	else if (detail->file[0] != '\0')
		(void)text_append(text, sizeof(text), " (%s)", detail->file);
	put_wrapped(HANGING, HANGING + INDENT, mark(detail->verdict), text);
}

static void put_result(const struct audit_result *result)
{
	char head[PROFILE_ID_BYTES + 4], text[2 * PROFILE_LINE_BYTES];
	const bool good = result->verdict == AUDIT_PASS || result->verdict == AUDIT_NOT_APPLICABLE;

	(void)snprintf(head, sizeof(head), "%s  ", result->id);
	put_wrapped(INDENT, HANGING, head, result->requirement);
	for (size_t i = 0; i < result->n_details; i++)
		put_detail(&result->details[i]);
	if (!good)
		put_wrapped(HANGING, HANGING + INDENT, "fix: ", result->fix);
	if (!result->commonly_but)
		return;
	(void)snprintf(text, sizeof(text), "%s. %s", result->commonly_looks_at,
		       result->commonly_but);
	put_wrapped(HANGING, HANGING + INDENT, "not enough: ", text);
}

/* Results with one verdict below a title; nothing without any. */
static size_t put_group(const struct audit_result *results, size_t n, enum audit_verdict verdict,
			const char *title)
{
	static const enum output_style styles[AUDIT_VERDICT_N] = {
		[AUDIT_PASS] = STYLE_GOOD,	  [AUDIT_NOT_APPLICABLE] = STYLE_FAINT,
		[AUDIT_REMARK] = STYLE_ATTENTION, [AUDIT_UNKNOWN] = STYLE_ATTENTION,
		[AUDIT_FAIL] = STYLE_BAD,
	};
	size_t shown = 0;

	for (size_t i = 0; i < n; i++) {
		if (results[i].verdict != verdict)
			continue;
		if (shown++ == 0)
			(void)printf("\n%s%s%s\n", output_style(styles[verdict]), title,
				     output_style_end());
		put_result(&results[i]);
	}
	return shown;
}

static void put_head(const struct audit_output *output)
{
	const struct profile *profile = output->profile;
	const struct arguments *arguments = output->arguments;
	char head[PROFILE_ID_BYTES + 4], who[PROFILE_LINE_BYTES] = "";

	(void)snprintf(head, sizeof(head), "%s: ", profile->name);
	put_wrapped(0, INDENT, head, profile->title);
	put_wrapped(INDENT, INDENT, "", profile->document);
	if (profile->note)
		put_wrapped(INDENT, INDENT, "", profile->note);
	if (arguments->user)
		(void)text_append(who, sizeof(who), "for user %s", arguments->user);
	if (arguments->from)
		(void)text_append(who, sizeof(who), "%sfrom %s",
				  who[0] != '\0' ? " " : "for anybody ", arguments->from);
	put_wrapped(INDENT, INDENT, "", who[0] != '\0' ? who : "for everybody who may log in");
}

void audit_output_text(const struct audit_output *output)
{
	const struct audit_report *report = output->report;
	size_t failed, unknown, passed, useless, remarks;
	char sum[160];

	put_head(output);
	failed = put_group(report->checks, report->n_checks, AUDIT_FAIL, "Failed");
	unknown = put_group(report->checks, report->n_checks, AUDIT_UNKNOWN, "Not known");
	unknown += put_group(report->findings, report->n_findings, AUDIT_UNKNOWN,
			     "Could not be looked at");
	passed = put_group(report->checks, report->n_checks, AUDIT_PASS, "Passed");
	(void)put_group(report->checks, report->n_checks, AUDIT_NOT_APPLICABLE, "Not applicable");
	useless = put_group(report->findings, report->n_findings, AUDIT_FAIL,
			    "Settings that do not do what they are set for");
	remarks = put_group(report->findings, report->n_findings, AUDIT_REMARK,
			    "Settings that do not do what they read like");
	(void)snprintf(sum, sizeof(sum),
		       "%zu failed, %zu not known, %zu passed; %zu settings without effect, %zu "
		       "remarks",
		       failed, unknown, passed, useless, remarks);
	(void)putchar('\n');
	put_wrapped(0, 0, "", sum);
}
