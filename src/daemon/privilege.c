#include "daemon/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

/* Of one process. */
#define KEEP_MOST 5

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

struct wanted {
	unsigned capability;
	const char *name;
	const char *without; /* what that means; NULL: it cannot be done without */
};

/* Containers have not all of them. */
static int keep(const struct wanted *wanted, size_t n)
{
	const capng_type_t all = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
	bool there[KEEP_MOST] = { false };

	if (capng_get_caps_process() < 0)
		return -EPERM;
	for (size_t i = 0; i < n; i++) {
		there[i] = capng_have_capability(CAPNG_PERMITTED, wanted[i].capability) == 1;
		if (!there[i] && !wanted[i].without) {
			log_error("%s is missing: a container has to be granted it",
				  wanted[i].name);
			return -EPERM;
		}
		if (!there[i] && wanted[i].without[0] != '\0')
			log_warning("%s is missing: %s", wanted[i].name, wanted[i].without);
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		if (there[i] && capng_update(CAPNG_ADD, all, wanted[i].capability) < 0)
			return -EPERM;
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		return -EPERM;
	return no_new_privileges();
}

int privilege_monitor(void)
{
	static const struct wanted wanted[] = {
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", NULL },
		{ CAP_KILL, "CAP_KILL", NULL },
		{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
		  "servers that users run themselves are not seen, and what lives on after the end of a "
		  "session is not named" },
		/* Told with the first ping. */
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN", "" },
	};

	return keep(wanted, sizeof(wanted) / sizeof(wanted[0]));
}

int privilege_starter(void)
{
	static const struct wanted wanted[] = {
		{ CAP_SETUID, "CAP_SETUID", NULL },
		{ CAP_SETGID, "CAP_SETGID", NULL },
		{ CAP_CHOWN, "CAP_CHOWN", NULL },
		{ CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", NULL },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", NULL },
	};

	return keep(wanted, sizeof(wanted) / sizeof(wanted[0]));
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
