/* In which line a setting stands: what sshd -T tells has no lines. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/audit-output.h"
#include "native/file.h"
#include "text/sshd-file.h"

enum { DEPTH_MOST = 8 };

struct search {
	const char *keyword;
	struct audit_detail *detail;
	unsigned depth;
	bool found;
	bool lost; /* what could not be listed may hold it */
};

static void search_file(void *context, const char *path);

/* sshd looks for names without `/` beside its main file, which is in /etc/ssh. */
static void search_included(struct search *search, const struct audit_detail *detail,
			    const char *value)
{
	char pattern[SSHD_FILE_VALUE_BYTES], full[SSHD_FILE_VALUE_BYTES + 16];

	(void)detail;
	while (!search->found && !search->lost &&
	       sshd_file_argument(&value, pattern, sizeof(pattern))) {
		full[0] = '\0';
		if (text_append(full, sizeof(full), "%s%s", pattern[0] == '/' ? "" : "/etc/ssh/",
				pattern))
			search->lost = file_each(full, search_file, search) < 0 || search->lost;
	}
}

/* sshd takes the first value; one outside of Match goes before one within. */
static void search_text(struct search *search, const char *path, const char *text, size_t size)
{
	struct sshd_file_cursor cursor = { .at = text, .end = text + size };
	struct sshd_file_line line;

	while (!search->found && !search->lost && sshd_file_next(&cursor, &line)) {
		if (strcasecmp(line.keyword, "include") == 0) {
			search_included(search, search->detail, line.value);
			continue;
		}
		if (strcasecmp(line.keyword, search->keyword) != 0)
			continue;
		if (!line.in_match || search->detail->line == 0) {
			search->detail->line = line.number;
			(void)text_copy(path, search->detail->file, sizeof(search->detail->file));
		}
		search->found = !line.in_match;
	}
}

static void search_file(void *context, const char *path)
{
	struct search *search = context;
	auto_free char *text = NULL;
	size_t size;

	if (search->found || search->depth == DEPTH_MOST || file_read(path, &text, &size) < 0)
		return;
	search->depth++;
	search_text(search, path, text, size);
	search->depth--;
}

static void locate(struct audit_detail *detail)
{
	struct search search = { .keyword = detail->keyword, .detail = detail };
	char file[SETTINGS_PATH_BYTES];

	if (detail->line > 0 || detail->file[0] == '\0' || !detail->keyword)
		return;
	(void)text_copy(detail->file, file, sizeof(file));
	search_file(&search, file);
}

static void locate_all(struct audit_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < results[i].n_details; j++)
			locate(&results[i].details[j]);
}

void audit_output_locate(struct audit_report *report)
{
	locate_all(report->checks, report->n_checks);
	locate_all(report->findings, report->n_findings);
}
