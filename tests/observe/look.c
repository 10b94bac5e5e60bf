/*
 * look SECONDS FIRST LAST: runs the finder and samples each session at these local ports so often; one JSON
 * line for each sample, with the step of the ledger since the one before.  Stops when its input ends.
 */
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/clock.h"
#include "core/ledger.h"
#include "observe/finder.h"
#include "server/server.h"

#define SESSIONS_MAX 256

struct seen {
	struct watch *watch;
	struct ledger ledger;
	int64_t cost_ns;
	bool still; /* said before the sample */
};

static struct seen sessions[SESSIONS_MAX];
static long first_port, last_port;

static const char *const kinds[KIND_N] = { "shell", "sftp", "exec", "forward", "none" };

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void on_found(void *context, struct watch *watch)
{
	const uint16_t port = watch_facts(watch)->local_port;

	(void)context;
	if (port < first_port || port > last_port) {
		watch_free(watch);
		return;
	}
	watch_set_work(watch, true);
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (sessions[i].watch)
			continue;
		sessions[i] = (struct seen){ .watch = watch };
		return;
	}
	abort();
}

static void print_line(json_t *line)
{
	(void)json_dumpf(line, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(line);
}

static json_t *text_of(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string("(not UTF-8)");
}

static json_t *list_channels(const struct watch *watch, const struct sample *sample)
{
	const struct watch_channel *channels;
	json_t *list = json_array();
	size_t n;

	channels = watch_channels(watch, &n);
	for (size_t i = 0; i < n && i < sample->n_channels; i++)
		(void)json_array_append_new(
			list,
			json_pack("{s:s,s:i,s:i,s:o,s:i,s:I,s:I}", "kind",
				  kinds[channels[i].facts.kind], "tty", (int)channels[i].facts.tty,
				  "pid", (int)channels[i].facts.pid, "command",
				  text_of(channels[i].command ? channels[i].command : ""), "known",
				  (int)sample->channels[i].known, "work",
				  (json_int_t)sample->channels[i].work_ns, "atime",
				  (json_int_t)sample->channels[i].atime_s));
	return list;
}

static int count_processes(const struct watch *watch)
{
	struct watch_process processes[64];

	return watch_processes(watch, processes, 64);
}

static void print_sample(struct seen *seen, const struct sample *sample, bool changed)
{
	const struct session_facts *facts = watch_facts(seen->watch);
	char peer[ADDRESS_TEXT_BYTES], local[ADDRESS_TEXT_BYTES];
	struct ledger_step step = { 0 };
	bool has_step =
		ledger_step(&seen->ledger, &server_get(facts->server)->traits, sample, true, &step);
	json_t *line =
		json_pack("{s:I,s:i,s:s,s:I,s:s,s:i,s:s,s:i,s:b,s:i,s:o}", "cookie",
			  (json_int_t)facts->identity.cookie, "pid", (int)facts->identity.pid,
			  "server", server_name(facts->server), "uid",
			  facts->uid == UINT32_MAX ? (json_int_t)-1 : (json_int_t)facts->uid,
			  "peer", address_format(&facts->peer, peer), "peer_port",
			  (int)facts->peer_port, "local", address_format(&facts->local, local),
			  "local_port", (int)facts->local_port, "changed", changed, "known",
			  (int)sample->known, "channels", list_channels(seen->watch, sample));

	if (has_step)
		(void)json_object_update_new(
			line,
			json_pack("{s:I,s:I,s:I,s:I,s:b}", "in", (json_int_t)step.in_bytes, "out",
				  (json_int_t)step.out_bytes, "traffic",
				  (json_int_t)step.traffic_bytes, "net",
				  (json_int_t)step.net_in_bytes + (json_int_t)step.net_out_bytes,
				  "reaped", step.reaped));
	(void)json_object_update_new(line,
				     json_pack("{s:I,s:i,s:i}", "cost", (json_int_t)seen->cost_ns,
					       "processes", count_processes(seen->watch), "opened",
					       (int)sample->forward_opened));
	(void)json_object_update_new(line, json_pack("{s:b,s:I}", "still", seen->still, "still_at",
						     (json_int_t)sample->still_ns));
	(void)json_object_update_new(
		line, json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "at", (json_int_t)sample->at_ns,
				"data_age", (json_int_t)sample->last_data_recv_ns, "ack_age",
				(json_int_t)sample->last_ack_recv_ns, "acked",
				(json_int_t)sample->acked, "unsent", (json_int_t)sample->unsent,
				"descriptors", (json_int_t)sample->n_descriptors));
	print_line(line);
}

static void print_trouble(const char *text)
{
	if (text)
		print_line(json_pack("{s:s}", "trouble", text));
}

static void look_at_session(struct finder *finder, struct seen *seen)
{
	struct sample sample;
	bool changed = false;
	bool still = watch_is_still(seen->watch);
	int64_t from_ns = now_ns();
	int r = watch_sample(seen->watch, &sample, &changed);

	seen->cost_ns = now_ns() - from_ns;
	seen->still = still;
	if (r == 0) {
		print_trouble(watch_trouble(seen->watch));
		print_sample(seen, &sample, changed);
		return;
	}
	print_line(json_pack("{s:I,s:i,s:b}", "cookie",
			     (json_int_t)watch_facts(seen->watch)->identity.cookie, "local_port",
			     (int)watch_facts(seen->watch)->local_port, "ended", true));
	finder_forget(finder, &watch_facts(seen->watch)->identity);
	watch_free(seen->watch);
	seen->watch = NULL;
}

int main(int argc, char **argv)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	const struct passwd *privsep = getpwnam("sshd");
	struct finder *finder;
	int rhythm_ms;

	if (argc != 4)
		return 2;
	rhythm_ms = (int)(strtod(argv[1], NULL) * 1000);
	first_port = strtol(argv[2], NULL, 10);
	last_port = strtol(argv[3], NULL, 10);
	if (finder_new(privsep ? privsep->pw_uid : UINT32_MAX, on_found, NULL, &finder) < 0)
		return 1;
	while (poll(&input, 1, rhythm_ms) == 0) {
		int64_t from_ns = now_ns(), found_ns, cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		int r;

		while ((r = finder_look(finder, now_ns(), 5 * NS_PER_MS)) == 1)
			;
		found_ns = now_ns() - from_ns;
		print_trouble(finder_trouble(finder));
		for (size_t i = 0; i < SESSIONS_MAX; i++)
			if (sessions[i].watch)
				look_at_session(finder, &sessions[i]);
		print_line(json_pack("{s:I,s:I,s:I,s:i}", "look", (json_int_t)(now_ns() - from_ns),
				     "find", (json_int_t)found_ns, "cpu",
				     (json_int_t)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns),
				     "result", r));
	}
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		watch_free(sessions[i].watch);
	finder_free(finder);
	return 0;
}
