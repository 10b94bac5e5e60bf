/* A report for programs. */
#include "cli/audit-output.h"
#include "config.h"

static json_t *detail_new(const struct audit_detail *detail)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "verdict", audit_verdict_name(detail->verdict),
			 "text", detail->text, "file",
			 detail->file[0] != '\0' ? json_string(detail->file) : json_null(), "line",
			 detail->line > 0 ? json_integer(detail->line) : json_null());
}

static json_t *details_new(const struct audit_result *result)
{
	json_t *details = json_array();

	for (size_t i = 0; i < result->n_details; i++)
		if (json_array_append_new(details, detail_new(&result->details[i])) < 0) {
			json_decref(details);
			return NULL;
		}
	return details;
}

static json_t *commonly_new(const struct audit_result *result)
{
	if (!result->commonly_but)
		return json_null();
	return json_pack("{s:s, s:s}", "looks_at", result->commonly_looks_at, "but",
			 result->commonly_but);
}

static json_t *results_new(const struct audit_result *results, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct audit_result *result = &results[i];
		json_t *one = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o}", "id", result->id,
					"requirement", result->requirement, "verdict",
					audit_verdict_name(result->verdict), "details",
					details_new(result), "fix", result->fix, "commonly",
					commonly_new(result));

		if (json_array_append_new(array, one) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *audit_output_json(const struct audit_output *output)
{
	const struct profile *profile = output->profile;
	const struct audit_report *report = output->report;

	return json_pack("{s:s, s:{s:s, s:s, s:s, s:s?}, s:s?, s:s?, s:s, s:o, s:o}", "version",
			 SSHIDLE_VERSION, "profile", "name", profile->name, "title", profile->title,
			 "document", profile->document, "note", profile->note, "user",
			 output->arguments->user, "from", output->arguments->from, "verdict",
			 audit_verdict_name(audit_verdict_of(report)), "checks",
			 results_new(report->checks, report->n_checks), "findings",
			 results_new(report->findings, report->n_findings));
}
