/* Telling a server of new settings. */
#include "native/manager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"
#include "native/program.h"
#include "observe/process.h"
#include "text/procd.h"

/* An init script may wait for its server. */
enum { ACT_MS = 60000 };

static const char *word_of(enum manager_act act)
{
	switch (act) {
	case MANAGER_RELOAD:
		return "reload";
	case MANAGER_RESTART:
		return "restart";
	case MANAGER_START:
		return "start";
	}
	return "status";
}

static int run(const char *const *argv, char *ret_complaint, size_t size)
{
	struct program_output output;
	int r = program_run(argv, ACT_MS, &output);

	if (r < 0) {
		(void)snprintf(ret_complaint, size, "%s: %s", argv[0], strerror(-r));
		return -EIO;
	}
	if (output.status != 0) {
		(void)snprintf(ret_complaint, size, "%s %s: %s", argv[0], argv[1],
			       output.was_late ? "did not end in time"
					       : program_complaint(&output));
		r = -EIO;
	}
	program_output_deinit(&output);
	return r;
}

static bool says(const char *unit, const char *name, const char *wanted)
{
	char value[64];

	manager_property(unit, name, value, sizeof(value));
	return text_equal(value, wanted);
}

/* The listener as it was found, not a later process with its pid. */
static int hang_up(const struct settings_server *server)
{
	auto_close int pidfd = -1;
	uint64_t ticks;
	int r = process_open(server->pid, &pidfd);

	if (r < 0)
		return r;
	if (process_start_ticks(server->pid, &ticks) < 0 || ticks != server->start_ticks)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, NULL, 0) < 0 ? -errno : 0;
}

static int do_by_hand(const struct settings_server *server, enum manager_act act,
		      char *ret_complaint, size_t size)
{
	int r;

	/* dropbear has no handler for SIGHUP. */
	if (act != MANAGER_RELOAD || server->server != SERVER_OPENSSH)
		return -EOPNOTSUPP;
	r = hang_up(server);
	if (r == 0)
		return 0;
	(void)snprintf(ret_complaint, size, "SIGHUP to %d: %s", server->pid, strerror(-r));
	return -EIO;
}

int manager_do(const struct settings_server *server, enum manager_act act, char *ret_complaint,
	       size_t size)
{
	char script[128];

	switch (server->manager) {
	case MANAGER_NONE:
	case MANAGER_N:
		break;
	case MANAGER_INETD:
		return 0;
	case MANAGER_SYSTEMD: {
		const char *const argv[] = { MANAGER_SYSTEMCTL, word_of(act), "--", server->unit,
					     NULL };

		if (act == MANAGER_RELOAD && !says(server->unit, "CanReload", "yes"))
			break;
		return run(argv, ret_complaint, size);
	}
	case MANAGER_OPENRC:
	case MANAGER_PROCD:
	case MANAGER_SYSV: {
		const char *const argv[] = { script, word_of(act), NULL };

		(void)snprintf(script, sizeof(script), MANAGER_SCRIPT, server->unit);
		return run(argv, ret_complaint, size);
	}
	}
	return do_by_hand(server, act, ret_complaint, size);
}

bool manager_has_left(const struct settings_server *server,
		      const struct server_arguments *arguments)
{
	char script[128];
	const char *const argv[] = { script, "info", NULL };
	struct program_output output;
	bool has_left;

	(void)snprintf(script, sizeof(script), MANAGER_SCRIPT, server->unit);
	if (server->manager != MANAGER_PROCD || server->server == SERVER_OPENSSH ||
	    program_run(argv, ACT_MS, &output) < 0)
		return false;
	has_left = output.status == 0 && procd_has_command(output.text, server->pid, arguments) > 0;
	program_output_deinit(&output);
	return has_left;
}

/* Whether an init script stops more than the process in its pid file: sessions have the same name and
 * executable as the listener. */
static bool stops_sessions(const char *unit)
{
	auto_free char *text = NULL;
	char path[128], *line, *rest;
	size_t size;

	(void)snprintf(path, sizeof(path), MANAGER_SCRIPT, unit);
	if (file_read(path, &text, &size) < 0)
		return true;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		line += strspn(line, " \t");
		if (*line == '#')
			continue;
		if (strstr(line, "killall") || strstr(line, "pkill") || strstr(line, "killproc") ||
		    (strstr(line, "--stop") && !strstr(line, "--pidfile")))
			return true;
	}
	return false;
}

const char *manager_restart_harm(const struct settings_server *server)
{
	switch (server->manager) {
	case MANAGER_SYSTEMD:
		if (!says(server->unit, "KillMode", "process") &&
		    !says(server->unit, "KillMode", "none"))
			return "systemd would end its sessions with it: set KillMode=process in the unit";
		break;
	case MANAGER_SYSV:
		if (stops_sessions(server->unit))
			return "its init script may end sessions with it: it stops more than the process "
			       "in its pid file";
		break;
	/* procd and OpenRC end the process that they started. */
	case MANAGER_PROCD:
	case MANAGER_OPENRC:
	case MANAGER_NONE:
	case MANAGER_INETD:
	case MANAGER_N:
		break;
	}
	return NULL;
}
