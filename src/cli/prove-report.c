/* What was found: a table for people, JSON, and an evidence file that can be signed. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/prove-private.h"
#include "cli/table.h"
#include "config.h"
#include "core/policy.h"
#include "native/file.h"
#include "native/program.h"

#define EVIDENCE_FORMAT 1
#define SIGN_NAMESPACE	"sshidle-evidence"

enum { TOOL_MS = 60000 };

static const char *const verdict_words[] = {
	[PROVE_AS_PROMISED] = "as promised",
	[PROVE_NOT_AS_PROMISED] = "not as promised",
	[PROVE_COULD_NOT_RUN] = "could not run",
	[PROVE_NOT_APPLICABLE] = "not applicable",
};

/* --- for people --- */

static enum output_style style_of(enum prove_verdict verdict)
{
	if (verdict == PROVE_AS_PROMISED)
		return STYLE_GOOD;
	return verdict == PROVE_NOT_APPLICABLE ? STYLE_FAINT : STYLE_BAD;
}

static void name_processes(const struct prove_processes *processes, char *ret_text, size_t size)
{
	(void)text_copy(processes->n == 0 ? "-" : "", ret_text, size);
	for (size_t i = 0; i < processes->n; i++)
		(void)text_append(ret_text, size, "%s%s(%d)", i > 0 ? ", " : "",
				  processes->items[i].name, processes->items[i].pid);
}

static void add_case(const struct prove_report *report, struct table *table,
		     const struct prove_case *one)
{
	char promise[PROVE_TEXT_BYTES], after[DURATION_TEXT_BYTES] = "-", left[PROVE_TEXT_BYTES];
	const char *cells[] = { one->situation->name,	    promise, one->happened, after, left,
				verdict_words[one->verdict] };

	prove_verdict_promise(one, report->limit_ns, promise, sizeof(promise));
	if (one->after_ns > 0)
		(void)snprintf(after, sizeof(after), "%.1fs", (double)one->after_ns / NS_PER_S);
	name_processes(&one->processes, left, sizeof(left));
	(void)table_add(table, cells, style_of(one->verdict));
}

static void print_server(const struct prove_report *report, const struct prove_server *server)
{
	static const struct table_column columns[] = {
		{ "SITUATION", false, 0, 0 },	   { "PROMISED", false, 16, 1 },
		{ "WHAT HAPPENED", false, 20, 0 }, { "AFTER", true, 0, 0 },
		{ "LEFT ALIVE", false, 10, 2 },	   { "VERDICT", false, 0, 0 },
	};
	struct table table;

	(void)printf("%s%s on port %u%s (", output_style(STYLE_HEAD),
		     policy_server_name(server->id), server->port, output_style_end());
	output_put(server->banner[0] ? server->banner : "no banner");
	(void)puts(")");
	if (server->cannot[0] != '\0') {
		(void)printf("%scould not run%s: ", output_style(STYLE_BAD), output_style_end());
		output_put(server->cannot);
		(void)puts("\n");
		return;
	}
	table_init(&table, columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < PROVE_SITUATIONS; i++)
		add_case(report, &table, &server->cases[i]);
	table_print(&table);
	table_deinit(&table);
	/* In full: what a narrow terminal cuts off. */
	for (size_t i = 0; i < PROVE_SITUATIONS; i++) {
		if (server->cases[i].verdict == PROVE_AS_PROMISED)
			continue;
		(void)printf("%s: %s: ", server->cases[i].situation->name,
			     verdict_words[server->cases[i].verdict]);
		output_put(server->cases[i].happened);
		(void)putchar('\n');
	}
	(void)putchar('\n');
}

void prove_report_print(const struct prove_report *report)
{
	char limit[DURATION_TEXT_BYTES];

	duration_format_exact(report->limit_ns, limit);
	for (size_t i = 0; i < report->servers->n; i++)
		print_server(report, &report->servers->items[i]);
	(void)printf("%s%s%s: limit %s, %s %s, %s to %s\n", output_style(style_of(report->verdict)),
		     verdict_words[report->verdict], output_style_end(), limit,
		     report->run->throwaway ? "throwaway user" : "user", report->run->user,
		     report->began, report->ended);
	if (!report->clean)
		(void)puts("not all that was made for it could be taken away");
}

