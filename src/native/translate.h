/*
 * What sshidle.conf wants, in the servers' own words.  Pure: settings in, text out.
 *
 * "Ended after interval x count" is the promise of sshidle.conf(5).  The servers have other formulas
 * (measured; docs/decisions/0015-native-settings.md):
 *
 *	OpenSSH 9.2 to 9.4	2 x interval x (count + 1)
 *	OpenSSH, all others	interval x (count + 1)
 *	dropbear -K		3 x interval
 *
 * What a server cannot say exactly errs on the side of the session: where its words reach further
 * than those of sshidle.conf, the longest of the times that may be meant holds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/settings.h"

struct translate_alive {
	int64_t interval_s; /* 0: off */
	int64_t count;
	int64_t promised_s;   /* interval x count of sshidle.conf */
	int64_t ends_after_s; /* what the server makes of it */
};

/*
 * The numbers that give the promised time, or the nearest below it; where the shortest that the
 * server can is longer, that.  No interval is shorter than a tenth of the one wanted.  An interval or count of
 * 0 is off.
 */
void translate_alive_sshd(const struct settings_openssh *sshd, int64_t interval_ns, int64_t count,
			  struct translate_alive *ret_alive);
void translate_alive_dropbear(int64_t interval_ns, int64_t count,
			      struct translate_alive *ret_alive);

/* "2 x 30 x (2 + 1) = 180 s" */
void translate_alive_formula(const struct settings_openssh *sshd,
			     const struct translate_alive *alive, char *ret_text, size_t size);

/* ClientAliveInterval and ClientAliveCountMax for one block (0: outside of any Match) and one
 * server. */
enum translate_wish {
	WISH_NOTHING,  /* sshidle.conf does not say */
	WISH_ALIVE,    /* these values */
	WISH_NO_MATCH, /* the block is not for this server */
	WISH_NO_WORDS, /* it asks for something that the server's Match does not know */
};

struct translate_promise {
	int64_t interval_ns, count;
	const char *source;  /* of the interval */
	const char *because; /* source of another block, whose longer time holds instead; NULL */
};

enum translate_wish translate_promise_of(const struct config *config, size_t block,
					 enum server_id server,
					 struct translate_promise *ret_promise);

/* The same for a server without Match: the longest of all that may be meant. */
enum translate_wish translate_promise_all(const struct config *config, enum server_id server,
					  struct translate_promise *ret_promise);

/*
 * Whether a limit of the server ends exactly the sessions that IdleTimeout would end, and when, for
 * all `kinds` (1 << enum channel_kind) alike: no Match decides anything, the same limit, use is
 * traffic either way, nobody is warned or may keep a session, and no process needs a hang-up.
 * Gives the limit, or says why not.
 */
struct translate_limit {
	int64_t after_ns;
	const char *why_not; /* NULL: after_ns */
	const char *source;
};

void translate_limit_of(const struct config *config, enum server_id server, unsigned kinds,
			struct translate_limit *ret_limit);

/* The lines for sshd: what stands outside of any Match, and the Match blocks; owned. */
struct translate_sshd {
	char *globals;
	char *matches;
	bool has_alive; /* `alive` stands in globals */
	struct translate_alive alive;
	int64_t unused_ns; /* UnusedConnectionTimeout; SETTING_NONE: not written */
};

void translate_sshd_deinit(struct translate_sshd *text);

/* -ENOMEM; -ENOTSUP: the version is not known. Empty texts: nothing is asked of the server. */
int translate_sshd(const struct config *config, const struct settings_openssh *sshd,
		   struct translate_sshd *ret_text);

struct translate_dropbear {
	bool has_alive, has_idle;
	struct translate_alive alive; /* interval_s is -K */
	int64_t idle_s;		      /* -I */
	char why[512];		      /* comment lines */
};

void translate_dropbear(const struct config *config, struct translate_dropbear *ret_options);
