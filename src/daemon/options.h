/* The command line of sshidled. */
#pragma once

#include <stdbool.h>

struct options {
	const char *config_file;
	const char *runtime_directory;
	const char *keeper; /* executable of the keepers of parked terminals */
	const char *user;
	const char *print_case; /* -C */
	bool foreground;	/* -d, -D */
	bool syslog;		/* -D */
	bool unconfined;	/* -S */
	bool test;		/* -t */
	bool print;		/* -T */
};

/* 0: go on. 1: done (help or version was asked for and printed). -EINVAL: told on stderr. */
int options_parse(int argc, char **argv, struct options *ret_options);
