/*
 * Writes into the servers on this host what sshidle.conf wants of them (`sshidle apply`).
 *
 * A site is one file and the listeners that read it.  It is planned first, which changes nothing; writing is
 *
 *	have the server check the new text, keep and hold the old file, write the new one, have the server check and
 *	read it, see that it listens and has the new values
 *
 * and whatever of that fails, everything is put back.  Where it was cut off before the last of these the next one
 * takes it up.  Sessions that are open are never touched: sshd
 * reads its files again on SIGHUP and keeps them, dropbear's survive a restart of the listener.
 */
#pragma once

#include "core/config.h"
#include "core/settings.h"
#include "native/change.h"
#include "native/translate.h"

#define APPLY_TEXT_BYTES 1024

enum apply_state {
	APPLY_SAME,	 /* as wanted already */
	APPLY_DIFFERS,	 /* planned */
	APPLY_CANNOT,	 /* says why; nothing was changed */
	APPLY_WRITTEN,	 /* done, and seen to work */
	APPLY_PUT_BACK,	 /* tried; everything is as before */
	APPLY_BROKEN,	 /* tried, and could not be put back */
	APPLY_NOT_ASKED, /* this server takes nothing, and need not */
};

struct apply_site {
	enum server_id server;
	enum apply_state state;
	struct change change;
	size_t servers[SETTINGS_SERVERS_MAX]; /* indexes into the host's */
	size_t n_servers;
	bool keep;	     /* keep the old file beside the new one */
	bool undo;	     /* what was written is taken away, and the kept file with it */
	bool has_alive;	     /* what the server shall say afterwards */
	int64_t interval_ns; /* SETTING_OFF: off */
	int64_t count;
	int64_t ends_after_s;		/* what it makes of it; 0: never */
	char told[APPLY_TEXT_BYTES];	/* what happened, or why it cannot */
	char remarks[APPLY_TEXT_BYTES]; /* lines: what else there is to know */
};

struct apply_plan {
	const struct settings_host *host;
	const char *config_file;
	struct apply_site sites[SETTINGS_SERVERS_MAX];
	size_t n;
};

void apply_deinit(struct apply_plan *plan);

/* What would be changed. NULL `config`: what was written is taken away again. `host` must outlive the
 * plan. -ENOMEM. */
int apply_plan(const struct settings_host *host, const struct config *config,
	       const char *config_file, struct apply_plan *ret_plan);

/* Does it for one site that differs. Needs root. */
void apply_write(const struct apply_plan *plan, struct apply_site *site);

/* For apply_plan(): the parts that know one server. -ENOMEM. */
int apply_openssh(const struct apply_plan *plan, const struct config *config,
		  const struct settings_server *server, struct apply_site *site);
int apply_dropbear(const struct apply_plan *plan, const struct config *config,
		   const struct settings_server *server, struct apply_site *site);
