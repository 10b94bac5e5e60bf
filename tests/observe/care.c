/*
 * care FIRST LAST: watches all sessions at these local ports ten times a second and does to them what its
 * input says, a line each:
 *
 *   ping PORT
 *   tune PORT ON IDLE INTERVAL COUNT USER-TIMEOUT
 *   put-back PORT
 *
 * PORT is the local one.  Prints a JSON line for each sample, for what came of a line of input, and
 * for the last words of a session.  Stops when its input ends.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <jansson.h>

#include "act/keepalive.h"
#include "act/ping.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "observe/destroyed.h"
#include "observe/finder.h"

#define SESSIONS_MAX 256
#define RHYTHM_MS    100

struct seen {
	struct watch *watch;
	struct keepalive keepalive;
};

static struct seen sessions[SESSIONS_MAX];
static struct destroyed *destroyed;
static long first_port, last_port;

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void print_line(json_t *line)
{
	(void)json_dumpf(line, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(line);
}

static void on_found(void *context, struct watch *watch)
{
	const struct session_facts *facts = watch_facts(watch);

	(void)context;
	if (facts->local_port < first_port || facts->local_port > last_port) {
		watch_free(watch);
		return;
	}
	if (destroyed_add(destroyed, facts->identity.cookie, facts->local_port) < 0)
		abort();
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (sessions[i].watch)
			continue;
		sessions[i] = (struct seen){ .watch = watch };
		return;
	}
	abort();
}

static json_t *values_of(const struct order_keepalive *values)
{
	return json_pack("[i,i,i,i,i]", (int)values->on, (int)values->idle_s,
			 (int)values->interval_s, (int)values->count, (int)values->user_timeout_ms);
}

static int reuse_of(const struct watch *watch)
{
	auto_close int fd = -1;
	int reuse = -1;
	socklen_t size = sizeof(reuse);

	if (watch_borrow_socket(watch, &fd) == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &size);
	return reuse;
}

static void print_sample(const struct seen *seen, const struct sample *sample)
{
	const struct session_facts *facts = watch_facts(seen->watch);
	struct order_keepalive values = { 0 };

	(void)keepalive_read(seen->watch, &values);
	print_line(json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:i,s:o,s:i}", "local_port",
			     (int)facts->local_port, "cookie", (json_int_t)facts->identity.cookie,
			     "at", (json_int_t)sample->at_ns, "data_age",
			     (json_int_t)sample->last_data_recv_ns, "ack_age",
			     (json_int_t)sample->last_ack_recv_ns, "acked",
			     (json_int_t)sample->acked, "unsent", (json_int_t)sample->unsent,
			     "descriptors", (json_int_t)sample->n_descriptors, "known",
			     (int)sample->known, "asked", (int)watch_silence(seen->watch).asked,
			     "values", values_of(&values), "reuse", reuse_of(seen->watch)));
}

static void look_at_session(struct finder *finder, struct seen *seen)
{
	struct sample sample;
	bool changed = false;

	if (watch_sample(seen->watch, &sample, &changed) == 0) {
		print_sample(seen, &sample);
		return;
	}
	print_line(json_pack("{s:i,s:b}", "local_port", (int)watch_facts(seen->watch)->local_port,
			     "ended", true));
	finder_forget(finder, &watch_facts(seen->watch)->identity);
	watch_free(seen->watch);
	seen->watch = NULL;
}

static void on_words(void *context, uint64_t cookie, const struct destroyed_words *words)
{
	(void)context;
	print_line(json_pack("{s:I,s:I,s:I,s:i,s:i}", "words", (json_int_t)cookie, "data_age",
			     (json_int_t)words->last_data_recv_ns, "ack_age",
			     (json_int_t)words->last_ack_recv_ns, "probes", (int)words->probes,
			     "retransmits", (int)words->retransmits));
}

static struct seen *find(const char *port)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].watch &&
		    watch_facts(sessions[i].watch)->local_port == strtol(port, NULL, 10))
			return &sessions[i];
	return NULL;
}

static void print_result(const char *word, const char *port, int result, int64_t at_ns)
{
	print_line(json_pack("{s:s,s:i,s:i,s:I}", "done", word, "local_port",
			     (int)strtol(port, NULL, 10), "result", result, "at",
			     (json_int_t)at_ns));
}

static int32_t next_number(char **rest)
{
	const char *word = strsep(rest, " \n");

	return word ? (int32_t)strtol(word, NULL, 10) : 0;
}

static void obey(char *line)
{
	char *word = strsep(&line, " \n"), *port = strsep(&line, " \n");
	struct seen *seen = port ? find(port) : NULL;
	struct order_tune order = { 0 };
	struct order_tuned tuned = { 0 };
	int64_t at_ns = now_ns();

	if (!seen)
		abort();
	if (strcmp(word, "ping") == 0) {
		print_result(word, port, ping_send(seen->watch), at_ns);
		return;
	}
	order.put_back = strcmp(word, "put-back") == 0;
	order.wanted.on = next_number(&line);
	order.wanted.idle_s = next_number(&line);
	order.wanted.interval_s = next_number(&line);
	order.wanted.count = next_number(&line);
	order.wanted.user_timeout_ms = next_number(&line);
	print_result(word, port, keepalive_tune(&seen->keepalive, seen->watch, &order, &tuned),
		     at_ns);
	print_line(json_pack("{s:i,s:o,s:b}", "local_port", (int)strtol(port, NULL, 10), "original",
			     values_of(&tuned.original), "changed", (int)tuned.changed));
}

static void look(struct finder *finder)
{
	while (finder_look(finder, now_ns(), 5 * NS_PER_MS) == 1)
		;
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].watch)
			look_at_session(finder, &sessions[i]);
}

int main(int argc, char **argv)
{
	struct pollfd inputs[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
	struct finder *finder;
	char line[128];

	if (argc != 3)
		return 2;
	first_port = strtol(argv[1], NULL, 10);
	last_port = strtol(argv[2], NULL, 10);
	/* Unbuffered: what poll() says is all there is. */
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	if (destroyed_new(&destroyed) < 0 || finder_new(UINT32_MAX, on_found, NULL, &finder) < 0)
		return 1;
	inputs[1].fd = destroyed_fd(destroyed);
	for (;;) {
		if (poll(inputs, 2, RHYTHM_MS) > 0 && inputs[0].revents) {
			if (!fgets(line, sizeof(line), stdin))
				break;
			obey(line);
		}
		destroyed_read(destroyed, on_words, NULL);
		look(finder);
	}
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		watch_free(sessions[i].watch);
	finder_free(finder);
	destroyed_free(destroyed);
	return 0;
}
