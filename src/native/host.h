/*
 * Reads what this host is set to: the servers that listen (or are started by inetd), the settings
 * that they have in force, TMOUT in the shells' files, logind, the kernel.  Changes nothing.
 */
#pragma once

#include "core/settings.h"

/* The case that settings are asked for, as `sshd -T -C` takes it.  NULL and 0: not asked; the port is then
 * the first one that the server listens on. */
struct native_query {
	const char *user;
	const char *address; /* of the client */
	uint16_t local_port;
};

/* Anything that cannot be read is said in the facts; -errno only when nothing at all can be known. */
int native_host_read(const struct native_query *query, struct settings_host *ret_host);
