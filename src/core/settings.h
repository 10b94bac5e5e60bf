/*
 * What already decides on this host whether a session lives: the servers' own settings, the
 * shells', logind's, the kernel's.
 *
 * Plain facts, as core/facts.h has them of sessions: filled by src/native from the running servers
 * and from files, reasoned about by core/outcome.h (`sshidle explain`) and src/audit, written by
 * `sshidle apply`.  Whatever could not be read is not known, and says so; nothing is guessed.
 *
 * Spans are nanoseconds.  SETTING_OFF is "switched off", SETTING_UNKNOWN "could not be read",
 * SETTING_NONE "this version has no such option".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"

#define SETTING_OFF	(-1)
#define SETTING_UNKNOWN (-2)
#define SETTING_NONE	(-3)

#define SETTINGS_PATH_BYTES  256
#define SETTINGS_TEXT_BYTES  512
#define SETTINGS_PORTS_MAX   16 /* sshd has no more sockets */
#define SETTINGS_SERVERS_MAX 128
#define SETTINGS_SHELLS_MAX  32

/* How a server is started, and so how it is told of new settings. */
enum settings_manager {
	MANAGER_NONE, /* by hand, or not known: the listener itself is told */
	MANAGER_SYSTEMD,
	MANAGER_OPENRC,
	MANAGER_PROCD,
	MANAGER_SYSV,
	MANAGER_INETD, /* once for each connection: the next one has the new settings */
	MANAGER_N
};

/* ChannelTimeout of sshd_config(5), one type=span. */
struct settings_channel_timeout {
	char type[64]; /* as written: a pattern, "session:shell", "direct-tcpip", "global" */
	int64_t after_ns;
};

struct settings_openssh {
	int32_t major, minor;		  /* 9, 2; 0, 0 when not known */
	int64_t client_alive_interval_ns; /* SETTING_OFF at 0 */
	int32_t client_alive_count_max;	  /* -2: not known */
	int32_t max_sessions;		  /* -2: not known */
	bool tcp_keepalive;
	bool forwarding; /* anything beside sessions may be opened: TCP, agent, X11, tunnels */
	size_t n_channel_timeouts;
	struct settings_channel_timeout channel_timeouts[16];
	int64_t unused_connection_timeout_ns; /* SETTING_NONE before 9.2 */
	char source[SETTINGS_PATH_BYTES];     /* the main file */
	bool reads_drop_ins; /* it includes a directory of *.conf files, named in drop_in */
	char drop_in[SETTINGS_PATH_BYTES]; /* the directory; "" without */
};

struct settings_dropbear {
	int64_t keepalive_ns; /* -K; the client is given up at three times that */
	int64_t idle_ns;      /* -I */
};

struct settings_server {
	enum server_id server;
	enum settings_manager manager;
	int32_t pid;		 /* of the listener; 0: started for each connection */
	int32_t superserver_pid; /* of what starts it for each connection, if that is known */
	uint64_t start_ticks;
	uint16_t ports[SETTINGS_PORTS_MAX];
	size_t n_ports;
	char executable[SETTINGS_PATH_BYTES];
	char unit[64];			   /* of the manager: "ssh.service", "dropbear" */
	bool is_foreign;		   /* its files or its user are not the host's: not asked */
	char trouble[SETTINGS_TEXT_BYTES]; /* why its settings could not be read; "" they could */
	struct settings_openssh openssh;   /* of SERVER_OPENSSH */
	struct settings_dropbear dropbear; /* of SERVER_DROPBEAR */
};

/* One place that sets TMOUT. */
struct settings_tmout {
	char file[SETTINGS_PATH_BYTES];
	int32_t line;
	int64_t after_ns; /* SETTING_OFF at 0 or when it is unset again */
	bool read_only;
	bool exported;
	bool conditional; /* within an `if`, `case` or `&&`: not always reached */
};

struct settings_shell {
	char user_shell[SETTINGS_PATH_BYTES]; /* of the user asked for; "" none asked */
	bool known; /* a shell whose files are known (bash, dash, ksh, zsh) */
	size_t n;
	struct settings_tmout places[SETTINGS_SHELLS_MAX]; /* in the order in which they are read */
	int effective; /* index of the one in force for a login shell of that user; -1 none, as
			  always for dash, which has no TMOUT */
};

struct settings_logind {
	bool running;
	int64_t stop_idle_session_ns; /* StopIdleSessionSec; SETTING_NONE before systemd 252 */
	int64_t idle_action_ns;	      /* IdleActionSec */
	bool kill_user_processes;
	char kill_exclude[SETTINGS_TEXT_BYTES];
	bool linger_known, linger;	  /* of the user asked for */
	char source[SETTINGS_PATH_BYTES]; /* the file that set StopIdleSessionSec; "" default */
	char kill_source[SETTINGS_PATH_BYTES]; /* the same of KillUserProcesses */
};

struct settings_tcp {
	int64_t keepalive_time_ns, keepalive_interval_ns;
	int32_t keepalive_probes;
	int32_t retries2;
};

struct settings_host {
	struct settings_server servers[SETTINGS_SERVERS_MAX];
	size_t n_servers;
	size_t n_left_out; /* so many more there are */
	struct settings_shell shell;
	struct settings_logind logind;
	struct settings_tcp tcp;
};
