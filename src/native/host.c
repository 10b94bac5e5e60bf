#include "native/host.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"
#include "native/listener.h"
#include "native/logind.h"
#include "native/openssh.h"
#include "native/shell.h"

static int64_t sysctl(const char *path)
{
	auto_free char *text = NULL;
	uint64_t number;
	size_t size;

	if (file_read(path, &text, &size) < 0)
		return SETTING_UNKNOWN;
	text[strcspn(text, " \n")] = '\0';
	return text_to_u64(text, INT32_MAX, &number) < 0 ? SETTING_UNKNOWN : (int64_t)number;
}

static int64_t seconds(int64_t number)
{
	return number < 0 ? number : number * NS_PER_S;
}

static void read_tcp(struct settings_tcp *tcp)
{
	tcp->keepalive_time_ns = seconds(sysctl("/proc/sys/net/ipv4/tcp_keepalive_time"));
	tcp->keepalive_interval_ns = seconds(sysctl("/proc/sys/net/ipv4/tcp_keepalive_intvl"));
	tcp->keepalive_probes = (int32_t)sysctl("/proc/sys/net/ipv4/tcp_keepalive_probes");
	tcp->retries2 = (int32_t)sysctl("/proc/sys/net/ipv4/tcp_retries2");
}

static void read_dropbear(struct settings_server *server)
{
	struct server_arguments arguments;

	if (listener_server_arguments(server, &arguments) == 0)
		server_arguments_dropbear(&arguments, &server->dropbear);
	else
		server->dropbear = (struct settings_dropbear){ SETTING_UNKNOWN, SETTING_UNKNOWN };
}

static void read_server(struct settings_server *server, const struct native_query *query)
{
	switch (server->server) {
	case SERVER_OPENSSH:
		openssh_read(server, query);
		break;
	case SERVER_DROPBEAR:
		read_dropbear(server);
		break;
	case SERVER_TINYSSH:
	case SERVER_N:
		break;
	}
}

int native_host_read(const struct native_query *query, struct settings_host *ret_host)
{
	const char *user = query ? query->user : NULL;
	int r;

	memset(ret_host, 0, sizeof(*ret_host));
	r = listener_find(ret_host);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ret_host->n_servers; i++)
		read_server(&ret_host->servers[i], query);
	shell_read(user, &ret_host->shell);
	logind_read(user, &ret_host->logind);
	read_tcp(&ret_host->tcp);
	return 0;
}
