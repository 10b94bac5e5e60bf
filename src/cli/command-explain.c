/* `sshidle explain`: what really ends a session on this host. */
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/explain.h"
#include "cli/output.h"

void explain_case(const struct explain *explain, const struct settings_server *server,
		  struct outcome_case *ret_case)
{
	*ret_case = (struct outcome_case){
		.host = explain->host_case->host,
		.server = server,
		.config = explain->in_force ? explain->host_case->config : NULL,
		.query = explain->host_case->query,
	};
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

static enum command_exit choose(struct explain *explain, const char *wanted)
{
	const struct settings_host *host = explain->host_case->host;

	for (size_t i = 0; i < host->n_servers; i++)
		if (is_meant(&host->servers[i], wanted))
			explain->shown[explain->n_shown++] = &host->servers[i];
	if (explain->n_shown > 0 || !wanted)
		return COMMAND_OK;
	output_error("there is no such server here: %s", wanted);
	return COMMAND_FAILED;
}

enum command_exit command_explain(const struct arguments *arguments)
{
	struct host_case host_case;
	struct explain explain = { .host_case = &host_case,
				   .assumed = arguments->config_file != NULL,
				   .all = arguments->all };
	enum command_exit result;

	if (arguments->server && !is_server_name(arguments->server))
		return command_usage(command_find("explain"),
				     "\"%s\" is no server: openssh, dropbear, tinyssh or a port",
				     arguments->server);
	result = host_case_load(arguments, &host_case);
	explain.in_force = host_case.config && (host_case.running || explain.assumed);
	if (result == COMMAND_OK && explain.assumed && !host_case.config)
		result = COMMAND_FAILED;
	if (result == COMMAND_OK)
		result = choose(&explain, arguments->server);
	if (result == COMMAND_OK && arguments->json)
		output_new_json(explain_json_new(&explain));
	else if (result == COMMAND_OK)
		explain_print(&explain);
	host_case_deinit(&host_case);
	return result;
}