/* --- JSON --- */

static json_t *seconds_new(int64_t ns)
{
	return ns > 0 ? json_real((double)(ns / NS_PER_MS) / 1000) : json_null();
}

/* Foreign text may be no UTF-8. */
static json_t *text_new(const char *text)
{
	char escaped[4 * PROVE_TEXT_BYTES];
	json_t *value = json_string(text);

	if (value)
		return value;
	text_escape(text, false, escaped, sizeof(escaped));
	return json_string(escaped);
}

static json_t *processes_new(const struct prove_processes *processes)
{
	json_t *list = json_array();

	for (size_t i = 0; i < processes->n; i++)
		(void)json_array_append_new(list,
					    json_pack("{s:i,s:o}", "pid", processes->items[i].pid,
						      "name", text_new(processes->items[i].name)));
	return list;
}

static json_t *case_new(const struct prove_report *report, const struct prove_case *one)
{
	const int64_t warned_ns = one->warned_at_ns > 0 ? one->warned_at_ns - one->last_use_ns : 0;
	char promise[PROVE_TEXT_BYTES];

	prove_verdict_promise(one, report->limit_ns, promise, sizeof(promise));
	return json_pack("{s:s,s:s,s:s,s:o,s:b,s:o,s:o,s:o,s:o,s:s}", "situation",
			 one->situation->name, "rule", one->rule, "promised", promise, "happened",
			 text_new(one->happened), "ended", one->ended_at_ns > 0, "after_s",
			 seconds_new(one->after_ns), "warned_after_s", seconds_new(warned_ns),
			 "by_rule", one->ended_by > 0 ? json_integer(one->ended_by) : json_null(),
			 "left_alive", processes_new(&one->processes), "verdict",
			 verdict_words[one->verdict]);
}

static json_t *server_new(const struct prove_report *report, const struct prove_server *server)
{
	json_t *cases = json_array();

	for (size_t i = 0; server->cannot[0] == '\0' && i < PROVE_SITUATIONS; i++)
		(void)json_array_append_new(cases, case_new(report, &server->cases[i]));
	return json_pack(
		"{s:s,s:i,s:s,s:o,s:o,s:o,s:o}", "server", policy_server_name(server->id), "port",
		server->port, "address", server->address, "banner", text_new(server->banner),
		"executable", text_new(server->native.executable), "could_not_run",
		server->cannot[0] ? text_new(server->cannot) : json_null(), "situations", cases);
}

static json_t *servers_new(const struct prove_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->servers->n; i++)
		(void)json_array_append_new(list, server_new(report, &report->servers->items[i]));
	return list;
}

/* PRETTY_NAME of os-release(5). */
static json_t *system_new(void)
{
	auto_free char *text = NULL;
	const char *name;
	size_t size;

	if (file_read("/etc/os-release", &text, &size) < 0)
		return json_null();
	name = strstr(text, "PRETTY_NAME=");
	if (!name)
		return json_null();
	name += strlen("PRETTY_NAME=");
	name += *name == '"';
	return json_stringn(name, strcspn(name, "\"\n"));
}

static json_t *host_new(void)
{
	struct utsname name;

	if (uname(&name) < 0)
		return json_null();
	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "name", text_new(name.nodename), "system",
			 system_new(), "kernel", text_new(name.release), "kernel_version",
			 text_new(name.version), "machine", text_new(name.machine));
}

/* Who logged in to become root, as the kernel keeps it (pam_loginuid(8)); else who this is. */
static json_t *signer_new(void)
{
	auto_free char *text = NULL;
	const struct passwd *entry;
	uint64_t uid;
	size_t size;

	if (file_read("/proc/self/loginuid", &text, &size) < 0 ||
	    text_to_u64(text, UINT32_MAX - 1, &uid) < 0)
		uid = getuid();
	entry = getpwuid((uid_t)uid);
	return json_pack("{s:o,s:I}", "name", entry ? text_new(entry->pw_name) : json_null(), "uid",
			 (json_int_t)uid);
}

