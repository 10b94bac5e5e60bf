#include "daemon/confine.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/sanitizers.h"
#include "base/text.h"
#include "sandbox/tables.h"
#include "text/config-file.h"

#define PATH_BYTES 512

/* With which the C libraries cancel a thread; glibc and musl. */
#define SIGNAL_CANCEL_GLIBC 32
#define SIGNAL_CANCEL_MUSL  33

/* --- the lists --- */

/* It answers, and keeps one file.  No program, no signal, no other family of sockets. */
static const struct sandbox_row engine_rows[] = {
	CALL("accept"),
	CALL("accept4"),
	/* to the background */
	CALL("dup2"),
	CALL("dup3"),
	/* the keeping of records by modules of NSS */
	CALL("flock"),
	CALL("uname"),
	END,
};

static const struct sandbox_row monitor_rows[] = {
	/* processes, held by descriptors; sockets and terminals borrowed from them */
	CALL("pidfd_open"),
	CALL("pidfd_getfd"),
	CALL("pidfd_send_signal"),
	/* whether a pid is in use; all signals go by pidfd */
	SANDBOX_ONLY("kill", 1, 0),
	/* the log, systemd; sockets of netlink are there already (observe/sockdiag.h) */
	SANDBOX_ONLY("socket", 0, AF_UNIX),
	CALL("connect"),
	/* their groups and filter; of borrowed sockets: what they are, TCP_INFO, the ping, keepalive, lingering */
	CALL("getsockopt"),
	CALL("setsockopt"),
	CALL("getsockname"),
	CALL("getpeername"),
	/* of borrowed terminals: number, other side, size, program in front, output stopped */
	SANDBOX_ONLY("ioctl", 1, TIOCGPTN),
	SANDBOX_ONLY("ioctl", 1, TIOCGPTPEER),
	SANDBOX_ONLY("ioctl", 1, TIOCOUTQ),
	SANDBOX_ONLY("ioctl", 1, TIOCGPGRP),
	SANDBOX_ONLY("ioctl", 1, TIOCGSID),
	SANDBOX_ONLY("ioctl", 1, TCXONC),
	SANDBOX_ONLY("ioctl", 1, TIOCEXCL),
	SANDBOX_ONLY("ioctl", 1, TIOCGEXCL),
	SANDBOX_ONLY("ioctl", 1, TIOCNXCL),
	/* the thread that keeps writers out for a moment (act/park-stop.h); no process */
	CALL("userfaultfd"),
	SANDBOX_ONLY("ioctl", 1, UFFDIO_API),
	SANDBOX_ONLY("ioctl", 1, UFFDIO_REGISTER),
	{ "clone", 0, SANDBOX_NEW_NAMESPACES | CLONE_THREAD, CLONE_THREAD, 0 },
	{ "clone3", 0, 0, 0, ENOSYS },
	CALL("set_robust_list"),
	CALL("rseq"),
	SANDBOX_ONLY("tgkill", 2, SIGNAL_CANCEL_GLIBC),
	SANDBOX_ONLY("tkill", 1, SIGNAL_CANCEL_MUSL),
	/* at the start: the pid file, to the background; at the end: what it has made, its engine */
	CALL("dup2"),
	CALL("dup3"),
	CALL("unlink"),
	CALL("unlinkat"),
	CALL("wait4"),
	CALL("waitid"),
	END,
};

/* What it does itself, what a child of it does to become a keeper, and what keepers inherit. */
static const struct sandbox_row starter_rows[] = {
	/* a child for each request */
	CALL("wait4"),
	CALL("waitid"),
	/* terminals: number, other side, owner and mode */
	SANDBOX_ONLY("ioctl", 1, TIOCGPTN),
	SANDBOX_ONLY("ioctl", 1, TIOCGPTPEER),
	CALL("fchownat"),
	/* the user's directory */
	CALL("mkdir"),
	CALL("mkdirat"),
	/* an ordinary process: of the user, in a session of its own, with few descriptors */
	CALL("setsid"),
	CALL("chdir"),
	CALL("setrlimit"),
	CALL("dup2"),
	CALL("dup3"),
	CALL("close_range"),
	CALL("getgroups"),
	CALL("getgroups32"),
	CALL("setgroups"),
	CALL("setgroups32"),
	CALL("setresuid"),
	CALL("setresuid32"),
	CALL("setresgid"),
	CALL("setresgid32"),
	CALL("capget"),
	CALL("capset"),
	SANDBOX_ONLY("prctl", 0, PR_CAPBSET_DROP),
	SANDBOX_ONLY("prctl", 0, PR_CAP_AMBIENT),
	SANDBOX_ONLY("prctl", 0, PR_SET_NO_NEW_PRIVS),
	SANDBOX_ONLY("prctl", 0, PR_SET_NAME),
	SANDBOX_ONLY("prctl", 0, PR_SET_DUMPABLE),
	/* the keeper's own list */
	SANDBOX_ONLY("prctl", 0, PR_GET_SECCOMP),
	SANDBOX_ONLY("prctl", 0, PR_SET_SECCOMP),
	CALL("seccomp"),
	/* talking to systemd (sd-bus) */
	CALL("uname"),
	CALL("flock"),
	END,
};

