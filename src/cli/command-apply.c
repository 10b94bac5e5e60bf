/* `sshidle apply`: the servers' own settings, as sshidle.conf wants them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/host-case.h"
#include "cli/output.h"
#include "config.h"
#include "native/apply.h"
#include "native/host.h"
#include "text/config-file.h"
#include "text/diff.h"

static const char *const state_words[] = {
	[APPLY_SAME] = "same",	     [APPLY_DIFFERS] = "differs",   [APPLY_CANNOT] = "cannot",
	[APPLY_WRITTEN] = "written", [APPLY_PUT_BACK] = "put-back", [APPLY_BROKEN] = "broken",
	[APPLY_NOT_ASKED] = "none",
};

static enum command_exit load(const char *path, struct config **ret_config)
{
	struct config_problems problems = { 0 };
	const int r = config_load(path, ret_config, &problems);

	for (size_t i = 0; i < problems.n && r < 0; i++)
		if (!problems.items[i].notice)
			output_error("%s", problems.items[i].text);
	config_problems_deinit(&problems);
	return r < 0 ? COMMAND_FAILED : COMMAND_OK;
}

/* The difference as text, owned by the caller; NULL without memory. */
static char *difference(const struct apply_site *site)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	(void)diff_print(site->change.path, site->change.old_text, site->change.new_text, file);
	(void)fclose(file);
	return text;
}

/* ---- for people ---- */

/* Foreign text of several lines. */
static void print_lines(const char *text, const char *indent)
{
	auto_free char *copy = strdup(text);
	char *rest = copy, *line;

	while (rest && (line = strsep(&rest, "\n"))) {
		if (!*line && !rest)
			break;
		(void)fputs(indent, stdout);
		/* A tab is what makes a diff a diff. */
		for (char *part; (part = strsep(&line, "\t"));) {
			output_put(part);
			if (line)
				(void)putchar('\t');
		}
		(void)putchar('\n');
	}
}

static void print_who(const struct settings_host *host, const struct apply_site *site)
{
	(void)fputs(policy_server_name(site->server), stdout);
	for (size_t i = 0; i < site->n_servers; i++) {
		const struct settings_server *server = &host->servers[site->servers[i]];

		for (size_t n = 0; n < server->n_ports; n++)
			(void)printf("%s%u", i + n == 0 ? ", port " : ", ", server->ports[n]);
	}
	(void)fputs(": ", stdout);
}

static void print_site(const struct settings_host *host, const struct apply_site *site)
{
	print_who(host, site);
	switch (site->state) {
	case APPLY_SAME:
		(void)puts(site->has_alive ? "as wanted" : "nothing to do");
		break;
	case APPLY_DIFFERS: {
		auto_free char *text = difference(site);

		output_put(site->change.path);
		(void)putchar('\n');
		print_lines(text ? text : "", "");
		break;
	}
	case APPLY_WRITTEN:
		output_put(site->change.path);
		(void)fputs(": ", stdout);
		output_put(site->told);
		(void)putchar('\n');
		break;
	case APPLY_CANNOT:
	case APPLY_PUT_BACK:
	case APPLY_BROKEN:
		(void)fputs(output_style(STYLE_BAD), stdout);
		output_put(site->told);
		(void)printf("%s\n", output_style_end());
		break;
	case APPLY_NOT_ASKED:
		output_put(site->told);
		(void)putchar('\n');
		break;
	}
	print_lines(site->remarks, "  ");
}

static void print_plan(const struct apply_plan *plan)
{
	bool differs = false;

	if (plan->n == 0)
		(void)puts("No SSH server listens on this host.");
	for (size_t i = 0; i < plan->n; i++) {
		print_site(plan->host, &plan->sites[i]);
		differs = differs || plan->sites[i].state == APPLY_DIFFERS;
	}
	if (differs)
		(void)puts("Nothing was changed; sshidle apply --write does it.");
}

/* ---- JSON ---- */

