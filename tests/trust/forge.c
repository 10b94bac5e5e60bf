/*
 * forge: an engine that somebody has taken over, beside a real monitor with its privileges and its
 * list of system calls.  Sends what its input says, a line each, to the sessions at one port:
 *
 *   settings MOST SPAN-S      MaxCuts
 *   cut PORT rule|asked       with a guard that fits whatever has happened
 *   cut PORT tease            with a line, and a guard that fits until the client has got that
 *   warn PORT TIMES HEX       a text
 *   sample PORT now
 *
 * Prints a JSON line for each session that is opened, each answer, and the monitor's end.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/fake-forger.h"

#define SESSIONS_MAX 8192
#define LINE_BYTES   4096

static struct {
	uint32_t handle;
	uint16_t port;
} sessions[SESSIONS_MAX];
static size_t n_sessions;

static void print_line(json_t *line)
{
	(void)json_dumpf(line, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(line);
}

static int port_of(uint32_t handle)
{
	for (size_t i = 0; i < n_sessions; i++)
		if (sessions[i].handle == handle)
			return sessions[i].port;
	return 0;
}

static void take(uint32_t type, const void *message)
{
	const struct link_opened *opened = message;
	const struct order_cut_done *cut = message;
	const struct link_warned *warned = message;
	const struct link_channels *list = message;

	if (type == LINK_OPENED && n_sessions < SESSIONS_MAX) {
		sessions[n_sessions].handle = opened->handle;
		sessions[n_sessions++].port = opened->facts.local_port;
		print_line(json_pack("{si}", "opened", opened->facts.local_port));
	} else if (type == LINK_CHANNELS && list->channels[0].facts.tty >= 0) {
		print_line(json_pack("{si sI}", "terminal", port_of(list->handle), "handle",
				     (json_int_t)list->handle));
	} else if (type == LINK_CUT_DONE) {
		print_line(
			json_pack("{si si}", "cut", port_of(cut->handle), "result", cut->result));
	} else if (type == LINK_WARNED) {
		print_line(json_pack("{si si}", "warned", port_of(warned->handle), "reached",
				     warned->reached));
	} else if (type == LINK_LOOKED) {
		print_line(json_pack("{sb}", "looked", 1));
	}
}

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void cut(const struct forger *forger, uint32_t handle, bool asked)
{
	struct order_cut order = { .handle = handle, .asked = asked };

	if (!asked)
		order.guard = (struct order_guard){ .uses = 1, .observed_at_ns = now_ns() };
	forger_send(forger, LINK_CUT, &order, sizeof(order));
}

static void tease(const struct forger *forger, uint32_t handle)
{
	const struct order_cut order = { .handle = handle,
					 .guard = { .alive = ORDER_ALIVE_HOST,
						    .observed_at_ns = now_ns() },
					 .text = "flood" };

	forger_send(forger, LINK_CUT, &order, sizeof(order));
}

static void warn(const struct forger *forger, uint32_t handle, const char *hex)
{
	struct order_warn order = { .handle = handle, .tty = -1 };

	for (size_t i = 0; hex[2 * i] && hex[2 * i + 1] && i + 1 < sizeof(order.text); i++) {
		const char digits[] = { hex[2 * i], hex[2 * i + 1], '\0' };

		order.text[i] = (char)strtol(digits, NULL, 16);
	}
	forger_send(forger, LINK_WARN, &order, sizeof(order));
}

static void look(const struct forger *forger, uint32_t handle)
{
	const struct link_sample order = { .handle = handle };

	forger_send(forger, LINK_SAMPLE, &order, sizeof(order));
}

static void set(const struct forger *forger, uint32_t most, int64_t span_s)
{
	const struct link_settings settings = { .look_every_ns = 200 * NS_PER_MS,
						.cuts_span_ns = span_s * NS_PER_S,
						.cuts_most = most };

	forger_send(forger, LINK_SETTINGS, &settings, sizeof(settings));
}

static void obey(const struct forger *forger, char *line)
{
	char *words[4] = { NULL };
	size_t n = 0;

	for (char *word; n < 4 && (word = strsep(&line, " \n")) != NULL;)
		if (*word != '\0')
			words[n++] = word;
	if (n == 3 && text_equal(words[0], "settings")) {
		set(forger, (uint32_t)strtol(words[1], NULL, 10), strtol(words[2], NULL, 10));
		return;
	}
	for (size_t i = 0; n >= 3 && i < n_sessions; i++) {
		if (sessions[i].port != strtol(words[1], NULL, 10))
			continue;
		if (text_equal(words[0], "cut") && text_equal(words[2], "tease"))
			tease(forger, sessions[i].handle);
		else if (text_equal(words[0], "cut"))
			cut(forger, sessions[i].handle, text_equal(words[2], "asked"));
		if (text_equal(words[0], "sample"))
			look(forger, sessions[i].handle);
		for (long times = strtol(words[2], NULL, 10); n == 4 && times > 0; times--)
			warn(forger, sessions[i].handle, words[3]);
	}
}

/* False: one of both has gone. */
static bool turn(const struct forger *forger)
{
	static union {
		uint64_t align;
		char bytes[FORGER_BYTES_MAX];
	} message;
	struct pollfd poll_for[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				     { .fd = forger->fd, .events = POLLIN } };
	char line[LINE_BYTES];
	uint32_t type;

	(void)poll(poll_for, 2, -1);
	if (poll_for[1].revents) {
		if (forger_receive(forger, 0, &type, message.bytes) < 0)
			return false;
		take(type, message.bytes);
	}
	if (poll_for[0].revents) {
		if (!fgets(line, sizeof(line), stdin))
			return false;
		obey(forger, line);
	}
	return true;
}

int main(void)
{
	struct forger forger;
	int status;

	(void)setvbuf(stdin, NULL, _IONBF, 0);
	if (forger_start(&forger, true) < 0)
		return 1;
	print_line(json_pack("{si}", "monitor", forger.monitor));
	while (turn(&forger))
		;
	status = forger_stop(&forger, false);
	print_line(json_pack("{si}", "ended", status));
	return 0;
}