static json_t *configuration_new(const struct prove_report *report)
{
	char digest[SHA256_DIGEST_STRING_LENGTH];

	if (!SHA256Data((const uint8_t *)report->configuration, strlen(report->configuration),
			digest))
		return NULL;
	return json_pack("{s:O?,s:O?,s:s,s:o}", "file", json_object_get(report->status, "config"),
			 "read", json_object_get(report->status, "config_loaded"), "sha256", digest,
			 "text", text_new(report->configuration));
}

static json_t *sshidle_new(const struct prove_report *report)
{
	return json_pack("{s:s,s:O?,s:O?,s:O?}", "version", SSHIDLE_VERSION, "daemon_version",
			 json_object_get(report->status, "version"), "daemon_pid",
			 json_object_get(report->status, "pid"), "daemon_since",
			 json_object_get(report->status, "since"));
}

json_t *prove_report_new(const struct prove_report *report)
{
	return json_pack("{s:s,s:i,s:s,s:o,s:s,s:s,s:o,s:o,s:o,s:f,s:f,s:{s:o,s:b},s:b,s:o}",
			 "type", "sshidle-evidence", "format", EVIDENCE_FORMAT, "verdict",
			 verdict_words[report->verdict], "signed_off_by", signer_new(), "began",
			 report->began, "ended", report->ended, "host", host_new(), "sshidle",
			 sshidle_new(report), "configuration", configuration_new(report), "limit_s",
			 (double)report->limit_ns / NS_PER_S, "worst_delay_s",
			 (double)(report->worst_delay_ns / NS_PER_MS) / 1000, "user", "name",
			 text_new(report->run->user), "throwaway", report->run->throwaway,
			 "nothing_left_behind", report->clean, "servers", servers_new(report));
}

/* --- the file --- */

static int write_file(const char *path, const json_t *evidence)
{
	FILE *file = fopen(path, "we");
	int r = 0;

	if (!file)
		return -errno;
	if (fchmod(fileno(file), 0644) < 0 ||
	    json_dumpf(evidence, file, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) < 0 ||
	    fputc('\n', file) == EOF)
		r = -EIO;
	if (fclose(file) != 0 && r == 0)
		r = -errno;
	return r;
}

static int sign(const char *key, const char *path)
{
	const char *argv[] = { prove_tool_find("ssh-keygen"),
			       "-Y",
			       "sign",
			       "-f",
			       key,
			       "-n",
			       SIGN_NAMESPACE,
			       path,
			       NULL };
	char signature[PATH_MAX + 8];
	struct program_output output;
	const char *complaint;
	int r;

	/* It would ask whether to overwrite one. */
	(void)snprintf(signature, sizeof(signature), "%s.sig", path);
	(void)unlink(signature);
	r = program_run(argv, TOOL_MS, &output);
	if (r < 0) {
		output_error("%s is not signed: %s", path, strerror(-r));
		return r;
	}
	complaint = program_complaint(&output);
	if (output.status != 0) {
		output_error("%s is not signed: %s", path,
			     complaint ? complaint : "ssh-keygen failed");
		r = -EIO;
	}
	program_output_deinit(&output);
	return r;
}

int prove_report_keep(const struct prove_report *report, const json_t *evidence)
{
	const char *given = report->arguments->evidence;
	char path[PATH_MAX], key[PATH_MAX];
	int r;

	if (!given)
		return 0;
	r = write_file(given, evidence);
	if (r < 0) {
		output_error("cannot write %s: %s", given, strerror(-r));
		return r;
	}
	if (!report->arguments->sign)
		return 0;
	/* Programs are run in another directory. */
	if (!realpath(given, path) || !realpath(report->arguments->sign, key)) {
		r = -errno;
		output_error("%s: %s", report->arguments->sign, strerror(-r));
		return r;
	}
	return sign(key, path);
}
