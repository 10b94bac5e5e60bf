/* The command: asks sshidled over its control socket. */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/standard.h"
#include "cli/command.h"
#include "cli/output.h"
#include "config.h"

/* What the command line says; options may stand anywhere, before and behind the command. */
struct line {
	struct arguments arguments;
	const char *command;
	const char **operands; /* argc of them have room */
	unsigned options;      /* enum command_option, those given */
	bool help;
	bool version;
};

/* Options without a letter. */
enum {
	LONG_USER = 256,
	LONG_FROM,
	LONG_SERVER,
	LONG_PROFILE,
	LONG_SARIF,
	LONG_LIMIT,
	LONG_EVIDENCE,
	LONG_SIGN,
	LONG_WRITE,
	LONG_UNDO,
	LONG_STEAL,
	LONG_ESCAPE,
	LONG_NOTICE,
};

/* Where they go, by what getopt_long() returns for them: a text, or a flag. */
struct place {
	int letter;
	enum command_option option;
	size_t offset; /* in the arguments */
};

static const struct place texts[] = {
	{ 'm', OPTION_MESSAGE, offsetof(struct arguments, message) },
	{ 'f', OPTION_FILE, offsetof(struct arguments, config_file) },
	{ LONG_USER, OPTION_USER, offsetof(struct arguments, user) },
	{ LONG_FROM, OPTION_FROM, offsetof(struct arguments, from) },
	{ LONG_SERVER, OPTION_SERVER, offsetof(struct arguments, server) },
	{ LONG_PROFILE, OPTION_PROFILE, offsetof(struct arguments, profile) },
	{ LONG_LIMIT, OPTION_LIMIT, offsetof(struct arguments, limit) },
	{ LONG_EVIDENCE, OPTION_EVIDENCE, offsetof(struct arguments, evidence) },
	{ LONG_SIGN, OPTION_SIGN, offsetof(struct arguments, sign) },
	{ LONG_ESCAPE, OPTION_ESCAPE, offsetof(struct arguments, escape) },
};

static const struct place flags[] = {
	{ 'j', OPTION_JSON, offsetof(struct arguments, json) },
	{ 'a', OPTION_ALL, offsetof(struct arguments, all) },
	{ LONG_SARIF, OPTION_SARIF, offsetof(struct arguments, sarif) },
	{ LONG_WRITE, OPTION_WRITE, offsetof(struct arguments, write) },
	{ LONG_UNDO, OPTION_UNDO, offsetof(struct arguments, undo) },
	{ LONG_STEAL, OPTION_STEAL, offsetof(struct arguments, steal) },
	{ LONG_NOTICE, OPTION_NOTICE, offsetof(struct arguments, notice) },
};

static const struct option long_options[] = {
	{ "runtime-dir", required_argument, NULL, 'r' },
	{ "message", required_argument, NULL, 'm' },
	{ "file", required_argument, NULL, 'f' },
	{ "user", required_argument, NULL, LONG_USER },
	{ "from", required_argument, NULL, LONG_FROM },
	{ "server", required_argument, NULL, LONG_SERVER },
	{ "profile", required_argument, NULL, LONG_PROFILE },
	{ "limit", required_argument, NULL, LONG_LIMIT },
	{ "evidence", required_argument, NULL, LONG_EVIDENCE },
	{ "sign", required_argument, NULL, LONG_SIGN },
	{ "escape", required_argument, NULL, LONG_ESCAPE },
	{ "steal", no_argument, NULL, LONG_STEAL },
	{ "notice", no_argument, NULL, LONG_NOTICE },
	{ "json", no_argument, NULL, 'j' },
	{ "sarif", no_argument, NULL, LONG_SARIF },
	{ "write", no_argument, NULL, LONG_WRITE },
	{ "undo", no_argument, NULL, LONG_UNDO },
	{ "all", no_argument, NULL, 'a' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static void take_operand(struct line *line, const char *operand)
{
	if (!line->command)
		line->command = operand;
	else
		line->operands[line->arguments.n_operands++] = operand;
}

/* NULL: it is none of these. Notes that it was given. */
static void *find_place(struct line *line, const struct place *places, size_t n, int letter)
{
	for (size_t i = 0; i < n; i++) {
		if (places[i].letter != letter)
			continue;
		line->options |= places[i].option;
		return (char *)&line->arguments + places[i].offset;
	}
	return NULL;
}

/* Returns false when the option is none. */
static bool take_option(struct line *line, int option)
{
	void *text = find_place(line, texts, sizeof(texts) / sizeof(texts[0]), option);
	void *flag = find_place(line, flags, sizeof(flags) / sizeof(flags[0]), option);

	if (text)
		memcpy(text, &optarg, sizeof(optarg));
	else if (flag)
		*(bool *)flag = true;
	else if (option == 1)
		take_operand(line, optarg);
	else if (option == 'r')
		line->arguments.runtime_dir = optarg;
	else if (option == 'h')
		line->help = true;
	else if (option == 'V')
		line->version = true;
	else
		return false;
	return true;
}

/* "-": operands come in their order, whatever POSIXLY_CORRECT says; ":": a missing argument is
 * told apart. */
static enum command_exit parse(int argc, char **argv, struct line *line)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "-:r:m:f:ahV", long_options, NULL)) >= 0) {
		if (take_option(line, option))
			continue;
		if (option == ':')
			return command_usage(NULL, "option %s needs an argument", argv[optind - 1]);
		if (optopt > 0 && optopt < 128 && argv[optind - 1][1] != '-')
			return command_usage(NULL, "unknown option -%c; see sshidle --help",
					     optopt);
		return command_usage(NULL, "unknown option %s; see sshidle --help",
				     argv[optind - 1]);
	}
	while (optind < argc)
		take_operand(line, argv[optind++]);
	return COMMAND_OK;
}

static enum command_exit run(const struct line *line)
{
	const struct command *command = command_find(line->command ? line->command : "list");
	enum command_exit result;

	if (!command)
		return command_unknown(line->command);
	if (line->help) {
		command_print_help(command);
		return COMMAND_OK;
	}
	result = command_check_options(command, line->options);
	if (result != COMMAND_OK)
		return result;
	if (line->arguments.n_operands < command->least_operands)
		return command_usage(command, "%s needs more to go by: %s", command->name,
				     command->operands);
	if (line->arguments.n_operands > command->most_operands)
		return command_usage(command, "\"%s\" is too much for %s",
				     line->operands[command->most_operands], command->name);
	return command->run(&line->arguments);
}

int main(int argc, char **argv)
{
	struct line line = { .arguments = { .runtime_dir = SSHIDLE_RUNTIME_DIR } };
	enum command_exit result;

	standard_fill();
	output_init();
	line.operands = calloc((size_t)argc + 1, sizeof(*line.operands));
	if (!line.operands)
		return COMMAND_FAILED;
	line.arguments.operands = line.operands;
	result = parse(argc, argv, &line);
	if (result == COMMAND_OK && line.version)
		(void)puts("sshidle " SSHIDLE_VERSION);
	else if (result == COMMAND_OK && line.help && !line.command)
		command_print_overview();
	else if (result == COMMAND_OK)
		result = run(&line);
	free(line.operands);
	if (!output_finish() && result == COMMAND_OK)
		result = COMMAND_FAILED;
	return (int)result;
}
