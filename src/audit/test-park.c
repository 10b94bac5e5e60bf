/* What logind's KillUserProcesses does to parked terminals: the finding logind.kill-ends-parked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "audit/audit.h"
#include "base/text.h"

#define KILLED                                                                                          \
	"KillUserProcesses yes, IdleAction park (f:2): parked terminals have no scope (no systemd, or " \
	"built without libsystemd), what runs in them is killed"
#define IN_SCOPES                                                                              \
	"KillUserProcesses yes, IdleAction park (f:2): parked terminals live on in scopes of " \
	"their own; a server of tmux or screen is killed"
#define PARKS "IdleTimeout 5m\nIdleAction park\n"

enum logind { NONE, SPARES, KILLS };

static const struct {
	const char *config;
	enum logind logind;
	bool scopes;
	const char *user;
	const char *said; /* NULL: nothing */
	enum audit_verdict verdict;
} rows[] = {
	{ PARKS, KILLS, false, NULL, KILLED, AUDIT_FAIL },
	{ PARKS, KILLS, true, NULL, IN_SCOPES, AUDIT_REMARK },
	{ PARKS, SPARES, false, NULL, NULL, AUDIT_PASS },
	{ PARKS, NONE, false, NULL, NULL, AUDIT_PASS },
	{ "IdleTimeout 5m\n", KILLS, false, NULL, NULL, AUDIT_PASS },
	/* KillExcludeUsers has alice. */
	{ PARKS, KILLS, false, "alice", NULL, AUDIT_PASS },
	{ PARKS, KILLS, false, "bob", KILLED, AUDIT_FAIL },
	/* For whom it parks, and what. */
	{ "Match User bob\nIdleAction park\n", KILLS, false, NULL, KILLED, AUDIT_FAIL },
	{ "Match User bob\nIdleAction park\n", KILLS, false, "bob", KILLED, AUDIT_FAIL },
	{ "Match User bob\nIdleAction park\n", KILLS, false, "carol", NULL, AUDIT_PASS },
	{ "Match Kind exec\nIdleAction park\n", KILLS, false, NULL, NULL, AUDIT_PASS },
};

static void make_host(enum logind logind, struct settings_host *host)
{
	memset(host, 0, sizeof(*host));
	host->shell.effective = -1;
	host->logind.running = logind != NONE;
	host->logind.kill_user_processes = logind != SPARES;
	host->logind.stop_idle_session_ns = SETTING_OFF;
	(void)text_copy("root alice", host->logind.kill_exclude, sizeof(host->logind.kill_exclude));
	(void)text_copy("/etc/systemd/logind.conf.d/kill.conf", host->logind.kill_source,
			sizeof(host->logind.kill_source));
}

static struct config *config_of(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;

	assert_int_equal(config_parse(&(struct config_text){ "f", text, strlen(text) }, NULL,
				      &problems, &config),
			 0);
	config_problems_deinit(&problems);
	return config;
}

static void assert_said(size_t row, const struct audit_report *report)
{
	const struct audit_result *finding = report->findings;

	if (report->n_findings != (rows[row].said ? 1 : 0))
		fail_msg("row %zu: %zu findings", row, report->n_findings);
	if (!rows[row].said)
		return;
	assert_string_equal(finding->id, "logind.kill-ends-parked");
	assert_int_equal(finding->verdict, rows[row].verdict);
	assert_int_equal(finding->n_details, 1);
	assert_string_equal(finding->details[0].text, rows[row].said);
	assert_string_equal(finding->details[0].file, "/etc/systemd/logind.conf.d/kill.conf");
	assert_string_equal(finding->details[0].keyword, "KillUserProcesses");
}

static void it_is_said_what_becomes_of_the_parked(void **state)
{
	static struct settings_host host;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *config = config_of(rows[i].config);
		struct audit_report report;

		make_host(rows[i].logind, &host);
		assert_int_equal(audit_run(&(struct audit_input){ .host = &host,
								  .config = config,
								  .running = true,
								  .scopes = rows[i].scopes,
								  .query.user = rows[i].user },
					   NULL, &report),
				 0);
		assert_said(i, &report);
		audit_deinit(&report);
		config_free(config);
	}
}

static void a_configuration_that_cannot_be_read_parks_nothing(void **state)
{
	static struct settings_host host;
	struct audit_report report;

	(void)state;
	make_host(KILLS, &host);
	assert_int_equal(audit_run(&(struct audit_input){ .host = &host }, NULL, &report), 0);
	assert_int_equal(report.n_findings, 0);
	audit_deinit(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_said_what_becomes_of_the_parked),
		cmocka_unit_test(a_configuration_that_cannot_be_read_parks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
