#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/output.h"
#include "config.h"

/* Names this far from what was typed are offered. */
enum { NEAREST_DISTANCE_MOST = 2 };

const struct command commands[] = {
	{ "list", "", "show the sessions, those that end first at the top",
	  "A user sees their own sessions; root and members of the group of sshidled see all.\n"
	  "Sessions without a limit are only counted, unless --all is given.\n"
	  "This is what sshidle does without a command.\n",
	  command_list, OPTION_JSON | OPTION_ALL, 0, 0 },
	{ "why", "[ID | TTY]", "explain what is known of a session and what happens next",
	  "Without ID or TTY it explains the session that it is called in.\n", command_why,
	  OPTION_JSON, 0, 1 },
	{ "cut", "ID | TTY", "end a session now",
	  "Only root and the session's owner may do this. The text is shown on its terminals first.\n",
	  command_cut, OPTION_MESSAGE, 1, 1 },
	{ "keep", "[ID | TTY] DURATION", "neither warn nor end a session for some time",
	  "DURATION is as in sshd_config(5): 90, 15m, 1h30m; 0 takes it back. Without ID or TTY it\n"
	  "keeps the session that it is called in. Owners may ask for at most KeepMax, root for any.\n",
	  command_keep, 0, 1, 2 },
	{ "events", "", "print a line for each thing that happens, as it happens",
	  "It goes on until it is interrupted or sshidled stops.\n", command_events, OPTION_JSON, 0,
	  0 },
	{ "explain", "", "tell what really ends a session on this host, and when",
	  "For each SSH server of this host: what becomes of a session when a laptop is closed, a\n"
	  "person is away in vim, and so on, by everything that is set here. With --all also what\n"
	  "would happen without the setting that comes first.\n",
	  command_explain,
	  OPTION_USER | OPTION_FROM | OPTION_SERVER | OPTION_FILE | OPTION_JSON | OPTION_ALL, 0,
	  0 },
	{ "audit", "", "check this host against a profile, find settings without effect",
	  "Without --profile it is the one that sshidle.conf names, else default. Without --user and\n"
	  "--from it is for everybody who may log in. The exit status is 0 when all checks pass, 1\n"
	  "when one fails or a setting has no effect, 2 when something could not be looked at.\n",
	  command_audit,
	  OPTION_PROFILE | OPTION_USER | OPTION_FROM | OPTION_FILE | OPTION_JSON | OPTION_SARIF, 0,
	  0 },
	{ "prove", "", "show that it works: synthetic sessions, and what becomes of them",
	  "Idle, busy and frozen sessions of a throwaway user on the servers of this host, under rules\n"
	  "that concern only them: what should have become of each, what did, and after how long.\n"
	  "It takes twice the limit for each server. Only root may do this.\n"
	  "Exit status: 0 all as promised, 1 not, 2 could not run.\n",
	  command_prove,
	  OPTION_SERVER | OPTION_LIMIT | OPTION_USER | OPTION_EVIDENCE | OPTION_SIGN | OPTION_JSON,
	  0, 0 },
	{ "apply", "", "set the servers of this host as sshidle.conf wants them",
	  "Prints what would be changed in their files and changes nothing. What they make of the\n"
	  "numbers differs by version, so these are others than in sshidle.conf. Sessions that are\n"
	  "open are not touched. The exit status is 0 when the servers are set as wanted, 1 when\n"
	  "they are not.\n",
	  command_apply, OPTION_WRITE | OPTION_UNDO | OPTION_FILE | OPTION_JSON, 0, 0 },
	{ "status", "", "show the state of sshidled", "", command_status, OPTION_JSON, 0, 0 },
	{ "reload", "", "have sshidled read its configuration again",
	  "Only root may do this. A wrong configuration changes nothing.\n", command_reload, 0, 0,
	  0 },
#if HAVE_PARK
	{ "parked", "", "show what is parked", "A user sees their own, root all.\n", command_parked,
	  OPTION_JSON | OPTION_NOTICE, 0, 0 },
	{ "resume", "[ID]", "come back to what is parked",
	  "Without ID it is the only one. Its exit status is that of the shell that ends in it.\n"
	  "~. typed at the beginning of a line lets go (through ssh: ~~.); what runs stays parked.\n",
	  command_resume, OPTION_STEAL | OPTION_ESCAPE, 0, 1 },
	{ "drop", "ID", "end what is parked, as a lost line would",
	  "Its programs get the hang-up. Only root and its owner may do this.\n", command_drop, 0,
	  1, 1 },
#endif
	{ "help", "[COMMAND]", "explain a command", "", command_help, 0, 0, 1 },
	{ 0 },
};

