#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "cli/audit-output.h"
#include "cli/command.h"
#include "cli/host-case.h"
#include "cli/multiplexers.h"
#include "cli/output.h"
#include "config.h"
#include "native/manager.h"

/* What sshidle(1) says of this command: 0 all passed, 1 something failed, 2 could not look. */
#define EXIT_PASSED	  COMMAND_OK
#define EXIT_FAILED_CHECK COMMAND_FAILED
#define EXIT_BLIND	  COMMAND_USAGE

static int load_profile(const struct arguments *arguments, const struct config *config,
			struct profile **ret_profile)
{
	const char *name = arguments->profile;
	char problem[PROFILE_PROBLEM_BYTES];
	int r;

	if (!name)
		name = config && config->profile ? config->profile : "default";
	r = profile_load(name, problem, ret_profile);
	if (r < 0)
		output_error("%s", r == -ENOMEM ? strerror(ENOMEM) : problem);
	return r;
}

static bool put_report(const struct audit_output *output)
{
	if (output->arguments->sarif)
		output_new_json(audit_output_sarif(output));
	else if (output->arguments->json)
		output_new_json(audit_output_json(output));
	else
		audit_output_text(output);
	return output_finish();
}

static enum command_exit audit_case(const struct arguments *arguments,
				    const struct host_case *host_case,
				    const struct profile *profile)
{
	const struct audit_input input = { .host = host_case->host,
					   .config = host_case->config,
					   .running = host_case->running,
					   .stale = host_case->stale,
					   .multiplexers = multiplexers_count(),
					   .scopes = HAVE_SYSTEMD && manager_is_systemd(),
					   .query = host_case->query };
	struct audit_report report;
	enum audit_verdict verdict;
	bool written;
	int r = audit_run(&input, profile, &report);

	if (r < 0) {
		output_error("%s", strerror(-r));
		return EXIT_BLIND;
	}
	audit_output_locate(&report);
	verdict = audit_verdict_of(&report);
	written = put_report(&(struct audit_output){ arguments, profile, &report });
	audit_deinit(&report);
	if (!written || verdict == AUDIT_UNKNOWN)
		return EXIT_BLIND;
	return verdict == AUDIT_FAIL ? EXIT_FAILED_CHECK : EXIT_PASSED;
}

enum command_exit command_audit(const struct arguments *arguments)
{
	struct profile *profile = NULL;
	struct host_case host_case;
	enum command_exit result;

	if (arguments->json && arguments->sarif)
		return command_usage(command_find("audit"),
				     "--json and --sarif exclude each other");
	result = host_case_load(arguments, &host_case);
	if (result == COMMAND_OK && load_profile(arguments, host_case.config, &profile) < 0)
		result = EXIT_BLIND;
	if (result == COMMAND_OK)
		result = audit_case(arguments, &host_case, profile);
	else
		result = EXIT_BLIND;
	profile_free(profile);
	host_case_deinit(&host_case);
	return result;
}
