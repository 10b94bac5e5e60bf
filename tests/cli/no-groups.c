/*
 * no-groups.so, for LD_PRELOAD: a database of groups of which only a part answers, as glibc has it: what there is, and
 * an errno.  With NO_GROUP_NAMES only names are not told, as with a module that has no file of its own (hesiod).
 * With MANY_GROUPS the user is in g0, g1 and so on, and all are told.
 */
#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_GID 50000
#define MANY	  300

static int list_many(gid_t *groups, int *ngroups)
{
	const int room = *ngroups;

	*ngroups = MANY;
	for (int i = 0; i < MANY && i < room; i++)
		groups[i] = (gid_t)(FIRST_GID + i);
	errno = 0;
	return room < MANY ? -1 : MANY;
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *ngroups)
{
	(void)user;
	if (getenv("MANY_GROUPS"))
		return list_many(groups, ngroups);
	groups[0] = group;
	*ngroups = 1;
	errno = getenv("NO_GROUP_NAMES") ? 0 : ECONNREFUSED;
	return 1;
}

struct group *getgrgid(gid_t gid)
{
	static char name[16];
	static struct group group = { .gr_name = name };

	errno = ENOENT;
	if (!getenv("MANY_GROUPS"))
		return NULL;
	(void)snprintf(name, sizeof(name), "g%u", gid - FIRST_GID);
	return &group;
}
