/*
 * A report as SARIF 2.1.0: a rule for each check and each finding, a result for each of them.  The
 * kinds and levels are those of its sections 3.27.9 and 3.27.10: what is no failure has the level
 * "none".
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/audit-output.h"
#include "config.h"

#define SCHEMA \
	"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

/* "pci-dss-4.0/8.2.8"; findings have their own names. */
struct rule_id {
	char text[2 * PROFILE_ID_BYTES];
};

static struct rule_id rule_id_of(const struct profile *profile, const struct audit_result *result)
{
	struct rule_id id = { "" };

	(void)text_append(id.text, sizeof(id.text), "%s%s%s", profile ? profile->name : "",
			  profile ? "/" : "", result->id);
	return id;
}

static json_t *rule_new(const struct profile *profile, const struct audit_result *result)
{
	char full[2 * PROFILE_LINE_BYTES];

	if (!result->commonly_but)
		return json_pack("{s:s, s:{s:s}, s:{s:s}}", "id", rule_id_of(profile, result).text,
				 "shortDescription", "text", result->requirement, "help", "text",
				 result->fix);
	(void)snprintf(full, sizeof(full), "%s Not enough: %s. %s", result->requirement,
		       result->commonly_looks_at, result->commonly_but);
	return json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s}}", "id", rule_id_of(profile, result).text,
			 "shortDescription", "text", result->requirement, "fullDescription", "text",
			 full, "help", "text", result->fix);
}

/* RFC 3986: what is not unreserved is written as %XX. */
static void file_uri(const char *file, char *ret_uri, size_t size)
{
	(void)text_copy("file://", ret_uri, size);
	for (; *file != '\0'; file++) {
		const unsigned char byte = (unsigned char)*file;
		const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
				   (byte >= '0' && byte <= '9') || strchr("/-._~", byte);

		if (!text_append(ret_uri, size, plain ? "%c" : "%%%02X", byte))
			return;
	}
}

static json_t *location_new(const struct audit_detail *detail)
{
	char uri[3 * SETTINGS_PATH_BYTES + 8];

	file_uri(detail->file, uri, sizeof(uri));
	if (detail->line > 0)
		return json_pack("{s:{s:{s:s}, s:{s:i}}}", "physicalLocation", "artifactLocation",
				 "uri", uri, "region", "startLine", (int)detail->line);
	return json_pack("{s:{s:{s:s}}}", "physicalLocation", "artifactLocation", "uri", uri);
}

static bool has(const json_t *array, const json_t *wanted)
{
	const json_t *one;
	size_t i;

	json_array_foreach (array, i, one)
		if (json_equal(one, wanted))
			return true;
	return false;
}

/* Of the details that decided: where a check failed, those that failed. */
static json_t *locations_new(const struct audit_result *result)
{
	json_t *locations = json_array();

	for (size_t i = 0; i < result->n_details; i++) {
		const struct audit_detail *detail = &result->details[i];
		json_t *location;

		if (detail->file[0] == '\0' ||
		    (result->verdict == AUDIT_FAIL && detail->verdict != AUDIT_FAIL))
			continue;
		location = location_new(detail);
		if (has(locations, location)) {
			json_decref(location);
			continue;
		}
		if (json_array_append_new(locations, location) < 0) {
			json_decref(locations);
			return NULL;
		}
	}
	return locations;
}

static void message_of(const struct audit_result *result, char *ret_text, size_t size)
{
	(void)text_copy("", ret_text, size);
	for (size_t i = 0; i < result->n_details; i++)
		(void)text_append(ret_text, size, "%s%s", i > 0 ? "; " : "",
				  result->details[i].text);
	if (result->n_details == 0)
		(void)text_append(ret_text, size, "%s", result->requirement);
}

static const char *kind_of(enum audit_verdict verdict)
{
	static const char *const kinds[AUDIT_VERDICT_N] = {
		[AUDIT_PASS] = "pass",	 [AUDIT_NOT_APPLICABLE] = "notApplicable",
		[AUDIT_REMARK] = "fail", [AUDIT_UNKNOWN] = "open",
		[AUDIT_FAIL] = "fail",
	};

	return kinds[verdict];
}

/* A setting without effect is a warning, a check that fails an error. */
static const char *level_of(enum audit_verdict verdict, bool is_check)
{
	if (verdict == AUDIT_FAIL)
		return is_check ? "error" : "warning";
	return verdict == AUDIT_REMARK ? "note" : "none";
}

static json_t *result_new(const struct profile *profile, const struct audit_result *result,
			  size_t rule)
{
	char message[4096];

	message_of(result, message, sizeof(message));
	return json_pack("{s:s, s:i, s:s, s:s, s:{s:s}, s:o}", "ruleId",
			 rule_id_of(profile, result).text, "ruleIndex", (int)rule, "kind",
			 kind_of(result->verdict), "level", level_of(result->verdict, profile),
			 "message", "text", message, "locations", locations_new(result));
}

/* NULL `profile`: findings. */
static int add_results(const struct profile *profile, const struct audit_result *results, size_t n,
		       json_t *rules, json_t *array)
{
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(
			    array, result_new(profile, &results[i], json_array_size(rules))) < 0 ||
		    json_array_append_new(rules, rule_new(profile, &results[i])) < 0)
			return -1;
	return 0;
}

json_t *audit_output_sarif(const struct audit_output *output)
{
	const struct audit_report *report = output->report;
	json_t *rules = json_array(), *results = json_array();

	if (add_results(output->profile, report->checks, report->n_checks, rules, results) < 0 ||
	    add_results(NULL, report->findings, report->n_findings, rules, results) < 0) {
		json_decref(rules);
		json_decref(results);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:[{s:b}], s:o}]}", "$schema",
			 SCHEMA, "version", "2.1.0", "runs", "tool", "driver", "name", "sshidle",
			 "version", SSHIDLE_VERSION, "rules", rules, "invocations",
			 "executionSuccessful", 1, "results", results);
}
