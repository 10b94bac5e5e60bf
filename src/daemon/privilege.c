#include "daemon/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

int privilege_find_user(const char *name, struct privilege_user *ret_user)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return -ENOENT;
	ret_user->uid = user->pw_uid;
	ret_user->gid = user->pw_gid;
	return 0;
}

static int no_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int privilege_monitor(void)
{
	const capng_type_t all = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
	bool may_ping;

	/* Containers seldom have this one. */
	if (capng_get_caps_process() < 0)
		return -EPERM;
	may_ping = capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN) == 1;
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, all, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_KILL, -1) < 0)
		return -EPERM;
	if (may_ping && capng_update(CAPNG_ADD, all, CAP_NET_ADMIN) < 0)
		return -EPERM;
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		return -EPERM;
	return no_new_privileges();
}

int privilege_starter(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			  CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SYS_PTRACE,
			  -1) < 0)
		return -EPERM;
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		return -EPERM;
	return no_new_privileges();
}

int privilege_keeper(const struct passwd *user)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return -errno;
	/* Of root too: with no_new_privs an exec brings nothing back. */
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return no_new_privileges();
}

int privilege_engine(const struct privilege_user *user)
{
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0)
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	/* The bounding set can only be emptied while CAP_SETPCAP is there: before the uid changes.
	 */
	if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return -EPERM;
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return no_new_privileges();
}
