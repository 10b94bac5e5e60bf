#include "native/openssh.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"
#include "native/listener.h"
#include "text/sshd-file.h"
#include "text/sshd-settings.h"

enum { RUN_MS = 10000, USUAL_PORT = 22 };

/* Options of sshd that decide on what it is set to. */
static const char *const kept[] = { "-f", "-o", "-c", "-h" };

void openssh_command_add(struct openssh_command *command, const char *word)
{
	if (command->n < PROGRAM_WORDS_MAX - 1)
		command->argv[command->n++] = word;
	command->argv[command->n] = NULL;
}

void openssh_command_init(struct openssh_command *command, const struct settings_server *server)
{
	const char *argument;

	memset(command, 0, sizeof(*command));
	openssh_command_add(command, server->executable);
	if (listener_server_arguments(server, &command->arguments) < 0)
		return;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		size_t at = 0;

		while ((argument = server_arguments_sshd(&command->arguments, kept[i][1], &at))) {
			openssh_command_add(command, kept[i]);
			openssh_command_add(command, argument);
		}
	}
}

/* The main configuration file of a server. */
static void find_config_file(const struct settings_server *server, char *ret_path, size_t size)
{
	/* Where distributions put it; /usr/etc where /etc has only what differs; built by hand. */
	static const char *const files[] = { "/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config",
					     "/usr/local/etc/sshd_config" };
	struct server_arguments arguments;
	const char *file = NULL;
	size_t at = 0;

	if (listener_server_arguments(server, &arguments) == 0)
		file = server_arguments_sshd(&arguments, 'f', &at);
	if (!file && text_starts(server->executable, "/usr/local/") && access(files[2], F_OK) == 0)
		file = files[2];
	for (size_t i = 0; i < sizeof(files) / sizeof(*files) && !file; i++)
		if (access(files[i], F_OK) == 0)
			file = files[i];
	(void)text_copy(file ? file : files[0], ret_path, size);
}

/* The directory that the main file includes all *.conf of. */
static void read_main_file(struct settings_openssh *openssh)
{
	auto_free char *text = NULL;
	size_t size;

	openssh->reads_drop_ins = false;
	openssh->drop_in[0] = '\0';
	if (file_read(openssh->source, &text, &size) < 0)
		return;
	openssh->reads_drop_ins =
		sshd_file_drop_ins(text, size, openssh->drop_in, sizeof(openssh->drop_in));
}

static void read_version(struct settings_server *server)
{
	const char *const argv[] = { server->executable, "-V", NULL };
	struct program_output output;

	if (program_run(argv, RUN_MS, &output) < 0)
		return;
	if (sshd_settings_version(output.error, output.error_size, &server->openssh) < 0)
		(void)sshd_settings_version(output.text, output.size, &server->openssh);
	program_output_deinit(&output);
}

/* -C: commas part its fields, so what has one cannot be asked for. Returns false then.  Without a port
 * sshd refuses to say anything where some Match asks for one. */
static bool case_of(const struct native_query *query, uint16_t port, char *ret_case, size_t size)
{
	(void)snprintf(ret_case, size, "lport=%u", (unsigned)port);
	if (query->user) {
		if (strpbrk(query->user, ",="))
			return false;
		(void)text_append(ret_case, size, ",user=%s", query->user);
	}
	if (query->address) {
		if (strpbrk(query->address, ",="))
			return false;
		(void)text_append(ret_case, size, ",host=%s,addr=%s", query->address,
				  query->address);
	}
	return true;
}

static void tell(struct settings_server *server, const char *what, const char *why)
{
	(void)text_append(server->trouble, sizeof(server->trouble), "%s%s: %s",
			  server->trouble[0] ? "; " : "", what, why);
}

/* Asks with -T, and where that needs what we cannot read (host keys) with -G, which 9.3 and later
 * have. */
static int ask(struct settings_server *server, const char *test_case, struct program_output *output)
{
	struct openssh_command command;
	int r;

	openssh_command_init(&command, server);
	openssh_command_add(&command, "-T");
	openssh_command_add(&command, "-C");
	openssh_command_add(&command, test_case);
	r = program_run(command.argv, RUN_MS, output);
	if (r < 0)
		tell(server, "sshd -T", strerror(-r));
	return r;
}

static int ask_without_keys(struct settings_server *server, const char *test_case)
{
	struct openssh_command command;
	struct program_output output;
	int r;

	openssh_command_init(&command, server);
	openssh_command_add(&command, "-G");
	openssh_command_add(&command, "-C");
	openssh_command_add(&command, test_case);
	if (program_run(command.argv, RUN_MS, &output) < 0)
		return -EINVAL;
	r = output.status == 0 ? sshd_settings_parse(output.text, output.size, &server->openssh)
			       : -EINVAL;
	program_output_deinit(&output);
	return r;
}

void openssh_read(struct settings_server *server, const struct native_query *query)
{
	static const struct native_query nothing = { 0 };
	uint16_t port = server->n_ports > 0 ? server->ports[0] : USUAL_PORT;
	struct program_output output;
	char test_case[512];

	server->openssh = (struct settings_openssh){ 0 };
	/* Nothing is known yet; this also says so in each field. */
	(void)sshd_settings_parse("", 0, &server->openssh);
	if (server->is_foreign)
		return;
	find_config_file(server, server->openssh.source, sizeof(server->openssh.source));
	read_main_file(&server->openssh);
	read_version(server);
	if (query && query->local_port)
		port = query->local_port;
	if (!case_of(query ? query : &nothing, port, test_case, sizeof(test_case))) {
		tell(server, "sshd -T -C", "cannot take a comma or an equals sign");
		return;
	}
	if (ask(server, test_case, &output) < 0)
		return;
	if (output.status == 0 &&
	    sshd_settings_parse(output.text, output.size, &server->openssh) < 0)
		tell(server, "sshd -T", "says nothing of ClientAliveInterval");
	else if (output.status != 0 && ask_without_keys(server, test_case) < 0)
		tell(server, "sshd -T", program_complaint(&output));
	program_output_deinit(&output);
}

int openssh_check(const struct settings_server *server, const char *file, char *ret_complaint,
		  size_t size)
{
	struct openssh_command command;
	struct program_output output;
	int r;

	openssh_command_init(&command, server);
	/* The last one counts. */
	if (file) {
		openssh_command_add(&command, "-f");
		openssh_command_add(&command, file);
	}
	openssh_command_add(&command, "-t");
	r = program_run(command.argv, RUN_MS, &output);
	if (r < 0) {
		(void)snprintf(ret_complaint, size, "%s: %s", server->executable, strerror(-r));
		return -EINVAL;
	}
	if (output.status != 0) {
		(void)snprintf(ret_complaint, size, "sshd -t: %s", program_complaint(&output));
		r = -EINVAL;
	}
	program_output_deinit(&output);
	return r;
}