static const struct {
	enum command_option option;
	const char *synopsis;
	const char *help;
} options[] = {
	{ OPTION_ALL, "[-a]", "  -a, --all              leave out nothing\n" },
	{ OPTION_WRITE, "[--write]",
	  "      --write            write it, check it, and put everything back if it fails\n" },
	{ OPTION_UNDO, "[--undo]", "      --undo             take away what was written\n" },
	{ OPTION_JSON, "[--json]", "      --json             print JSON\n" },
	{ OPTION_USER, "[--user USER]",
	  "      --user USER        for this user; prove logs in as this one, not as a throwaway one\n" },
	{ OPTION_FROM, "[--from ADDRESS]",
	  "      --from ADDRESS     for clients from this address\n" },
	{ OPTION_SERVER, "[--server NAME | PORT]",
	  "      --server NAME      only openssh, dropbear or tinyssh, or what listens on PORT\n" },
	{ OPTION_PROFILE, "[--profile NAME | PATH]",
	  "      --profile NAME     check against this profile: default, pci-dss-4.0, nist-800-53,\n"
	  "                         stig-rhel9, stig-ubuntu2204, cis-debian12, or a file\n" },
	{ OPTION_SARIF, "[--sarif]", "      --sarif            print SARIF 2.1.0\n" },
	{ OPTION_FILE, "[-f FILE]",
	  "  -f, --file FILE        read sshidle's configuration from FILE\n" },
	{ OPTION_LIMIT, "[--limit DURATION]",
	  "      --limit DURATION   the limit that the sessions are under, from 3s to 1h (20s)\n" },
	{ OPTION_EVIDENCE, "[--evidence FILE]",
	  "      --evidence FILE    also write all that was found to FILE, as JSON\n" },
	{ OPTION_SIGN, "[--sign KEY]",
	  "      --sign KEY         sign FILE with this private key, by ssh-keygen(1)\n" },
	{ OPTION_NOTICE, "[--notice]",
	  "      --notice           one line if something is parked, else nothing\n" },
	{ OPTION_STEAL, "[--steal]",
	  "      --steal            take it over from another client\n" },
	{ OPTION_ESCAPE, "[--escape CHAR | none]",
	  "      --escape CHAR      another escape character than ~, ^B say, or none\n" },
	{ OPTION_MESSAGE, "[-m TEXT]",
	  "  -m, --message TEXT     show TEXT on its terminals first\n" },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (text_equal(command->name, name))
			return command;
	return NULL;
}

/* What was probably meant, or NULL. */
static const struct command *nearest_to(const char *name)
{
	const struct command *nearest = NULL;
	unsigned least = NEAREST_DISTANCE_MOST + 1;

	for (const struct command *command = commands; command->name; command++) {
		const unsigned distance = text_distance(command->name, name);

		if (distance < least && distance < strlen(command->name)) {
			least = distance;
			nearest = command;
		}
	}
	return nearest;
}

void command_print_synopsis(const struct command *command, bool to_stderr)
{
	FILE *file = to_stderr ? stderr : stdout;

	(void)fprintf(file, "usage: sshidle %s [-r DIR]", command->name);
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (command->options & options[i].option)
			(void)fprintf(file, " %s", options[i].synopsis);
	(void)fprintf(file, "%s%s\n", command->operands[0] ? " " : "", command->operands);
}

static void print_common_options(void)
{
	(void)printf("  -r, --runtime-dir DIR  the directory of sshidled's socket (%s)\n"
		     "  -h, --help             print this\n",
		     SSHIDLE_RUNTIME_DIR);
}

void command_print_help(const struct command *command)
{
	command_print_synopsis(command, false);
	(void)printf("\nsshidle %s: %s.\n%s\n", command->name, command->summary, command->help);
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (command->options & options[i].option)
			(void)fputs(options[i].help, stdout);
	print_common_options();
}

void command_print_overview(void)
{
	(void)puts("usage: sshidle [-r DIR] [COMMAND] [ARGUMENT ...]\n\n"
		   "Shows idle SSH sessions of this host and what happens to them.\n\ncommands:");
	for (const struct command *command = commands; command->name; command++)
		(void)printf("  %-7s %-20s %s\n", command->name, command->operands,
			     command->summary);
	(void)puts("\noptions of every command:");
	print_common_options();
	(void)puts("  -V, --version          print the version\n\n"
		   "sshidle help COMMAND and sshidle(1) say more.");
}

enum command_exit command_usage(const struct command *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	output_error_list(format, arguments);
	va_end(arguments);
	if (command)
		command_print_synopsis(command, true);
	return COMMAND_USAGE;
}

enum command_exit command_check_options(const struct command *command, unsigned given)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const char *name = options[i].synopsis + 1;

		if (given & options[i].option & ~command->options)
			return command_usage(command, "%s has no option %.*s", command->name,
					     (int)strcspn(name, " ]"), name);
	}
	return COMMAND_OK;
}

enum command_exit command_unknown(const char *name)
{
	const struct command *nearest = nearest_to(name);

	if (nearest)
		return command_usage(NULL, "there is no command \"%s\"; did you mean \"%s\"?", name,
				     nearest->name);
	return command_usage(NULL, "there is no command \"%s\"; sshidle help lists them", name);
}

enum command_exit command_help(const struct arguments *arguments)
{
	const struct command *command;

	if (arguments->n_operands == 0) {
		command_print_overview();
		return COMMAND_OK;
	}
	command = command_find(arguments->operands[0]);
	if (!command)
		return command_unknown(arguments->operands[0]);
	command_print_help(command);
	return COMMAND_OK;
}
