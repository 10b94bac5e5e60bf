#include "cli/host-case.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/groups.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/output.h"
#include "config.h"
#include "native/host.h"
#include "text/config-file.h"

/* -- the case -- */

static enum command_exit load_user(const char *name, struct host_case *host_case)
{
	int r = groups_read(name, &host_case->groups);

	if (r == -ENOENT)
		return command_usage(NULL, "there is no user \"%s\"", name);
	host_case->query.user = name;
	host_case->query.groups = (const char *const *)host_case->groups.names;
	host_case->query.n_groups = host_case->groups.n;
	host_case->query.groups_unknown = r < 0;
	return COMMAND_OK;
}

static bool is_address(const char *text)
{
	unsigned char address[16];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static enum command_exit load_query(const struct arguments *arguments, struct host_case *host_case)
{
	host_case->query.server = SERVER_N;
	host_case->query.kind = KIND_N;
	if (arguments->from && !is_address(arguments->from))
		return command_usage(NULL, "\"%s\" is not an address", arguments->from);
	host_case->query.address = arguments->from;
	return arguments->user ? load_user(arguments->user, host_case) : COMMAND_OK;
}

/* -- the configuration -- */

static bool changed_since(const char *path, const char *loaded)
{
	struct stat status;
	struct tm parts = { 0 };

	if (!loaded || !strptime(loaded, "%Y-%m-%dT%H:%M:%SZ", &parts))
		return true;
	return stat(path, &status) < 0 || status.st_mtime > timegm(&parts);
}

/* Each value says which file it is from, so the included ones are known. */
static bool any_changed_since(const struct config *config, const char *loaded)
{
	for (size_t i = 0; i < config->n_sources; i++) {
		const char *colon = strrchr(config->sources[i], ':');
		auto_free char *path =
			colon ? strndup(config->sources[i], (size_t)(colon - config->sources[i]))
			      : NULL;

		if (path && changed_since(path, loaded))
			return true;
	}
	return false;
}

static bool same_file(const char *one, const char *other)
{
	struct stat first, second;

	return stat(one, &first) == 0 && stat(other, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static int load_config(const char *path, struct host_case *host_case)
{
	struct config_problems problems = { 0 };
	int r = config_load(path, &host_case->config, &problems);

	if (r == -ENOENT && !host_case->running) {
		config_problems_deinit(&problems);
		return config_new(&host_case->config);
	}
	for (size_t i = 0; i < problems.n && r < 0; i++)
		if (!problems.items[i].notice)
			output_error("%s", problems.items[i].text);
	config_problems_deinit(&problems);
	return r;
}

static void load_sshidle(const struct arguments *arguments, struct host_case *host_case)
{
	const char *used = NULL, *loaded = NULL, *path = arguments->config_file;
	json_t *status = NULL;

	host_case->running = client_runs(arguments) && client_call(arguments, "io.sshidle.Status",
								   NULL, &status) == COMMAND_OK;
	used = json_string_value(json_object_get(status, "config"));
	loaded = json_string_value(json_object_get(status, "config_loaded"));
	if (!path)
		path = used ? used : SSHIDLE_CONFIG_FILE;
	(void)text_copy(path, host_case->config_path, sizeof(host_case->config_path));
	if (load_config(path, host_case) < 0)
		host_case->config = NULL;
	if (host_case->config && host_case->query.groups_unknown &&
	    config_asks(host_case->config, CRITERION_GROUP))
		output_error(POLICY_GROUPS_UNKNOWN("%s"), host_case->query.user);
	if (host_case->running && host_case->config)
		host_case->stale = !used || !same_file(path, used) || changed_since(path, loaded) ||
				   any_changed_since(host_case->config, loaded);
	json_decref(status);
}

enum command_exit host_case_load(const struct arguments *arguments, struct host_case *ret_case)
{
	const struct native_query query = { .user = arguments->user, .address = arguments->from };
	enum command_exit result;
	int r;

	memset(ret_case, 0, sizeof(*ret_case));
	result = load_query(arguments, ret_case);
	if (result != COMMAND_OK)
		return result;
	ret_case->host = calloc(1, sizeof(*ret_case->host));
	r = ret_case->host ? native_host_read(&query, ret_case->host) : -ENOMEM;
	if (r < 0) {
		output_error("cannot look at this host: %s", strerror(-r));
		return COMMAND_FAILED;
	}
	host_case_left_out(ret_case->host);
	load_sshidle(arguments, ret_case);
	return COMMAND_OK;
}

void host_case_left_out(const struct settings_host *host)
{
	if (host->n_left_out > 0)
		output_error("%zu servers are here, and only %zu of them are looked at",
			     host->n_servers + host->n_left_out, host->n_servers);
}

void host_case_deinit(struct host_case *host_case)
{
	groups_deinit(&host_case->groups);
	config_free(host_case->config);
	free(host_case->host);
	memset(host_case, 0, sizeof(*host_case));
}
