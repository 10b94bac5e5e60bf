/* sshidle prove: prove.h says how. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "cli/clock.h"
#include "cli/output.h"
#include "cli/prove-private.h"

#define LIMIT_DEFAULT_NS (20 * NS_PER_S)
#define LIMIT_LEAST_NS	 (3 * NS_PER_S)
#define LIMIT_MOST_NS	 (3600 * NS_PER_S)

/* What the issue of a check is called: nothing could be found out. */
#define COMMAND_COULD_NOT_RUN COMMAND_USAGE

static void on_signal(int number)
{
	(void)number;
	prove_interrupted = 1;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		(void)sigaction(numbers[i], &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static enum command_exit read_limit(const struct arguments *arguments, int64_t *ret_limit_ns)
{
	int64_t limit_ns = LIMIT_DEFAULT_NS;

	if (arguments->limit && duration_parse(arguments->limit, &limit_ns) < 0)
		return command_usage(command_find("prove"), "\"%s\" is no span of time",
				     arguments->limit);
	if (limit_ns < LIMIT_LEAST_NS || limit_ns > LIMIT_MOST_NS)
		return command_usage(command_find("prove"), "--limit is from 3s to 1h: %s is not",
				     arguments->limit);
	*ret_limit_ns = limit_ns;
	return COMMAND_OK;
}

/* Of 127.0.0.0/8, away from what anybody uses by hand. */
static int pick_addresses(char ret_addresses[][INET_ADDRSTRLEN], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char bytes[3];
		bool again = false;

		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return -EIO;
		(void)snprintf(ret_addresses[i], INET_ADDRSTRLEN, "127.%u.%u.%u", bytes[0],
			       bytes[1], bytes[2]);
		for (size_t j = 0; j < i; j++)
			again = again || text_equal(ret_addresses[i], ret_addresses[j]);
		if (bytes[0] < 16 || bytes[2] == 0 || bytes[2] == 255 || again)
			i--;
	}
	return 0;
}

/* The far end of forwarded connections. */
static int open_echo(struct prove_watch *watch)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	watch->echo_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (watch->echo_fd < 0 ||
	    bind(watch->echo_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(watch->echo_fd, 8) < 0 ||
	    getsockname(watch->echo_fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	watch->echo_port = ntohs(address.sin_port);
	return 0;
}

static int make_cases(const struct prove_watch *watch, struct prove_server *server,
		      const char addresses[][INET_ADDRSTRLEN])
{
	server->cases = calloc(PROVE_SITUATIONS, sizeof(*server->cases));
	if (!server->cases)
		return -ENOMEM;
	for (size_t i = 0; i < PROVE_SITUATIONS; i++) {
		struct prove_case *one = &server->cases[i];

		*one = (struct prove_case){ .situation = &prove_situations[i],
					    .client = { .fd = -1 },
					    .pidfd = -1 };
		(void)text_copy(addresses[i], one->address, sizeof(one->address));
		(void)snprintf(one->mark, sizeof(one->mark), "%s.%zu", watch->run->tag, i);
		one->rule = prove_case_rule(one->situation, one->address, watch->limit_ns);
		if (!one->rule)
			return -ENOMEM;
	}
	return 0;
}

/* The rules of all cases, in force for as long as watch->rules is open. */
static enum command_exit ask_for_rules(struct prove_watch *watch)
{
	auto_free char *text = NULL;
	enum command_exit result;
	json_t *reply = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	for (size_t i = 0; file && i < PROVE_SITUATIONS; i++)
		(void)fputs(watch->server->cases[i].rule, file);
	if (!file || fclose(file) != 0) {
		output_error("%s", strerror(ENOMEM));
		return COMMAND_FAILED;
	}
	result = client_stream_open(watch->arguments, "io.sshidle.TemporaryRules",
				    json_pack("{s:s}", "text", text), &watch->rules);
	if (result == COMMAND_OK)
		result = client_stream_wait(watch->rules, &reply);
	json_decref(reply);
	return result;
}

static void close_streams(struct prove_watch *watch)
{
	client_stream_close(watch->events);
	client_stream_close(watch->rules);
	watch->events = watch->rules = NULL;
}

/* -EINTR: interrupted, -EPIPE: sshidled has gone; 0 also when this server could not be tried. */
static int prove_server(struct prove_watch *watch, struct prove_server *server)
{
	/* One more, for the login that shows whether the key opens the server. */
	char addresses[PROVE_SITUATIONS + 1][INET_ADDRSTRLEN];
	const char(*given)[INET_ADDRSTRLEN] = (const char(*)[INET_ADDRSTRLEN])addresses;
	int r = pick_addresses(addresses, PROVE_SITUATIONS + 1);

	if (r < 0)
		return r;
	if (server->cannot[0] != '\0' ||
	    !prove_server_ready(server, watch->run, given, PROVE_SITUATIONS + 1))
		return prove_interrupted ? -EINTR : 0;
	watch->server = server;
	r = make_cases(watch, server, given);
	if (r < 0)
		return r;
	if (client_stream_open(watch->arguments, "io.sshidle.Events", NULL, &watch->events) !=
		    COMMAND_OK ||
	    ask_for_rules(watch) != COMMAND_OK)
		(void)text_copy("sshidled does not put the rules into force", server->cannot,
				sizeof(server->cannot));
	else
		r = prove_watch_play(watch);
	close_streams(watch);
	return r;
}

/* One that fails outweighs one that could not run; what the server has not does not count. */
static enum prove_verdict verdict_of(const struct prove_servers *servers)
{
	bool failed = false, lacks = false, any = false;

	for (size_t i = 0; i < servers->n; i++) {
		const struct prove_server *server = &servers->items[i];

		lacks = lacks || server->cannot[0] != '\0';
		for (size_t j = 0; server->cases && j < PROVE_SITUATIONS; j++) {
			failed = failed || server->cases[j].verdict == PROVE_NOT_AS_PROMISED;
			lacks = lacks || server->cases[j].verdict == PROVE_COULD_NOT_RUN;
			any = any || server->cases[j].verdict == PROVE_AS_PROMISED;
		}
	}
	if (failed)
		return PROVE_NOT_AS_PROMISED;
	return lacks || !any ? PROVE_COULD_NOT_RUN : PROVE_AS_PROMISED;
}

static void say_how_long(const struct prove_servers *servers, int64_t limit_ns)
{
	char span[DURATION_TEXT_BYTES];

	/* Twice the limit, and the logins. */
	duration_format((int64_t)servers->n * (2 * limit_ns + 10 * NS_PER_S), span);
	if (isatty(STDERR_FILENO))
		output_error("%zu server%s, %d situations each: about %s", servers->n,
			     servers->n == 1 ? "" : "s", PROVE_SITUATIONS, span);
}

static enum command_exit tell(struct prove_report *report)
{
	json_t *evidence = prove_report_new(report);
	int r;

	if (report->arguments->json)
		output_json(evidence, false);
	else
		prove_report_print(report);
	r = evidence ? prove_report_keep(report, evidence) : -ENOMEM;
	json_decref(evidence);
	if (!output_finish() || r < 0)
		return COMMAND_COULD_NOT_RUN;
	switch (report->verdict) {
	case PROVE_AS_PROMISED:
		return report->clean ? COMMAND_OK : COMMAND_FAILED;
	case PROVE_NOT_AS_PROMISED:
		return COMMAND_FAILED;
	case PROVE_COULD_NOT_RUN:
	case PROVE_NOT_APPLICABLE:
		break;
	}
	return COMMAND_COULD_NOT_RUN;
}

/* Everything between the first thing that is made and the last that is taken away. */
static int play_all(struct prove_watch *watch, struct prove_servers *servers)
{
	char why[PROVE_TEXT_BYTES] = "";
	int r = prove_run_prepare(watch->run, watch->arguments->user, why);

	if (r < 0) {
		output_error("%s", why);
		return r;
	}
	r = open_echo(watch);
	for (size_t i = 0; r == 0 && i < servers->n; i++)
		r = prove_interrupted ? -EINTR : prove_server(watch, &servers->items[i]);
	for (size_t i = 0; i < servers->n; i++)
		if (!servers->items[i].cases && servers->items[i].cannot[0] == '\0')
			(void)text_copy(r == -EPIPE ? "sshidled ended before"
						    : "it was not reached",
					servers->items[i].cannot, sizeof(servers->items[i].cannot));
	if (watch->echo_fd >= 0)
		(void)close(watch->echo_fd);
	return r;
}

static enum command_exit run_all(struct prove_report *report, struct prove_run *run,
				 struct prove_servers *servers)
{
	struct prove_watch watch = { .arguments = report->arguments,
				     .run = run,
				     .echo_fd = -1,
				     .limit_ns = report->limit_ns };
	int r;

	clock_format_wall(clock_wall_ns(), report->began);
	r = play_all(&watch, servers);
	report->clean = prove_run_end(run);
	clock_format_wall(clock_wall_ns(), report->ended);
	if (r == -EINTR) {
		output_error("interrupted: nothing is proved");
		return COMMAND_COULD_NOT_RUN;
	}
	if (r < 0 && r != -EPIPE)
		return COMMAND_COULD_NOT_RUN;
	report->worst_delay_ns = watch.worst_delay_ns;
	report->verdict = verdict_of(servers);
	return tell(report);
}

/* What is to be said of the daemon, before anything is made. */
static enum command_exit ask_daemon(struct prove_report *report, json_t **ret_configuration)
{
	if (client_call(report->arguments, "io.sshidle.Status", NULL, &report->status) !=
		    COMMAND_OK ||
	    client_call(report->arguments, "io.sshidle.Configuration", NULL, ret_configuration) !=
		    COMMAND_OK)
		return COMMAND_COULD_NOT_RUN;
	report->configuration = json_string_value(json_object_get(*ret_configuration, "text"));
	return report->configuration ? COMMAND_OK : COMMAND_COULD_NOT_RUN;
}

enum command_exit command_prove(const struct arguments *arguments)
{
	struct prove_report report = { .arguments = arguments };
	struct prove_servers servers = { 0 };
	json_t *configuration = NULL;
	struct prove_run run;
	enum command_exit result = read_limit(arguments, &report.limit_ns);

	if (result != COMMAND_OK)
		return result;
	if (arguments->sign && !arguments->evidence)
		return command_usage(command_find("prove"),
				     "--sign needs a file to sign: --evidence");
	if (geteuid() != 0) {
		output_error("only root can do this: it makes a user and a rule for its sessions");
		return COMMAND_COULD_NOT_RUN;
	}
	prove_clean_leftovers();
	result = ask_daemon(&report, &configuration);
	if (result == COMMAND_OK && prove_servers_find(arguments->server, &servers) < 0)
		result = COMMAND_COULD_NOT_RUN;
	if (result == COMMAND_OK) {
		catch_signals();
		say_how_long(&servers, report.limit_ns);
		(void)fflush(NULL);
		if (prove_run_begin(&run) < 0)
			result = COMMAND_COULD_NOT_RUN;
		else if (run.is_cleaner)
			result = run.clean ? COMMAND_OK : COMMAND_FAILED;
		else {
			report.run = &run;
			report.servers = &servers;
			result = run_all(&report, &run, &servers);
		}
	}
	prove_servers_free(&servers);
	json_decref(report.status);
	json_decref(configuration);
	return result;
}
