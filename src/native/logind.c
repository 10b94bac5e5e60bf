#include "native/logind.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"
#include "native/manager.h"
#include "native/program.h"
#include "text/logind-settings.h"

enum { RUN_MS = 10000, STOP_IDLE_SESSION_SINCE = 252, DROP_INS_MAX = 64, NAME_BYTES = 128 };

/* A name in an earlier directory hides the same one in the later ones. */
static const char *const directories[] = { "/etc/systemd", "/run/systemd", "/usr/local/lib/systemd",
					   "/usr/lib/systemd" };

enum { DIRECTORIES_N = sizeof(directories) / sizeof(*directories) };

struct names {
	char rows[DROP_INS_MAX][NAME_BYTES];
	size_t n;
};

static void take_file(const char *path, struct settings_logind *logind, bool built_in)
{
	auto_free char *text = NULL;
	size_t size;

	if (file_read(path, &text, &size) == 0)
		logind_settings_parse(text, size, built_in ? NULL : path, logind);
}

static void take_main_file(struct settings_logind *logind)
{
	char path[SETTINGS_PATH_BYTES];

	for (int i = 0; i < DIRECTORIES_N; i++) {
		(void)snprintf(path, sizeof(path), "%s/logind.conf", directories[i]);
		if (access(path, R_OK) < 0)
			continue;
		take_file(path, logind, true);
		take_file(path, logind, false);
		return;
	}
}

static void add_name(void *context, const char *path)
{
	struct names *names = context;
	const char *name = strrchr(path, '/') + 1;

	for (size_t i = 0; i < names->n; i++)
		if (text_equal(names->rows[i], name))
			return;
	if (names->n < DROP_INS_MAX && text_copy(name, names->rows[names->n], NAME_BYTES))
		names->n++;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Each name once, from the first directory that has it, in the order of the names. */
static int take_drop_ins(struct settings_logind *logind)
{
	struct names names = { .n = 0 };
	char path[SETTINGS_PATH_BYTES];
	int r = 0;

	for (int i = 0; r == 0 && i < DIRECTORIES_N; i++) {
		(void)snprintf(path, sizeof(path), "%s/logind.conf.d/*.conf", directories[i]);
		r = file_each(path, add_name, &names);
	}
	qsort(names.rows, names.n, NAME_BYTES, compare_names);
	for (size_t n = 0; n < names.n; n++) {
		for (int i = 0; i < DIRECTORIES_N; i++) {
			(void)snprintf(path, sizeof(path), "%s/logind.conf.d/%s", directories[i],
				       names.rows[n]);
			if (access(path, F_OK) < 0)
				continue;
			take_file(path, logind, false);
			break;
		}
	}
	return r;
}

static bool is_before_stop_idle_session(void)
{
	const char *const argv[] = { MANAGER_SYSTEMCTL, "--version", NULL };
	struct program_output output;
	uint32_t version;
	bool before;

	if (program_run(argv, RUN_MS, &output) < 0)
		return false;
	before = logind_settings_version(output.text, output.size, &version) == 0 &&
		 version < STOP_IDLE_SESSION_SINCE;
	program_output_deinit(&output);
	return before;
}

void logind_read(const char *user, struct settings_logind *ret_logind)
{
	char path[SETTINGS_PATH_BYTES];

	logind_settings_init(ret_logind);
	/* What sd_booted(3) and logind's own library look at. */
	ret_logind->running = access("/run/systemd/seats", F_OK) == 0;
	take_main_file(ret_logind);
	if (take_drop_ins(ret_logind) < 0)
		ret_logind->stop_idle_session_ns = ret_logind->idle_action_ns = SETTING_UNKNOWN;
	if (is_before_stop_idle_session())
		ret_logind->stop_idle_session_ns = SETTING_NONE;
	if (user && !strchr(user, '/')) {
		(void)snprintf(path, sizeof(path), "/var/lib/systemd/linger/%s", user);
		ret_logind->linger_known = true;
		ret_logind->linger = access(path, F_OK) == 0;
	}
}