static json_t *ports_of(const struct settings_host *host, const struct apply_site *site)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < site->n_servers; i++) {
		const struct settings_server *server = &host->servers[site->servers[i]];

		for (size_t n = 0; n < server->n_ports; n++)
			(void)json_array_append_new(ports, json_integer(server->ports[n]));
	}
	return ports;
}

static json_t *remarks_of(const struct apply_site *site)
{
	auto_free char *copy = strdup(site->remarks);
	char *rest = copy, *line;
	json_t *remarks = json_array();

	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			(void)json_array_append_new(remarks, json_string(line));
	return remarks;
}

static json_t *alive_of(const struct apply_site *site)
{
	if (!site->has_alive)
		return json_null();
	return json_pack(
		"{sIsIsI}", "interval_s",
		site->interval_ns == SETTING_OFF ? (json_int_t)0 : site->interval_ns / NS_PER_S,
		"count", (json_int_t)site->count, "ends_after_s", (json_int_t)site->ends_after_s);
}

static json_t *site_json(const struct settings_host *host, const struct apply_site *site)
{
	auto_free char *text = difference(site);

	return json_pack("{sssosssssssssoso}", "server", policy_server_name(site->server), "ports",
			 ports_of(host, site), "state", state_words[site->state], "file",
			 site->change.path, "told", site->told, "diff", text ? text : "",
			 "client_alive", alive_of(site), "remarks", remarks_of(site));
}

static void print_json(const struct apply_plan *plan)
{
	json_t *sites = json_array();

	for (size_t i = 0; i < plan->n; i++)
		(void)json_array_append_new(sites, site_json(plan->host, &plan->sites[i]));
	output_new_json(json_pack("{ssso}", "config", plan->config_file, "servers", sites));
}

/* ---- all of it ---- */

/* Whether every server is set as wanted now. */
static bool is_done(const struct apply_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		switch (plan->sites[i].state) {
		case APPLY_SAME:
		case APPLY_WRITTEN:
		case APPLY_NOT_ASKED:
			break;
		case APPLY_DIFFERS:
		case APPLY_CANNOT:
		case APPLY_PUT_BACK:
		case APPLY_BROKEN:
			return false;
		}
	return true;
}

/* Who may not write needs none, and is told so later. */
static bool take_lock(int *ret_lock)
{
	const int r = geteuid() == 0 ? change_lock(ret_lock) : 0;

	if (r == -EBUSY)
		output_error("another sshidle apply is under way");
	else if (r < 0)
		output_error("cannot lock %s: %s", CHANGE_LOCK, strerror(-r));
	return r == 0;
}

static enum command_exit run(const struct arguments *arguments, const struct config *config,
			     struct apply_plan *plan)
{
	static struct settings_host host;
	const char *path = arguments->config_file ? arguments->config_file : SSHIDLE_CONFIG_FILE;
	auto_close int lock = -1;
	int r;

	if ((arguments->write || arguments->undo) && !take_lock(&lock))
		return COMMAND_FAILED;
	r = native_host_read(NULL, &host);
	r = r < 0 ? r : apply_plan(&host, config, path, plan);
	if (r < 0) {
		output_error("cannot look at this host: %s", strerror(-r));
		return COMMAND_FAILED;
	}
	host_case_left_out(&host);
	for (size_t i = 0; i < plan->n; i++)
		if ((arguments->write || arguments->undo) && plan->sites[i].state == APPLY_DIFFERS)
			apply_write(plan, &plan->sites[i]);
	if (arguments->json)
		print_json(plan);
	else
		print_plan(plan);
	return is_done(plan) ? COMMAND_OK : COMMAND_FAILED;
}

enum command_exit command_apply(const struct arguments *arguments)
{
	static struct apply_plan plan;
	struct config *config = NULL;
	enum command_exit result;

	if (arguments->write && arguments->undo)
		return command_usage(command_find("apply"),
				     "--write and --undo exclude each other");
	if (!arguments->undo &&
	    load(arguments->config_file ? arguments->config_file : SSHIDLE_CONFIG_FILE, &config) !=
		    COMMAND_OK)
		return COMMAND_FAILED;
	result = run(arguments, config, &plan);
	apply_deinit(&plan);
	config_free(config);
	return result;
}
