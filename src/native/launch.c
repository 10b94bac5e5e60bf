#include "native/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

static int set_attributes(posix_spawnattr_t *attributes, bool session)
{
	const short where = session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
	sigset_t all, none;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigdefault(attributes, &all);
	(void)posix_spawnattr_setsigmask(attributes, &none);
	(void)posix_spawnattr_setpgroup(attributes, 0);
	return posix_spawnattr_setflags(
		attributes, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | where));
}

static int place(posix_spawn_file_actions_t *actions, int fd, int as)
{
	return fd < 0 ? posix_spawn_file_actions_addopen(actions, as, "/dev/null", O_RDWR, 0)
		      : posix_spawn_file_actions_adddup2(actions, fd, as);
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct launch *launch)
{
	int r = place(actions, launch->in, 0);

	r = r ? r : place(actions, launch->out, 1);
	r = r ? r : place(actions, launch->error, 2);
	return r ? r : posix_spawn_file_actions_addchdir_np(actions, "/");
}

int launch_program(const struct launch *launch, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = set_attributes(&attributes, launch->session);
		r = r ? r : add_actions(&actions, launch);
		r = r ? r
		      : posix_spawn(ret_pid, launch->argv[0], &actions, &attributes,
				    (char *const *)launch->argv, launch->environment);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return -r;
}
