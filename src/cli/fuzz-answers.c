/* What the daemon and the keepers answer, any JSON: what is shown of it can stand on any terminal.
 * The first byte is the command (l, w, s, e, p), the second u for a terminal with UTF-8. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/parked.h"
#include "config.h"
#include "text/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *answer;

/* ---- client.h: the daemon that answers ---- */

bool client_runs(const struct arguments *arguments)
{
	(void)arguments;
	return true;
}

enum command_exit client_call(const struct arguments *arguments, const char *method,
			      json_t *parameters, json_t **ret_parameters)
{
	(void)arguments;
	(void)method;
	json_decref(parameters);
	*ret_parameters = json_incref(answer);
	return COMMAND_OK;
}

enum command_exit client_follow(const struct arguments *arguments, const char *method,
				enum command_exit (*take)(const struct arguments *arguments,
							  const json_t *parameters))
{
	(void)method;
	return take(arguments, answer);
}

enum command_exit client_stream_open(const struct arguments *arguments, const char *method,
				     json_t *parameters, struct client_stream **ret_stream)
{
	(void)arguments;
	(void)method;
	(void)ret_stream;
	json_decref(parameters);
	return COMMAND_UNREACHABLE;
}

void client_stream_close(struct client_stream *stream)
{
	(void)stream;
}

int client_stream_fd(const struct client_stream *stream)
{
	(void)stream;
	return -1;
}

enum command_exit client_stream_wait(struct client_stream *stream, json_t **ret_parameters)
{
	(void)stream;
	(void)ret_parameters;
	return COMMAND_FAILED;
}

bool client_stream_continues(const struct client_stream *stream)
{
	(void)stream;
	return false;
}

int client_stream_take(struct client_stream *stream, json_t **ret_parameters)
{
	(void)stream;
	(void)ret_parameters;
	return 0;
}

/* ---- the commands ---- */

static void run(uint8_t command)
{
	static const char *const operands[] = { "41", NULL };
	struct arguments arguments = { .runtime_dir = "/nonexistent" };

	if (command == 'l')
		(void)command_list(&arguments);
	else if (command == 's')
		(void)command_status(&arguments);
	else if (command == 'e')
		(void)command_events(&arguments);
	arguments.operands = operands;
	arguments.n_operands = 1;
	if (command == 'w')
		(void)command_why(&arguments);
#if HAVE_PARK
	if (command == 'p') {
		struct parked item = { .id = 1, .info = answer };

		(void)parked_print(&(struct parked_list){ &item, 1 });
	}
#endif
}

static void look_at(char *text)
{
	for (char *line; (line = strsep(&text, "\n"));)
		if (!text_is_printable(line)) {
			(void)fprintf(stderr, "not printable: %s\n", line);
			abort();
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *out = stdout, *err = stderr;
	char *text = NULL;
	size_t n;

	if (size < 2 || varlink_parse((const char *)data + 2, size - 2, &answer) < 0)
		return 0;
	(void)setenv("LC_ALL", data[1] == 'u' ? "C.UTF-8" : "C", 1);
	output_init();
	stdout = open_memstream(&text, &n);
	stderr = stdout;
	assert(stdout);
	run(data[0]);
	(void)fclose(stdout);
	stdout = out;
	stderr = err;
	look_at(text);
	free(text);
	json_decref(answer);
	return 0;
}
