/* Plans for dropbear, whose settings are arguments: Debian's /etc/default/dropbear, OpenWrt's UCI. */
#include "native/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/manager.h"
#include "text/edit.h"

#define DEFAULT_FILE "/etc/default/dropbear"
#define UCI_FILE     "/etc/config/dropbear"
#define UCI_STAGED   "/tmp/.uci/dropbear"
#define VARIABLE     "DROPBEAR_EXTRA_ARGS"

#define ARGUMENTS_BYTES 1024

enum place { PLACE_NONE, PLACE_DEFAULT, PLACE_UCI };

/* Whether the script of the service reads Debian's file. */
static bool script_reads(const char *unit)
{
	struct change script = { .old_text = NULL };
	bool reads;

	(void)snprintf(script.path, sizeof(script.path), MANAGER_SCRIPT, unit);
	reads = change_read(&script) == 0 && script.old_text &&
		strstr(script.old_text, DEFAULT_FILE) && strstr(script.old_text, VARIABLE);
	change_deinit(&script);
	return reads;
}

static enum place place_of(const struct settings_server *server)
{
	char files[512], command[1024];

	switch (server->manager) {
	case MANAGER_SYSTEMD:
		manager_property(server->unit, "EnvironmentFiles", files, sizeof(files));
		manager_property(server->unit, "ExecStart", command, sizeof(command));
		return strstr(files, DEFAULT_FILE) && strstr(command, VARIABLE) ? PLACE_DEFAULT
										: PLACE_NONE;
	case MANAGER_SYSV:
		return script_reads(server->unit) ? PLACE_DEFAULT : PLACE_NONE;
	case MANAGER_PROCD:
		return PLACE_UCI;
	case MANAGER_NONE:
	case MANAGER_OPENRC:
	case MANAGER_INETD:
	case MANAGER_N:
		break;
	}
	return PLACE_NONE;
}

/* "-K 15 -I 300": what is to be added. */
static void wanted(const struct translate_dropbear *options, char *ret_words, size_t size)
{
	*ret_words = '\0';
	if (options->has_alive && options->alive.interval_s > 0)
		(void)text_append(ret_words, size, "-K %lld", (long long)options->alive.interval_s);
	if (options->has_idle)
		(void)text_append(ret_words, size, "%s-I %lld", *ret_words ? " " : "",
				  (long long)options->idle_s);
}

static void plan_nowhere(const struct translate_dropbear *options, struct apply_site *site)
{
	char words[64];

	wanted(options, words, sizeof(words));
	site->state = options->has_alive || options->has_idle ? APPLY_CANNOT : APPLY_SAME;
	if (site->state == APPLY_CANNOT)
		(void)snprintf(site->told, sizeof(site->told),
			       "no file is known that it has its arguments from: start it with %s",
			       *words ? words : "no -K");
}

/* A block with an assignment behind all others: the last one counts, for the shell and for
 * systemd, and systemd would not put in what $DROPBEAR_EXTRA_ARGS was before. */
static int plan_default(const struct apply_plan *plan, const struct translate_dropbear *options,
			struct apply_site *site)
{
	struct change *change = &site->change;
	auto_free char *clean = edit_without_blocks(change->old_text ? change->old_text : "");
	char old_words[ARGUMENTS_BYTES], words[ARGUMENTS_BYTES], ours[64], letters[3] = "";
	auto_free char *lines = NULL;
	int r;

	if (!clean)
		return -ENOMEM;
	site->keep = change->old_text && !edit_has_block(change->old_text);
	if (!options->has_alive && !options->has_idle) {
		/* A file that had nothing but the block was ours. */
		change->new_text =
			*clean || (change->old_text && !*change->old_text) ? take_ptr(clean) : NULL;
		return 0;
	}
	(void)text_append(letters, sizeof(letters), "%s%s", options->has_alive ? "K" : "",
			  options->has_idle ? "I" : "");
	r = edit_assigned(clean, VARIABLE, old_words, sizeof(old_words));
	r = r < 0 ? r : edit_without_options(old_words, letters, words, sizeof(words));
	if (r < 0)
		return r;
	wanted(options, ours, sizeof(ours));
	if (asprintf(&lines,
		     "# Made by `sshidle apply` from %s, and made anew by the next one;\n"
		     "# `sshidle apply --undo` takes it away. The last value counts.\n%s" VARIABLE
		     "=\"%s%s%s\"\n",
		     plan->config_file, options->why, words, *words && *ours ? " " : "", ours) < 0)
		return -ENOMEM;
	change->new_text = edit_with_block(clean, EDIT_END, lines);
	return change->new_text ? 0 : -ENOMEM;
}

