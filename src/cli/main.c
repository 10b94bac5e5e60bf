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

/* Those with a text, by what getopt_long() returns for them. */
static const struct {
	int letter;
	enum command_option option;
	size_t place;
} texts[] = {
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

static bool take_text(struct line *line, int option)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].letter != option)
			continue;
		memcpy((char *)&line->arguments + texts[i].place, &optarg, sizeof(optarg));
		line->options |= texts[i].option;
		return true;
	}
	return false;
}

/* Returns false when the option is none. */
static bool take_option(struct line *line, int option)
{
	switch (option) {
	case 1:
		take_operand(line, optarg);
		return true;
	case 'r':
		line->arguments.runtime_dir = optarg;
		return true;
	case 'j':
		line->arguments.json = true;
		line->options |= OPTION_JSON;
		return true;
	case LONG_SARIF:
		line->arguments.sarif = true;
		line->options |= OPTION_SARIF;
		return true;
	case LONG_WRITE:
		line->arguments.write = true;
		line->options |= OPTION_WRITE;
		return true;
	case LONG_UNDO:
		line->arguments.undo = true;
		line->options |= OPTION_UNDO;
		return true;
	case 'a':
		line->arguments.all = true;
		line->options |= OPTION_ALL;
		return true;
	case LONG_STEAL:
		line->arguments.steal = true;
		line->options |= OPTION_STEAL;
		return true;
	case LONG_NOTICE:
		line->arguments.notice = true;
		line->options |= OPTION_NOTICE;
		return true;
	case 'h':
		line->help = true;
		return true;
	case 'V':
		line->version = true;
		return true;
	default:
		return take_text(line, option);
	}
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
	static const struct {
		enum command_option option;
		const char *name;
	} names[] = { { OPTION_JSON, "--json" },
		      { OPTION_ALL, "--all" },
		      { OPTION_MESSAGE, "-m" },
		      { OPTION_USER, "--user" },
		      { OPTION_FROM, "--from" },
		      { OPTION_SERVER, "--server" },
		      { OPTION_FILE, "-f" },
		      { OPTION_PROFILE, "--profile" },
		      { OPTION_SARIF, "--sarif" },
		      { OPTION_LIMIT, "--limit" },
		      { OPTION_EVIDENCE, "--evidence" },
		      { OPTION_SIGN, "--sign" },
		      { OPTION_WRITE, "--write" },
		      { OPTION_UNDO, "--undo" },
		      { OPTION_STEAL, "--steal" },
		      { OPTION_ESCAPE, "--escape" },
		      { OPTION_NOTICE, "--notice" } };
	const struct command *command = command_find(line->command ? line->command : "list");

	if (!command)
		return command_unknown(line->command);
	if (line->help) {
		command_print_help(command);
		return COMMAND_OK;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (line->options & names[i].option & ~command->options)
			return command_usage(command, "%s has no option %s", command->name,
					     names[i].name);
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
