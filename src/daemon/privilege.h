/*
 * The processes of the daemon give up what they do not need.
 *
 * The monitor stays uid 0 with these capabilities and no way to get others:
 *   CAP_SYS_PTRACE        /proc/PID/io, fd links, pidfd_getfd of the servers' processes
 *   CAP_DAC_READ_SEARCH   the same where the process belongs to the user; containers seldom have it
 *   CAP_KILL              the hang-up, and the escalation when a shutdown is not enough
 *   CAP_NET_ADMIN         the ping (act/ping.h); without it a lost host is the kernel's to find
 * Writing to a terminal needs none: it is opened through the server's own descriptor.
 *
 * The starter (daemon/starter.h) stays uid 0 with these:
 *   CAP_SETUID, CAP_SETGID  a keeper is its user's
 *   CAP_DAC_OVERRIDE        to make the user's directory for its socket, and to see in it which keepers live
 *   CAP_SYS_PTRACE          to see the processes on a terminal where /proc hides them (hidepid)
 *   CAP_CHOWN               where it is there: terminals that dropbear has given to root.  Under systemd process 1
 *                           gives them back (daemon/owner.h), and the unit has it not
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct passwd;

struct privilege_user {
	uid_t uid;
	gid_t gid;
};

/* Looks the engine's user up. -ENOENT. */
int privilege_find_user(const char *name, struct privilege_user *ret_user);

/* The monitor's part. 0 or -errno. */
int privilege_monitor(void);

/* The starter's part: what it takes to make directories for users and to become them. `asks_systemd`: it can be done
 * without CAP_CHOWN, and no word is said. */
int privilege_starter(bool asks_systemd);

/*
 * Makes and changes files as another user, for a moment: who may not give files away makes them as their owner.  The
 * real user stays root, so no other process gets power over this one, and CAP_DAC_OVERRIDE stays in force.
 */
int privilege_act_as(const struct privilege_user *user);

/* Ends that: all capabilities are back. */
int privilege_act_as_root(void);

/* Becomes a user for good, with the user's groups. */
int privilege_keeper(const struct passwd *user);

/* The engine's part: another user, no capabilities, none to be had again. */
int privilege_engine(const struct privilege_user *user);
