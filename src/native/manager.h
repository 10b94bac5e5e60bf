/*
 * What runs a server: systemd, OpenRC, procd, an init script, a superserver, or nobody that we know.
 */
#pragma once

#include "core/settings.h"
#include "text/server-arguments.h"

#define MANAGER_SYSTEMCTL "/usr/bin/systemctl"

/* Where init scripts are, by name. */
#define MANAGER_SCRIPT "/etc/init.d/%s"

/* Whether systemd runs this host: the test of sd_booted(3). */
bool manager_is_systemd(void);

/* "systemd", "OpenRC" ...; for MANAGER_NONE "nothing that is known". */
const char *manager_name(enum settings_manager manager);

/* Fills manager and unit of a listener. Certain only when the manager itself says that its main
 * process is this one. */
void manager_find(struct settings_server *server);

/* Adds the servers that are started for each connection: socket units of systemd, tcpserver, inetd. -errno: not all
 * processes could be looked at. */
int manager_find_sockets(struct settings_host *host);

/* One property of a unit of systemd, the first line; "" when it cannot be had. */
void manager_property(const char *unit, const char *name, char *ret_value, size_t size);

enum manager_act { MANAGER_RELOAD, MANAGER_RESTART, MANAGER_START };

/*
 * Has the manager do it; for MANAGER_NONE only a reload is possible (SIGHUP to the listener).
 * 0 when the manager says that it did; -EOPNOTSUPP: not possible; -EIO and what it said in ret_complaint.
 */
int manager_do(const struct settings_server *server, enum manager_act act, char *ret_complaint,
	       size_t size);

/* Whether procd, told to reload, has left a listener with these arguments as it is: they are what it shall have.
 * Never sshd: the script sends it SIGHUP. */
bool manager_has_left(const struct settings_server *server,
		      const struct server_arguments *arguments);

/* Why a restart would end sessions that are open, or NULL. */
const char *manager_restart_harm(const struct settings_server *server);
