#include "audit/audit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit-private.h"
#include "base/text.h"

static void add_list(struct audit_result *result, enum audit_verdict verdict,
		     struct audit_place place, const char *format, va_list arguments)
	__attribute__((format(printf, 4, 0)));

static void add_list(struct audit_result *result, enum audit_verdict verdict,
		     struct audit_place place, const char *format, va_list arguments)
{
	struct audit_detail detail = { .verdict = verdict,
				       .line = place.line,
				       .keyword = place.keyword };

	(void)vsnprintf(detail.text, sizeof(detail.text), format, arguments);
	(void)text_copy(place.file ? place.file : "", detail.file, sizeof(detail.file));
	for (size_t i = 0; i < result->n_details; i++)
		if (text_equal(result->details[i].text, detail.text) &&
		    text_equal(result->details[i].file, detail.file) &&
		    result->details[i].line == detail.line)
			return;
	if (result->n_details < AUDIT_DETAILS_MAX)
		result->details[result->n_details++] = detail;
}

void audit_add(struct audit_result *result, enum audit_verdict verdict, struct audit_place place,
	       const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_list(result, verdict, place, format, arguments);
	va_end(arguments);
}

void audit_add_sourced(struct audit_result *result, enum audit_verdict verdict, const char *source,
		       const char *format, ...)
{
	const char *colon = source ? strrchr(source, ':') : NULL;
	struct audit_place place = { 0 };
	char file[SETTINGS_PATH_BYTES] = "";
	uint64_t line = 0;
	va_list arguments;

	if (colon && text_to_u64(colon + 1, INT32_MAX, &line) == 0 &&
	    (size_t)(colon - source) < sizeof(file)) {
		memcpy(file, source, (size_t)(colon - source));
		place = (struct audit_place){ .file = file, .line = (int32_t)line };
	}
	va_start(arguments, format);
	add_list(result, verdict, place, format, arguments);
	va_end(arguments);
}

enum audit_verdict audit_both(enum audit_verdict a, enum audit_verdict b)
{
	if (a == AUDIT_FAIL || b == AUDIT_FAIL)
		return AUDIT_FAIL;
	if (a == AUDIT_UNKNOWN || b == AUDIT_UNKNOWN)
		return AUDIT_UNKNOWN;
	return a == AUDIT_PASS || b == AUDIT_PASS ? AUDIT_PASS : AUDIT_NOT_APPLICABLE;
}

static enum audit_verdict either(enum audit_verdict a, enum audit_verdict b)
{
	if (a == AUDIT_PASS || b == AUDIT_PASS)
		return AUDIT_PASS;
	if (a == AUDIT_UNKNOWN || b == AUDIT_UNKNOWN)
		return AUDIT_UNKNOWN;
	return a == AUDIT_FAIL || b == AUDIT_FAIL ? AUDIT_FAIL : AUDIT_NOT_APPLICABLE;
}

static enum audit_verdict verdict_on(const struct audit_input *input,
				     const struct profile_condition *condition,
				     struct audit_result *result);

/* Where one is enough, what the others lack is no failure. */
static enum audit_verdict any_of(const struct audit_input *input,
				 const struct profile_condition *condition,
				 struct audit_result *result)
{
	const size_t first = result->n_details;
	enum audit_verdict verdict = AUDIT_NOT_APPLICABLE;

	for (size_t i = 0; i < condition->n_any; i++)
		verdict = either(verdict, verdict_on(input, &condition->any[i], result));
	for (size_t i = first; i < result->n_details && verdict == AUDIT_PASS; i++)
		if (result->details[i].verdict == AUDIT_FAIL ||
		    result->details[i].verdict == AUDIT_UNKNOWN)
			result->details[i].verdict = AUDIT_NOT_APPLICABLE;
	return verdict;
}

