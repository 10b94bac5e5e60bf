/*
 * no-groups.so, for LD_PRELOAD: a database of groups of which only a part answers, as glibc has it: what there is, and
 * an errno.  With NO_GROUP_NAMES only names are not told, as with a module that has no file of its own (hesiod).
 */
#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <stdlib.h>

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *ngroups)
{
	(void)user;
	groups[0] = group;
	*ngroups = 1;
	errno = getenv("NO_GROUP_NAMES") ? 0 : ECONNREFUSED;
	return 1;
}

struct group *getgrgid(gid_t gid)
{
	(void)gid;
	errno = ENOENT;
	return NULL;
}
