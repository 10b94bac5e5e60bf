/*
 * usage: host [USER [ADDRESS [PORT]]]
 *
 * What native_host_read() says of this host, as JSON.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "native/host.h"
#include "native/manager.h"
#include "server/server.h"

static json_t *openssh(const struct settings_openssh *settings)
{
	json_t *timeouts = json_object();

	for (size_t i = 0; i < settings->n_channel_timeouts; i++)
		(void)json_object_set_new(timeouts, settings->channel_timeouts[i].type,
					  json_integer(settings->channel_timeouts[i].after_ns));
	return json_pack("{sisisIsisisbsbsIsssssbso}", "major", settings->major, "minor",
			 settings->minor, "interval", settings->client_alive_interval_ns, "count",
			 settings->client_alive_count_max, "max_sessions", settings->max_sessions,
			 "tcp_keepalive", settings->tcp_keepalive, "forwarding",
			 settings->forwarding, "unused", settings->unused_connection_timeout_ns,
			 "source", settings->source, "drop_in", settings->drop_in, "reads_drop_ins",
			 settings->reads_drop_ins, "channel_timeouts", timeouts);
}

static json_t *server(const struct settings_server *server)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < server->n_ports; i++)
		(void)json_array_append_new(ports, json_integer(server->ports[i]));
	return json_pack("{sssssssisosssssos{sIsI}}", "server", server_name(server->server),
			 "manager", manager_name(server->manager), "unit", server->unit, "pid",
			 server->pid, "ports", ports, "executable", server->executable, "trouble",
			 server->trouble, "openssh", openssh(&server->openssh), "dropbear",
			 "keepalive", server->dropbear.keepalive_ns, "idle",
			 server->dropbear.idle_ns);
}

static json_t *shell(const struct settings_shell *shell)
{
	json_t *places = json_array();

	for (size_t i = 0; i < shell->n; i++) {
		const struct settings_tmout *place = &shell->places[i];

		(void)json_array_append_new(
			places,
			json_pack("{sssisIsbsbsb}", "file", place->file, "line", place->line,
				  "after", place->after_ns, "read_only", place->read_only,
				  "exported", place->exported, "conditional", place->conditional));
	}
	return json_pack("{sssbsiso}", "shell", shell->user_shell, "known", shell->known,
			 "effective", shell->effective, "places", places);
}

static json_t *host(const struct settings_host *facts)
{
	const struct settings_logind *logind = &facts->logind;
	json_t *servers = json_array();

	for (size_t i = 0; i < facts->n_servers; i++)
		(void)json_array_append_new(servers, server(&facts->servers[i]));
	return json_pack("{sosos{sbsIsIsbsssbsbss}s{sIsIsisi}}", "servers", servers, "shell",
			 shell(&facts->shell), "logind", "running", logind->running, "stop_idle",
			 logind->stop_idle_session_ns, "idle_action", logind->idle_action_ns,
			 "kill", logind->kill_user_processes, "exclude", logind->kill_exclude,
			 "linger_known", logind->linger_known, "linger", logind->linger, "source",
			 logind->source, "tcp", "time", facts->tcp.keepalive_time_ns, "interval",
			 facts->tcp.keepalive_interval_ns, "probes", facts->tcp.keepalive_probes,
			 "retries2", facts->tcp.retries2);
}

int main(int argc, char **argv)
{
	static struct settings_host facts;
	struct native_query query = { .user = argc > 1 ? argv[1] : NULL,
				      .address = argc > 2 ? argv[2] : NULL };
	uint64_t port = 0;
	json_t *json;
	int r;

	if (argc > 3 && text_to_u64(argv[3], UINT16_MAX, &port) < 0)
		return 2;
	query.local_port = (uint16_t)port;
	r = native_host_read(&query, &facts);
	if (r < 0) {
		(void)fprintf(stderr, "host: %s\n", strerror(-r));
		return 1;
	}
	json = host(&facts);
	if (!json || json_dumpf(json, stdout, JSON_INDENT(1)) < 0)
		return 1;
	json_decref(json);
	return 0;
}
