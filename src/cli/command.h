/* The commands of sshidle: one row in a table and one file each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Exit codes; they are in sshidle(1). */
enum command_exit {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,	 /* the request failed */
	COMMAND_USAGE = 2,	 /* wrong usage */
	COMMAND_UNREACHABLE = 3, /* no daemon to ask */
};

/* Options that only some commands take. */
enum command_option {
	OPTION_JSON = 1 << 0,
	OPTION_ALL = 1 << 1,
	OPTION_MESSAGE = 1 << 2,
	OPTION_USER = 1 << 3,
	OPTION_FROM = 1 << 4,
	OPTION_SERVER = 1 << 5,
	OPTION_FILE = 1 << 6,
	OPTION_PROFILE = 1 << 7,
	OPTION_SARIF = 1 << 8,
	OPTION_LIMIT = 1 << 9,
	OPTION_EVIDENCE = 1 << 10,
	OPTION_SIGN = 1 << 11,
	OPTION_WRITE = 1 << 12,
	OPTION_UNDO = 1 << 13,
	OPTION_STEAL = 1 << 14,
	OPTION_ESCAPE = 1 << 15,
	OPTION_NOTICE = 1 << 16,
};

struct arguments {
	const char *runtime_dir;
	const char *message;	 /* NULL: none; so are the others */
	const char *user;	 /* the case that is asked about */
	const char *from;	 /* an address */
	const char *server;	 /* "openssh", or a port */
	const char *config_file; /* -f */
	const char *profile;	 /* a name or a path */
	const char *limit;	 /* a span of time */
	const char *evidence;	 /* a file to write */
	const char *sign;	 /* a private key */
	const char *escape;	 /* --escape */
	const char *const *operands;
	size_t n_operands;
	bool json;
	bool sarif;
	bool all;
	bool write;
	bool undo;
	bool steal;
	bool notice;
};

struct command {
	const char *name;
	const char *operands; /* as in the synopsis: "[ID | TTY]" */
	const char *summary;  /* one line, no full stop */
	const char *help;     /* what more there is to say; lines */
	enum command_exit (*run)(const struct arguments *arguments);
	unsigned options; /* enum command_option */
	size_t least_operands, most_operands;
};

/* In the order of the help; the name of the last is NULL. */
extern const struct command commands[];

const struct command *command_find(const char *name);

/* "sshidle cut [-r DIR] [-m TEXT] ID", one line. */
void command_print_synopsis(const struct command *command, bool to_stderr);
void command_print_help(const struct command *command);
void command_print_overview(void);

/* Says on standard error what is wrong with the way the command was called. */
enum command_exit command_usage(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same when it was called with options that it does not take. */
enum command_exit command_check_options(const struct command *command, unsigned given);

/* Says that there is no such command, and which was probably meant. */
enum command_exit command_unknown(const char *name);

enum command_exit command_list(const struct arguments *arguments);
enum command_exit command_why(const struct arguments *arguments);
enum command_exit command_cut(const struct arguments *arguments);
enum command_exit command_keep(const struct arguments *arguments);
enum command_exit command_events(const struct arguments *arguments);
enum command_exit command_apply(const struct arguments *arguments);
enum command_exit command_status(const struct arguments *arguments);
enum command_exit command_reload(const struct arguments *arguments);
enum command_exit command_explain(const struct arguments *arguments);
enum command_exit command_audit(const struct arguments *arguments);
enum command_exit command_prove(const struct arguments *arguments);
enum command_exit command_parked(const struct arguments *arguments);
enum command_exit command_resume(const struct arguments *arguments);
enum command_exit command_drop(const struct arguments *arguments);
enum command_exit command_help(const struct arguments *arguments);
