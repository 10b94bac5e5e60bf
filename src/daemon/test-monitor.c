/* Forged messages of every kind to a real monitor: each ends the link, and the monitor with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/fake-forger.h"

#define WAIT_MS 10000

static const struct link_settings settings = { .look_every_ns = NS_PER_S,
					       .cuts_span_ns = 60 * NS_PER_S,
					       .cuts_most = 30 };

/* A message of each kind as an engine may send it, for sessions that there are not. */
static struct link_sample sample;
static struct order_warn warn;
static struct order_cut cut;
static struct order_hangup hangup;
static struct order_tune tune;
static struct link_quiet quiet;

static void make_messages(void)
{
	sample = (struct link_sample){ .handle = 0x10007 };
	warn = (struct order_warn){ .handle = 0x10007, .tty = -1, .text = "x" };
	cut = (struct order_cut){ .handle = 0x10007, .guard = { .uses = 1 } };
	hangup = (struct order_hangup){ .handle = 0x10007, .tty = 1 };
	tune = (struct order_tune){ .handle = 0x10007, .wanted = { 1, 15, 15, 127, 0 } };
	quiet = (struct link_quiet){ .handle = 0x10007, .every_ns = NS_PER_S };
}

static void start(struct forger *forger, bool with_settings)
{
	make_messages();
	assert_int_equal(forger_start(forger, false), 0);
	if (with_settings)
		forger_send(forger, LINK_SETTINGS, &settings, sizeof(settings));
}

static void assert_ended(struct forger *forger)
{
	static union {
		uint64_t align;
		char bytes[FORGER_BYTES_MAX];
	} message;
	uint32_t type;
	int r, status;

	do {
		r = forger_receive(forger, WAIT_MS, &type, message.bytes);
	} while (r == 1);
	assert_true(r < 0);
	status = forger_stop(forger, true);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

/* It has taken what it got and goes on: it says that its first look is done. */
static void assert_lives(struct forger *forger)
{
	static char bytes[FORGER_BYTES_MAX];
	uint32_t type = 0;
	int status;

	while (type != LINK_LOOKED)
		assert_int_equal(forger_receive(forger, WAIT_MS, &type, bytes), 1);
	status = forger_stop(forger, false);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_an_engine_may_send_is_taken(void **state)
{
	struct forger forger;

	(void)state;
	start(&forger, true);
	forger_send(&forger, LINK_SAMPLE, &sample, sizeof(sample));
	forger_send(&forger, LINK_WARN, &warn, sizeof(warn));
	forger_send(&forger, LINK_CUT, &cut, sizeof(cut));
	forger_send(&forger, LINK_HANGUP, &hangup, sizeof(hangup));
	forger_send(&forger, LINK_TUNE, &tune, sizeof(tune));
	forger_send(&forger, LINK_QUIET, &quiet, sizeof(quiet));
	assert_lives(&forger);
}

static void nothing_before_the_settings(void **state)
{
	const struct {
		uint32_t type;
		const void *bytes;
		uint32_t size;
	} orders[] = {
		{ LINK_SAMPLE, &sample, sizeof(sample) }, { LINK_WARN, &warn, sizeof(warn) },
		{ LINK_CUT, &cut, sizeof(cut) },	  { LINK_HANGUP, &hangup, sizeof(hangup) },
		{ LINK_TUNE, &tune, sizeof(tune) },	  { LINK_QUIET, &quiet, sizeof(quiet) }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct forger forger;

		start(&forger, false);
		forger_send(&forger, orders[i].type, orders[i].bytes, orders[i].size);
		assert_ended(&forger);
	}
}

/* Types that are unknown, or the monitor's own to send; sizes that are not the type's. */
static void heads_that_are_wrong(void **state)
{
	static const struct {
		uint32_t type, size;
	} heads[] = { { 0, 0 },
		      { LINK_N, 8 },
		      { UINT32_MAX, 8 },
		      { LINK_OPENED, sizeof(struct link_opened) },
		      { LINK_RELOAD, sizeof(struct link_closed) },
		      { LINK_CUT, sizeof(struct order_cut) - 1 },
		      { LINK_CUT, sizeof(struct order_cut) + 1 },
		      { LINK_WARN, 0 },
		      { LINK_SAMPLE, FORGER_BYTES_MAX },
		      { LINK_TUNE, UINT32_MAX } };
	static const char zeros[FORGER_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint32_t size = heads[i].size;
		struct forger forger;

		start(&forger, true);
		forger_send(&forger, heads[i].type, zeros, size > sizeof(zeros) ? 0 : size);
		assert_ended(&forger);
	}
}

#define FORGED(type, message, change)                                    \
	do {                                                             \
		struct forger forged;                                    \
		start(&forged, true);                                    \
		change;                                                  \
		forger_send(&forged, type, &(message), sizeof(message)); \
		assert_ended(&forged);                                   \
	} while (0)

static void contents_that_are_wrong(void **state)
{
	struct link_settings other = settings;

	(void)state;
	FORGED(LINK_SETTINGS, other, other.look_every_ns = 0);
	other = settings;
	FORGED(LINK_SETTINGS, other, other.look_every_ns = 60 * NS_PER_S + 1);
	other = settings;
	FORGED(LINK_SETTINGS, other, other.reserved = 1);
	other = settings;
	FORGED(LINK_SETTINGS, other, other.cuts_span_ns = 0);
	other = settings;
	FORGED(LINK_SETTINGS, other, other.cuts_most = 0);
	other = settings;
	FORGED(LINK_SETTINGS, other, other.cuts_most = UINT32_MAX);
	FORGED(LINK_WARN, warn, memset(warn.text, 'x', sizeof(warn.text)));
	FORGED(LINK_HANGUP, hangup, memset(hangup.text, 'x', sizeof(hangup.text)));
	FORGED(LINK_CUT, cut, memset(cut.text, 'x', sizeof(cut.text)));
	FORGED(LINK_CUT, cut, memset(cut.park.user, 'x', sizeof(cut.park.user)));
	FORGED(LINK_CUT, cut, memset(cut.park.text, 'x', sizeof(cut.park.text)));
	FORGED(LINK_CUT, cut, cut.guard.uses = 0);
	FORGED(LINK_CUT, cut, cut.asked = cut.park.wanted = 1);
	FORGED(LINK_TUNE, tune, tune.wanted.user_timeout_ms = 1);
	FORGED(LINK_TUNE, tune, tune.wanted.count = 1);
	FORGED(LINK_QUIET, quiet, quiet.every_ns = 0);
	FORGED(LINK_QUIET, quiet, quiet.every_ns = TIME_NEVER);
	FORGED(LINK_QUIET, quiet, quiet.reserved = 1);
}

static int be_quiet(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	return dup2(null, STDERR_FILENO) < 0 ? -1 : close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_engine_may_send_is_taken),
		cmocka_unit_test(nothing_before_the_settings),
		cmocka_unit_test(heads_that_are_wrong),
		cmocka_unit_test(contents_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, be_quiet, NULL);
}
