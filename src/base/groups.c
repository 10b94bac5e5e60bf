#include "base/groups.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define GROUPS_FIRST 64
#define GROUPS_MOST  32768

/* What is left in errno by a module of NSS that could not answer, and not by one that found nothing. */
static bool is_failure(int error)
{
	static const int failures[] = { EAGAIN,	  ECONNREFUSED, ECONNRESET,   ENOTCONN,
					EPIPE,	  EIO,		ETIMEDOUT,    EHOSTDOWN,
					ENETDOWN, ENETUNREACH,	EHOSTUNREACH, EMFILE,
					ENFILE,	  ENOMEM };

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (error == failures[i])
			return true;
	return false;
}

/* glibc leaves out the groups of a module that fails, whatever others found, and tells nothing but its errno
 * (measured with 2.36 and systemd's module: ECONNREFUSED, EIO, EHOSTDOWN, ETIMEDOUT; ESRCH where it answers).
 * The last module's: one that is asked after it covers it. */
static int list_groups(const struct passwd *user, gid_t **ret_gids, int *ret_n)
{
	for (int size = GROUPS_FIRST; size <= GROUPS_MOST; size *= 2) {
		gid_t *gids = calloc((size_t)size, sizeof(*gids));
		int n = size, found, error;

		if (!gids)
			return -ENOMEM;
		errno = 0;
		found = getgrouplist(user->pw_name, user->pw_gid, gids, &n);
		error = errno;
		if (found >= 0 && !is_failure(error)) {
			*ret_gids = gids;
			*ret_n = n;
			return 0;
		}
		free(gids);
		if (is_failure(error))
			return -error;
	}
	return -E2BIG;
}

/* One that has no name fits no pattern; one whose name nobody tells now might. A module without a file of its own leaves
 * ENOENT (hesiod of glibc 2.36), which says nothing of the user. */
static int add(struct groups *groups, gid_t gid)
{
	const struct group *group;

	errno = 0;
	group = getgrgid(gid);
	if (!group)
		return errno == ENOENT ? -EIO : -errno;
	groups->names[groups->n] = strdup(group->gr_name);
	if (!groups->names[groups->n])
		return -ENOMEM;
	groups->n++;
	return 0;
}

int groups_read(const char *user, struct groups *ret_groups)
{
	auto_free gid_t *gids = NULL;
	struct groups groups = { 0 };
	const struct passwd *entry;
	int n = 0, r;

	errno = 0;
	entry = getpwnam(user);
	if (!entry)
		return is_failure(errno) ? -errno : -ENOENT;
	r = list_groups(entry, &gids, &n);
	if (r == 0)
		groups.names = calloc((size_t)n + 1, sizeof(char *));
	if (r == 0 && !groups.names)
		r = -ENOMEM;
	for (int i = 0; r == 0 && i < n; i++)
		r = add(&groups, gids[i]);
	if (r < 0)
		groups_deinit(&groups);
	else
		*ret_groups = groups;
	return r;
}

void groups_deinit(struct groups *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		free(groups->names[i]);
	free(groups->names);
	*groups = (struct groups){ 0 };
}
