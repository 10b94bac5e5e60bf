/* The groups of a user, as a login has them. */
#pragma once

#include <stddef.h>

struct groups {
	char **names; /* owned */
	size_t n;
};

/* May have to ask a directory server.  Those without a name are left out.  -ENOENT: there is no such user; another
 * error: they cannot be told now, or only a part of them. */
int groups_read(const char *user, struct groups *ret_groups);
void groups_deinit(struct groups *groups);
