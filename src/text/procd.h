/*
 * What procd tells of a service, by the word `info` of its init script:
 *
 *	{"dropbear": {"instances": {"main": {"pid": 735, "command": ["/usr/sbin/dropbear", "-F"]}}}}
 */
#pragma once

#include <stdint.h>

#include "text/server-arguments.h"

/*
 * Whether the instance that is process `pid` has these words for a command. 1: so procd leaves it as it is; 0: it
 * has others, which procd starts as soon as the process has ended; -ENOENT: no instance is this process;
 * -EBADMSG: not such a text.
 */
int procd_has_command(const char *text, int32_t pid, const struct server_arguments *arguments);