static const struct sandbox_row *const tables[][12] = {
	[CONFINE_ENGINE] = { sandbox_basics, sandbox_streams, sandbox_loop, sandbox_reading,
			     sandbox_local, sandbox_replacing, engine_rows, sandbox_sanitizers },
	[CONFINE_MONITOR] = { sandbox_basics, sandbox_streams, sandbox_loop, sandbox_reading,
			      monitor_rows, sandbox_sanitizers },
	[CONFINE_STARTER] = { sandbox_basics, sandbox_streams, sandbox_loop, sandbox_reading,
			      sandbox_local, sandbox_children, sandbox_execution, sandbox_keeper,
			      sandbox_replacing, starter_rows, sandbox_sanitizers },
};

static const char *const names[] = {
	[CONFINE_ENGINE] = "engine", [CONFINE_MONITOR] = "monitor", [CONFINE_STARTER] = "starter"
};

const struct sandbox_row *const *confine_tables(enum confine_process process)
{
	return tables[process];
}

struct confine_witnesses *confine_witnesses_new(void)
{
	void *memory = mmap(NULL, sizeof(struct confine_witnesses), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int confine_calls(enum confine_process process, struct confine_witnesses *witnesses)
{
	int r;

	if (!witnesses || !sandbox_is_built())
		return 0;
	r = sandbox_forbid_calls(confine_tables(process), &witnesses->of[process]);
	if (r == -ENOSYS || r == -EINVAL) {
		log_warning("the %s may make any system call: this kernel has no seccomp filters",
			    names[process]);
		return 0;
	}
	if (r < 0)
		log_error("the %s cannot give up system calls: %s", names[process], strerror(-r));
	return r;
}

void confine_tell(enum confine_process process, struct confine_witnesses *witnesses)
{
	char call[SANDBOX_NAME_BYTES];

	if (!witnesses || !sandbox_call_name(&witnesses->of[process], call))
		return;
	witnesses->of[process].call = 0;
	log_alert("the %s was ended because it made a system call that is not in its list: %s; if "
		  "nobody has broken into it the list is wrong: please report it (sshidled -S "
		  "goes on without)",
		  names[process], call);
}

/* --- files --- */

/*
 * Directories, not files: /etc/passwd is another file after each change, and a rule is bound to
 * what is there now.  What is readable for all there is no secret to a user without rights; homes,
 * /var, /proc and all else are closed.
 */
static const struct sandbox_place system_places[] = {
	/* users and groups, the switch between their databases, the time zone, this configuration */
	{ "/etc", SANDBOX_READ },
	/* modules of NSS, names of time zones, profiles */
	{ "/usr", SANDBOX_READ },
	{ "/lib", SANDBOX_READ },
	{ "/lib32", SANDBOX_READ },
	{ "/lib64", SANDBOX_READ },
	{ "/nix/store", SANDBOX_READ },
	/* what daemons behind NSS share: sssd, nscd, db, extrausers, systemd-userdbd */
	{ "/var/lib/sss", SANDBOX_READ },
	{ "/var/cache/nscd", SANDBOX_READ },
	{ "/var/lib/misc", SANDBOX_READ },
	{ "/var/db", SANDBOX_READ },
	{ "/var/lib/extrausers", SANDBOX_READ },
	{ "/run/nscd", SANDBOX_READ },
	{ "/run/systemd/userdb", SANDBOX_READ },
	/* the boot's id, the most groups of a user */
	{ "/proc/sys/kernel", SANDBOX_READ },
	{ "/dev/urandom", SANDBOX_READ },
	{ "/dev/null", SANDBOX_USE },
};

#define N_SYSTEM (sizeof(system_places) / sizeof(system_places[0]))

static void tell_files(int r)
{
	if (r == -EOPNOTSUPP)
		log_warning(
			"files are not closed to the engine: Landlock is not in this kernel, or "
			"not allowed in this container");
	else if (r > 0)
		log_info(
			"the engine is closed in as far as version %d of the kernel's Landlock goes "
			"(of %d)",
			r, SANDBOX_FILES_BEST);
	else if (r < 0)
		log_error("files cannot be closed to the engine: %s", strerror(-r));
}

int confine_files(const char *state_file, const struct config_places *config)
{
	struct sandbox_place *places = calloc(N_SYSTEM + config->n + 3, sizeof(*places));
	char state[PATH_BYTES];
	size_t n = N_SYSTEM;
	int r;

	if (!places || !text_copy(state_file, state, sizeof(state)) || !strrchr(state, '/')) {
		free(places);
		return -ENOMEM;
	}
	*strrchr(state, '/') = '\0';
	memcpy(places, system_places, sizeof(system_places));
	places[n++] = (struct sandbox_place){ state, SANDBOX_KEEP };
	for (size_t i = 0; i < config->n; i++)
		places[n++] = (struct sandbox_place){ config->directories[i], SANDBOX_READ };
	if (sandbox_is_sanitized) {
		places[n++] = (struct sandbox_place){ "/proc", SANDBOX_READ };
		places[n++] = (struct sandbox_place){ SANITIZERS_REPORTS, SANDBOX_KEEP };
	}
	r = sandbox_close_files(places, n);
	free(places);
	tell_files(r);
	return r == -EOPNOTSUPP || r > 0 ? 0 : r;
}
