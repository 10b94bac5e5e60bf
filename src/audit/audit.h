/*
 * Is this host what it claims to be?
 *
 * A report compares what a host is set to (core/settings.h), sshidle's configuration and the state
 * of sshidled with a profile (text/profile.h), and lists settings that do not do what they are
 * taken for, which needs no profile.  Nothing here reads files or clocks; the caller has done that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/policy.h"
#include "core/settings.h"
#include "text/profile.h"

#define AUDIT_DETAILS_MAX 24
#define AUDIT_TEXT_BYTES  320

/* In the order of how bad it is. */
enum audit_verdict {
	AUDIT_PASS,
	AUDIT_NOT_APPLICABLE,
	AUDIT_REMARK, /* of a finding: works, but not as it reads */
	AUDIT_UNKNOWN,
	AUDIT_FAIL,
	AUDIT_VERDICT_N
};

struct audit_input {
	const struct settings_host *host;
	const struct config *config; /* NULL: it could not be read */
	bool running;		     /* sshidled answers */
	bool stale;		     /* it runs with an older state of the configuration */
	int64_t multiplexers;	     /* tmux and screen that run; below 0: not known */
	bool scopes;		     /* what sshidled parks gets a scope of systemd */
	/* One case: user (with groups) and address.  Both NULL: everybody, so each Match block that
	 * may fit somebody is looked at. */
	struct policy_query query;
};

/* One thing that was looked at.  A line of 0 is not known; `keyword` is what to look for in the
 * file then. */
struct audit_detail {
	enum audit_verdict verdict;
	char text[AUDIT_TEXT_BYTES];
	char file[SETTINGS_PATH_BYTES]; /* "": it stands in no file */
	int32_t line;
	const char *keyword; /* NULL: none */
};

/* One check of the profile, or one finding.  The texts belong to the profile or are static. */
struct audit_result {
	const char *id;
	const char *requirement;
	const char *fix;
	const char *commonly_looks_at, *commonly_but; /* NULL: nothing to say */
	enum audit_verdict verdict;
	struct audit_detail *details; /* owned */
	size_t n_details;
};

struct audit_report {
	struct audit_result *checks; /* in the profile's order */
	size_t n_checks;
	struct audit_result *findings; /* only what was found */
	size_t n_findings;
};

/* NULL `profile`: only the findings. -ENOMEM. The report is for audit_deinit(). */
int audit_run(const struct audit_input *input, const struct profile *profile,
	      struct audit_report *ret_report);
void audit_deinit(struct audit_report *report);

/* The worst of all: AUDIT_FAIL, else AUDIT_UNKNOWN, else AUDIT_PASS (remarks do not count). */
enum audit_verdict audit_verdict_of(const struct audit_report *report);

/* "pass", "fail", "not-applicable", "unknown", "remark". */
const char *audit_verdict_name(enum audit_verdict verdict);