/* The option as it was before ours, in all sections. */
static char *uci_restored(char *text, const char *kept, const char *name)
{
	char value[64];

	for (size_t i = 0; text && kept; i++) {
		struct edit_uci option = { "dropbear", name, value };
		const int r = edit_uci_get(kept, &option, i, value, sizeof(value));
		char *next;

		if (r != 0 && r != -ENOENT)
			break;
		option.value = r == 0 ? value : NULL;
		next = edit_uci_set_in(text, &option, i);
		free(text);
		text = next;
	}
	return text;
}

static char *uci_set(char *text, const char *name, int64_t seconds)
{
	char value[32], *next;
	const struct edit_uci option = { "dropbear", name, value };

	if (!text)
		return NULL;
	(void)snprintf(value, sizeof(value), "%lld", (long long)seconds);
	next = edit_uci_set(text, &option);
	free(text);
	return next;
}

/* `uci commit` drops comments, so no mark would last: what was there before is in the kept file. */
static int plan_uci(const struct translate_dropbear *options, struct apply_site *site)
{
	struct change *change = &site->change;
	auto_free char *kept = change_kept(change);
	char *text;

	if (!change->old_text)
		return -ENOENT;
	text = uci_restored(strdup(change->old_text), kept, "SSHKeepAlive");
	text = uci_restored(text, kept, "IdleTimeout");
	if (options->has_alive)
		text = uci_set(text, "SSHKeepAlive", options->alive.interval_s);
	if (options->has_idle)
		text = uci_set(text, "IdleTimeout", options->idle_s);
	site->keep = !kept;
	change->new_text = text;
	return text ? 0 : -ENOMEM;
}

/* Init scripts of OpenWrt also read what `uci set` has noted and no `uci commit` has put into the file. */
static void look_for_staged(struct apply_site *site)
{
	struct stat status;

	if (site->state != APPLY_DIFFERS || stat(UCI_STAGED, &status) < 0 || status.st_size == 0)
		return;
	site->state = APPLY_CANNOT;
	(void)snprintf(site->told, sizeof(site->told),
		       "a reload would bring changes into force that nobody has committed: "
		       "see `uci changes dropbear`, then uci commit or uci revert");
}

static void say_why(int r, struct apply_site *site)
{
	const char *why = strerror(-r);

	if (r == -EINVAL)
		why = VARIABLE " is put together by the shell there, which systemd would not do";
	site->state = APPLY_CANNOT;
	(void)snprintf(site->told, sizeof(site->told), "%s: %s", site->change.path, why);
}

int apply_dropbear(const struct apply_plan *plan, const struct config *config,
		   const struct settings_server *server, struct apply_site *site)
{
	struct translate_dropbear options = { .has_alive = false };
	const enum place place = place_of(server);
	int r;

	if (config)
		translate_dropbear(config, &options);
	if (place == PLACE_NONE) {
		plan_nowhere(&options, site);
		return 0;
	}
	(void)text_copy(place == PLACE_UCI ? UCI_FILE : DEFAULT_FILE, site->change.path,
			sizeof(site->change.path));
	r = change_read(&site->change);
	if (r == 0)
		r = place == PLACE_UCI ? plan_uci(&options, site)
				       : plan_default(plan, &options, site);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		say_why(r, site);
		return 0;
	}
	site->has_alive = options.has_alive;
	site->interval_ns =
		options.alive.interval_s == 0 ? SETTING_OFF : options.alive.interval_s * NS_PER_S;
	site->count = options.alive.count;
	site->ends_after_s = options.alive.ends_after_s;
	site->state = change_is_none(&site->change) ? APPLY_SAME : APPLY_DIFFERS;
	if (place == PLACE_UCI)
		look_for_staged(site);
	return 0;
}
