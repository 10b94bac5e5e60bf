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

#define NAMED(capability) capability, #capability

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
		{ NAMED(CAP_SYS_PTRACE), NULL },
		{ NAMED(CAP_KILL), NULL },
		{ NAMED(CAP_DAC_READ_SEARCH),
		  "servers that users run themselves are not seen, and what lives on after the end of a "
		  "session is not named" },
		/* Told with the first ping. */
		{ NAMED(CAP_NET_ADMIN), "" },
	};

	return keep(wanted, sizeof(wanted) / sizeof(wanted[0]));
}

int privilege_starter(bool asks_systemd)
{
	const struct wanted wanted[] = {
		{ NAMED(CAP_SETUID), NULL },
		{ NAMED(CAP_SETGID), NULL },
		{ NAMED(CAP_DAC_OVERRIDE), NULL },
		{ NAMED(CAP_SYS_PTRACE), NULL },
		{ NAMED(CAP_CHOWN),
		  asks_systemd ? ""
			       : "a terminal that dropbear leaves to root when it is parked cannot "
				 "be given back, and stays closed" },
	};

	return keep(wanted, sizeof(wanted) / sizeof(wanted[0]));
}

int privilege_act_as(const struct privilege_user *user)
{
	int r = 0;

	if (setresgid((gid_t)-1, user->gid, (gid_t)-1) < 0 ||
	    setresuid((uid_t)-1, user->uid, (uid_t)-1) < 0)
		r = -errno;
	/* The kernel has taken them out of force, not away: root is the saved user. */
	if (r == 0 && (capng_get_caps_process() < 0 ||
		       capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE) < 0 ||
		       capng_apply(CAPNG_SELECT_CAPS) < 0))
		r = -EPERM;
	if (r < 0)
		(void)privilege_act_as_root();
	return r;
}

int privilege_act_as_root(void)
{
	if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0 || setresgid((gid_t)-1, 0, (gid_t)-1) < 0)
		return -errno;
	/* Of a process that has changed its user the kernel writes no core. */
	(void)prctl(PR_SET_DUMPABLE, 1);
	return 0;
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
