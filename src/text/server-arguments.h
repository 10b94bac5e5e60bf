/*
 * The command line of a running listener, from /proc/PID/cmdline.
 *
 * sshd writes its title over its arguments ("sshd: /usr/sbin/sshd -D -f /x [listener] 0 of 10-100
 * startups", since 8.2): words are then only parted by blanks, and those of an option are taken up to the
 * next one that begins with `-`.  Sessions have other titles ("sshd: alice@pts/0").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/settings.h"

#define SERVER_ARGUMENTS_BYTES 4096
#define SERVER_ARGUMENTS_MAX   64

struct server_arguments {
	char text[SERVER_ARGUMENTS_BYTES];
	const char *words[SERVER_ARGUMENTS_MAX + 1]; /* into `text`; [0] the program; NULL at the
							end */
	size_t n;
	bool is_listener; /* neither a session's title nor started for each connection (-i) */
	bool is_cut_off;  /* more than fits */
};

/* Splits a command line. Points into itself: not to be moved. -EINVAL for an empty one. */
int server_arguments_split(const char *cmdline, size_t size,
			   struct server_arguments *ret_arguments);

/* The argument of the option `letter` of sshd: the first one behind `*at`, an index that moves
 * behind it (0 to begin with). NULL: no more. */
const char *server_arguments_sshd(const struct server_arguments *arguments, char letter,
				  size_t *at);

/* Whether sshd was given a flag without an argument: -D, -i. */
bool server_arguments_sshd_flag(const struct server_arguments *arguments, char letter);

/* -K and -I of dropbear, SETTING_OFF without them, SETTING_UNKNOWN when not a number. */
void server_arguments_dropbear(const struct server_arguments *arguments,
			       struct settings_dropbear *ret_settings);
/* -i of dropbear. */
bool server_arguments_dropbear_inetd(const struct server_arguments *arguments);
