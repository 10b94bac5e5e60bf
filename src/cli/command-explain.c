/* `sshidle explain`: what really ends a session on this host. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/explain.h"
#include "cli/output.h"
#include "native/host.h"
#include "text/config-file.h"

void explain_case(const struct explain *explain, const struct settings_server *server,
		  struct outcome_case *ret_case)
{
	*ret_case = (struct outcome_case){
		.host = explain->host,
		.server = server,
		.config = explain->config,
		.query = { .user = explain->user,
			   .groups = (const char *const *)explain->groups,
			   .n_groups = explain->n_groups,
			   .address = explain->from },
	};
}

static void explain_deinit(struct explain *explain)
{
	for (size_t i = 0; i < explain->n_groups; i++)
		free(explain->groups[i]);
	config_free(explain->config);
	free(explain->host);
}

/* What the system says of the user; a user that it does not know has no groups. */
static void take_groups(struct explain *explain)
{
	const struct passwd *user = explain->user ? getpwnam(explain->user) : NULL;
	gid_t ids[EXPLAIN_GROUPS_MAX];
	int n = EXPLAIN_GROUPS_MAX;

	if (!user)
		return;
	if (getgrouplist(user->pw_name, user->pw_gid, ids, &n) < 0)
		n = EXPLAIN_GROUPS_MAX;
	for (int i = 0; i < n; i++) {
		const struct group *group = getgrgid(ids[i]);
		char *name = group ? strdup(group->gr_name) : NULL;

		if (name)
			explain->groups[explain->n_groups++] = name;
	}
}

/* What sshidled says of itself.  That it does not run is an answer, too. */
static void ask_sshidled(struct explain *explain, const struct arguments *arguments)
{
	const char *path;
	json_t *status = NULL;

	if (!client_runs(arguments) ||
	    client_call(arguments, "io.sshidle.Status", NULL, &status) != COMMAND_OK)
		return;
	explain->running = true;
	path = json_string_value(json_object_get(status, "config"));
	(void)text_copy(path ? path : "", explain->config_path, sizeof(explain->config_path));
	json_decref(status);
}

static enum command_exit load_config(struct explain *explain, const struct arguments *arguments)
{
	struct config_problems problems = { 0 };
	int r;

	if (arguments->config_file) {
		explain->assumed = true;
		(void)text_copy(arguments->config_file, explain->config_path,
				sizeof(explain->config_path));
	}
	if (explain->config_path[0] == '\0')
		return COMMAND_OK;
	r = config_load(explain->config_path, &explain->config, &problems);
	for (size_t i = 0; r < 0 && explain->assumed && i < problems.n; i++)
		output_error("%s", problems.items[i].text);
	if (r < 0)
		(void)text_append(explain->trouble, sizeof(explain->trouble), "%s",
				  problems.n > 0 ? problems.items[0].text : strerror(-r));
	config_problems_deinit(&problems);
	return r < 0 && explain->assumed ? COMMAND_FAILED : COMMAND_OK;
}

/* Whether --server means it: a name, or a port. */
static bool is_meant(const struct settings_server *server, const char *wanted)
{
	uint64_t port;

	if (!wanted || text_equal(wanted, "all"))
		return true;
	if (text_to_u64(wanted, UINT16_MAX, &port) < 0)
		return text_equal(wanted, policy_server_name(server->server));
	for (size_t i = 0; i < server->n_ports; i++)
		if (server->ports[i] == port)
			return true;
	return false;
}

static bool is_server_name(const char *name)
{
	uint64_t port;

	for (size_t i = 0; policy_server_words[i]; i++)
		if (text_equal(policy_server_words[i], name))
			return true;
	return text_equal(name, "all") || text_to_u64(name, UINT16_MAX, &port) == 0;
}

static enum command_exit read_host(struct explain *explain, const struct arguments *arguments)
{
	const struct native_query query = { .user = arguments->user, .address = arguments->from };
	int r;

	explain->host = calloc(1, sizeof(*explain->host));
	if (!explain->host)
		return COMMAND_FAILED;
	r = native_host_read(&query, explain->host);
	if (r < 0) {
		output_error("cannot look at this host: %s", strerror(-r));
		return COMMAND_FAILED;
	}
	for (size_t i = 0; i < explain->host->n_servers; i++)
		if (is_meant(&explain->host->servers[i], arguments->server))
			explain->shown[explain->n_shown++] = &explain->host->servers[i];
	if (explain->n_shown == 0 && arguments->server) {
		output_error("there is no such server here: %s", arguments->server);
		return COMMAND_FAILED;
	}
	return COMMAND_OK;
}

static enum command_exit show(const struct explain *explain, bool as_json)
{
	json_t *json;

	if (!as_json) {
		explain_print(explain);
		return COMMAND_OK;
	}
	json = explain_json_new(explain);
	if (!json) {
		output_error("%s", strerror(ENOMEM));
		return COMMAND_FAILED;
	}
	output_json(json, false);
	json_decref(json);
	return COMMAND_OK;
}

enum command_exit command_explain(const struct arguments *arguments)
{
	struct explain explain = { .all = arguments->all,
				   .user = arguments->user,
				   .from = arguments->from };
	enum command_exit result;

	if (arguments->server && !is_server_name(arguments->server))
		return command_usage(command_find("explain"),
				     "\"%s\" is no server: openssh, dropbear, tinyssh or a port",
				     arguments->server);
	take_groups(&explain);
	ask_sshidled(&explain, arguments);
	result = load_config(&explain, arguments);
	if (result == COMMAND_OK)
		result = read_host(&explain, arguments);
	if (result == COMMAND_OK)
		result = show(&explain, arguments->json);
	explain_deinit(&explain);
	return result;
}
