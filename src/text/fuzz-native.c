/* What other programs print and other people's files say, any bytes: no parser trips over it. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/diff.h"
#include "text/edit.h"
#include "text/logind-settings.h"
#include "text/proctcp.h"
#include "text/server-arguments.h"
#include "text/shell-settings.h"
#include "text/sshd-file.h"
#include "text/sshd-settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void arguments(const char *text, size_t size)
{
	static struct server_arguments arguments;
	struct settings_dropbear dropbear;
	size_t at = 0;

	if (server_arguments_split(text, size, &arguments) < 0)
		return;
	assert(arguments.n <= SERVER_ARGUMENTS_MAX && !arguments.words[arguments.n]);
	while (server_arguments_sshd(&arguments, 'o', &at))
		;
	server_arguments_dropbear(&arguments, &dropbear);
	(void)server_arguments_dropbear_inetd(&arguments);
}

static void shell(const char *text, size_t size)
{
	struct settings_shell shell;
	int effective;

	memset(&shell, 0, sizeof(shell));
	shell_settings_parse(text, size, "f", &shell);
	shell_settings_parse_environment(text, size, "g", &shell);
	effective = shell_settings_effective(&shell);
	assert(shell.n <= SETTINGS_SHELLS_MAX && effective < (int)shell.n);
	assert((effective < 0) == (shell.n == 0));
}

static void logind(const char *text, size_t size)
{
	struct settings_logind settings;
	uint32_t version;

	logind_settings_init(&settings);
	logind_settings_parse(text, size, NULL, &settings);
	logind_settings_parse(text, size, "f", &settings);
	assert(settings.stop_idle_session_ns > 0 || settings.stop_idle_session_ns == SETTING_OFF);
	(void)logind_settings_version(text, size, &version);
}

static void config(const char *text, size_t size)
{
	struct sshd_file_cursor cursor = { .at = text, .end = text + size };
	struct sshd_file_line line;
	char argument[16];
	int32_t before = 0;

	while (sshd_file_next(&cursor, &line)) {
		const char *value = line.value;

		assert(line.number > before && line.at >= text && line.at < text + size);
		before = line.number;
		while (sshd_file_argument(&value, argument, sizeof(argument)))
			;
	}
	(void)sshd_file_drop_ins(text, size, argument, sizeof(argument));
}

/* What is put in and taken away again leaves no trace but a last line's end. */
static void edits(const char *bytes, size_t size)
{
	struct edit_uci option = { "dropbear", "SSHKeepAlive", "15" };
	char *text = strndup(bytes, size), *clean, *with, *without, *uci, value[64];
	FILE *null = fopen("/dev/null", "we");

	clean = edit_without_blocks(text);
	for (int place = EDIT_TOP; place <= EDIT_END; place++) {
		with = edit_with_block(clean, (enum edit_place)place, "X 1\n");
		without = edit_without_blocks(with);
		if (!*clean || clean[strlen(clean) - 1] == '\n')
			assert(strcmp(without, clean) == 0);
		(void)diff_print("f", clean, with, null);
		free(with);
		free(without);
	}
	(void)edit_assigned(text, "A", value, sizeof(value));
	(void)edit_without_options(text, "KI", value, sizeof(value));
	uci = edit_uci_set(text, &option);
	if (edit_uci_get(text, &option, 0, value, sizeof(value)) != -ERANGE) {
		assert(edit_uci_get(uci, &option, 0, value, sizeof(value)) == 0);
		assert(strcmp(value, "15") == 0);
	}
	free(uci);
	free(clean);
	free(text);
	(void)fclose(null);
}

static void sockets(const char *text, size_t size)
{
	const char *at = text;
	struct proctcp_row row;

	while (proctcp_next(&at, text + size, &row))
		assert(at > text && at <= text + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct settings_openssh settings;

	memset(&settings, 0, sizeof(settings));
	(void)sshd_settings_parse(text, size, &settings);
	(void)sshd_settings_version(text, size, &settings);
	arguments(text, size);
	shell(text, size);
	logind(text, size);
	config(text, size);
	sockets(text, size);
	edits(text, size);
	return 0;
}
