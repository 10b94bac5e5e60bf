/*
 * The policy: what sshidle.conf wants for one channel of one session.
 *
 * A configuration (core/config.h) is blocks of settings, each guarded by its Match line.  As in
 * sshd_config(5) what the Match blocks that fit say overrides what stands outside of them, and of
 * several the first one in the file decides.  Kind, Command and Server are criteria like User: a
 * connection with several channels resolves one policy for each of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/facts.h"

struct config;

enum idle_action { ACTION_REPORT, ACTION_DISCONNECT, ACTION_PARK, ACTION_N };
enum after_cut { AFTER_HANGUP, AFTER_LEAVE, AFTER_N };

/* Where a value was set: "/etc/sshidle.conf:12", or "default". Owned by the configuration. */
struct policy {
	int64_t idle_timeout_ns; /* TIME_NEVER: no limit */
	int64_t idle_warning_ns; /* 0: no warning */
	int64_t work_max_ns; /* longest time that work alone keeps a channel; TIME_NEVER: no end */
	int64_t keep_max_ns; /* longest `sshidle keep` by the owner */
	int64_t client_alive_interval_ns; /* 0: off */
	uint32_t client_alive_count_max;  /* 0: off */
	uint32_t work_threshold_ppm; /* millionths of one CPU over the limit that count as work */
	uint32_t counts;	     /* USE_BIT()s that count as use for this kind of channel */
	enum idle_action idle_action;
	enum idle_action park_fallback; /* where a terminal cannot be parked; not ACTION_PARK */
	enum after_cut after_cut;
	int64_t park_lifetime_ns;	 /* TIME_NEVER: no end */
	uint32_t park_max;		 /* terminals of one user */
	bool park_permit_root;		 /* root may attach to a user's */
	const char *timeout_source;	 /* where idle_timeout was set */
	const char *client_alive_source; /* where client_alive_interval was */
};

/*
 * What Match compares with.  Strings are foreign text; what is not known fits no pattern, not even
 * `*` or a negation: NULL, no groups, port 0, SERVER_N, KIND_N.  An empty command is none.
 *
 * As long as the user is not known (dropbear and tinyssh without a child show none), every block
 * that asks for a user or a group may be meant: of the values that are possible the one holds that
 * spares the session most: the longest limit, all that may count as use, report before park, park
 * before disconnect, what runs left alone, what is parked kept longer.  The same holds for blocks that
 * ask for a group as long as the groups are not known, and for a command that has ended and was never seen.
 */
struct policy_query {
	const char *user;
	const char *const *groups;
	size_t n_groups;
	bool groups_unknown; /* of a user who is known */
	const char *address;
	uint16_t local_port; /* 0: not known */
	enum server_id server;
	enum channel_kind kind;
	const char *command;
	bool command_unknown; /* there was one */
};

/* Said wherever it is so; `whose` is a literal. */
#define POLICY_GROUPS_UNKNOWN(whose)                                                     \
	"the groups of " whose " cannot be told; of the rules that ask for a group the " \
	"most lenient hold"

/* Nothing is watched for, and nothing is done. */
extern const struct policy policy_none;

/* Also where the values were set. */
bool policy_equal(const struct policy *a, const struct policy *b);

/* The policy for one case.  Always gives a complete policy; NULL `config`: the defaults.  An
 * unknown kind has the limits of `shell`. */
void policy_resolve(const struct config *config, const struct policy_query *query,
		    struct policy *ret_policy);

/* Ages of TCP are 32 bits of milliseconds (tcp_info); half of their range can be told for certain. */
#define POLICY_ALIVE_MOST_NS (24 * 86400 * NS_PER_S)

/* How long a client may stay without a sign of life: interval times count. TIME_NEVER: off, or more
 * than can be told. */
int64_t policy_alive_limit_ns(const struct policy *policy);

/* How long before the end a warning is due: a warning that is not much shorter than the limit would
 * stand all the time, so at most half of that. */
int64_t policy_warning_ns(const struct policy *policy);

/* What happens to one terminal while its connection goes on: park is not possible then. */
enum idle_action policy_terminal_action(const struct policy *policy);

/* The words of the configuration, the command line and the log; "unknown" beyond the last one. */
const char *policy_server_name(enum server_id server);
const char *policy_kind_name(enum channel_kind kind);
const char *policy_use_name(enum use use);

/* The same as lists, NULL at the end. */
extern const char *const policy_server_words[SERVER_N + 1];
extern const char *const policy_kind_words[KIND_N + 1];
