/* The forms of a report of src/audit. */
#pragma once

#include <jansson.h>

#include "audit/audit.h"
#include "cli/command.h"

struct audit_output {
	const struct arguments *arguments;
	const struct profile *profile;
	const struct audit_report *report;
};

/* Groups of checks and findings, worst first, wrapped to the terminal. */
void audit_output_text(const struct audit_output *output);

/* docs/PROFILES.md has its members. NULL: no memory; else the caller's. */
json_t *audit_output_json(const struct audit_output *output);

/* SARIF 2.1.0 (OASIS Standard), one run. NULL: no memory; else the caller's. */
json_t *audit_output_sarif(const struct audit_output *output);

/* Looks up the lines of those details that have a file and a keyword, but no line yet: in that file
 * and what it includes.  The file becomes the one where it was found. */
void audit_output_locate(struct audit_report *report);