static enum audit_verdict verdict_on(const struct audit_input *input,
				     const struct profile_condition *condition,
				     struct audit_result *result)
{
	switch (condition->fact) {
	case FACT_SSHIDLED_RUNNING:
		return audit_running(input, result);
	case FACT_IDLE_LIMIT:
		return audit_idle_limit(input, condition, result);
	case FACT_IDLE_WARNING:
		return audit_idle_warning(input, condition, result);
	case FACT_UNRESPONSIVE_LIMIT:
		return audit_unresponsive(input, condition, result);
	case FACT_SERVERS_UNRESPONSIVE:
		return audit_servers_unresponsive(input, condition, result);
	case FACT_OPENSSH_CLIENT_ALIVE:
		return audit_client_alive(input, condition, result);
	case FACT_SHELL_TMOUT:
		return audit_tmout(input, condition, result);
	case FACT_LOGIND_STOP_IDLE:
		return audit_stop_idle(input, condition, result);
	case FACT_WORK_KEPT:
		return audit_work_kept(input, result);
	case FACT_ANY_OF:
		return any_of(input, condition, result);
	case FACT_N:
		break;
	}
	return AUDIT_UNKNOWN;
}

static int run_check(const struct audit_input *input, const struct profile_check *check,
		     struct audit_result *result)
{
	*result = (struct audit_result){
		.id = check->id,
		.requirement = check->requirement,
		.fix = check->fix,
		.commonly_looks_at = check->commonly_looks_at,
		.commonly_but = check->commonly_but,
		.verdict = AUDIT_NOT_APPLICABLE,
		.details = calloc(AUDIT_DETAILS_MAX, sizeof(*result->details)),
	};
	if (!result->details)
		return -ENOMEM;
	for (size_t i = 0; i < check->n_conditions; i++)
		result->verdict = audit_both(result->verdict,
					     verdict_on(input, &check->conditions[i], result));
	return 0;
}

int audit_run(const struct audit_input *input, const struct profile *profile,
	      struct audit_report *ret_report)
{
	struct audit_report report = { 0 };
	int r = 0;

	if (profile) {
		report.checks = calloc(profile->n_checks, sizeof(*report.checks));
		r = report.checks ? 0 : -ENOMEM;
	}
	for (size_t i = 0; profile && i < profile->n_checks && r == 0; i++) {
		report.n_checks = i + 1;
		r = run_check(input, &profile->checks[i], &report.checks[i]);
	}
	if (r == 0)
		r = audit_find(input, &report);
	if (r < 0)
		audit_deinit(&report);
	else
		*ret_report = report;
	return r;
}

static void free_results(struct audit_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(results[i].details);
	free(results);
}

void audit_deinit(struct audit_report *report)
{
	free_results(report->checks, report->n_checks);
	free_results(report->findings, report->n_findings);
	*report = (struct audit_report){ 0 };
}

enum audit_verdict audit_verdict_of(const struct audit_report *report)
{
	enum audit_verdict worst = AUDIT_PASS;

	for (size_t i = 0; i < report->n_checks; i++)
		worst = audit_both(worst, report->checks[i].verdict);
	for (size_t i = 0; i < report->n_findings; i++)
		if (report->findings[i].verdict != AUDIT_REMARK)
			worst = audit_both(worst, report->findings[i].verdict);
	return worst;
}

const char *audit_verdict_name(enum audit_verdict verdict)
{
	static const char *const names[AUDIT_VERDICT_N] = {
		[AUDIT_PASS] = "pass",	   [AUDIT_NOT_APPLICABLE] = "not-applicable",
		[AUDIT_REMARK] = "remark", [AUDIT_UNKNOWN] = "unknown",
		[AUDIT_FAIL] = "fail",
	};

	return verdict < AUDIT_VERDICT_N ? names[verdict] : "unknown";
}

struct audit_name audit_server_name(const struct settings_server *server)
{
	struct audit_name name;

	(void)text_copy(policy_server_name(server->server), name.text, sizeof(name.text));
	for (size_t i = 0; i < server->n_ports && i < SETTINGS_PORTS_MAX; i++)
		(void)text_append(name.text, sizeof(name.text), "%s%u", i > 0 ? "," : " on port ",
				  server->ports[i]);
	return name;
}

struct audit_span audit_span_text(int64_t ns)
{
	struct audit_span span;

	if (ns == SETTING_OFF)
		(void)text_copy("off", span.text, sizeof(span.text));
	else if (ns == SETTING_UNKNOWN)
		(void)text_copy("not known", span.text, sizeof(span.text));
	else if (ns == SETTING_NONE)
		(void)text_copy("no such option", span.text, sizeof(span.text));
	else
		duration_format_exact(ns, span.text);
	return span;
}
