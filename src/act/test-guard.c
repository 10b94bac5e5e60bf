#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "act/guard.h"
#include "core/terminal.h"

#define VERDICT_NS (1000 * NS_PER_S)
#define LOOK_NS	   (VERDICT_NS + 50 * NS_PER_MS)

static const struct order_guard input = { .plain_in = 100,
					  .observed_at_ns = VERDICT_NS,
					  .uses = USE_BIT(USE_INPUT) };

/* Of a session with 100 + `more` bytes of input, the last of them `after` the verdict's sample. */
static struct sample sample_of(uint64_t more, int64_t after_ns)
{
	return (struct sample){ .at_ns = LOOK_NS,
				.known = SAMPLE_LEDGER | SAMPLE_CHANNELS,
				.wchar = 600 + more,
				.sent = 500,
				.last_data_recv_ns = LOOK_NS - (VERDICT_NS + after_ns) };
}

/* What the next look finds. */
static struct sample found;
static bool found_changed;
static int found_error;
static unsigned looks;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int __wrap_watch_sample(struct watch *watch, struct sample *ret_sample, bool *ret_changed);

int __wrap_watch_sample(struct watch *watch, struct sample *ret_sample, bool *ret_changed)
{
	(void)watch;
	*ret_sample = found;
	*ret_changed = found_changed;
	looks++;
	return found_error;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static int judge(uint64_t more, int64_t after_ns)
{
	const struct sample sample = sample_of(more, after_ns);

	return guard_judge(&sample, false, &input);
}

static void nothing_came(void **state)
{
	(void)state;
	assert_int_equal(judge(0, -5 * NS_PER_S), 0);
	/* Whatever the ledger says: the server's own writing. */
	assert_int_equal(judge(7, -5 * NS_PER_S), 0);
}

/* An age is rounded to ticks of up to 10 ms: a key that comes a moment after the verdict's sample
 * may look as if it had come before. */
static void a_key_comes(void **state)
{
	(void)state;
	assert_int_equal(judge(1, 40 * NS_PER_MS), -EBUSY);
	assert_int_equal(judge(1, 1), -EBUSY);
	assert_int_equal(judge(1, -4 * NS_PER_MS), -EBUSY);
	assert_int_equal(judge(1, -10 * NS_PER_MS), -EBUSY);
	assert_int_equal(judge(0, -4 * NS_PER_MS), 0);
}

/* Unknown is not idle. */
static void what_cannot_be_read(void **state)
{
	struct sample sample = sample_of(0, NS_PER_MS);

	(void)state;
	assert_int_equal(guard_judge(&sample, true, &input), -EBUSY);
	for (uint32_t known = 0; known < (SAMPLE_LEDGER | SAMPLE_CHANNELS); known++) {
		sample.known = known;
		assert_int_equal(guard_judge(&sample, false, &input), -EBUSY);
	}
}

#define INPUT	USE_BIT(USE_INPUT)
#define OUTPUT	USE_BIT(USE_OUTPUT)
#define TRAFFIC USE_BIT(USE_TRAFFIC)

/* What has moved since the verdict, of all that the guard may ask for. */
static const struct moved_row {
	const char *what;
	uint32_t uses;
	int64_t in, out, written, read;
	uint32_t waiting, opened, unknown;
	bool changed, held_back;
} moved_rows[] = {
	{ "nothing", INPUT | OUTPUT | TRAFFIC, .held_back = false },
	{ "input", INPUT, .in = 1, .held_back = true },
	{ "a ledger that is behind", INPUT, .in = -1, .held_back = true },
	{ "bytes that wait", INPUT, .waiting = 1, .held_back = true },
	{ "input that is none of its uses", OUTPUT | TRAFFIC, .in = 1 },
	{ "our own line", OUTPUT, .out = 30 },
	{ "output", OUTPUT, .out = 31, .held_back = true },
	{ "output behind", OUTPUT, .out = -1, .held_back = true },
	{ "output not known", OUTPUT, .unknown = SAMPLE_IO, .held_back = true },
	{ "output that is none of its uses", INPUT | TRAFFIC, .out = 31 },
	{ "traffic from the client", TRAFFIC, .written = 1, .held_back = true },
	{ "traffic to it", TRAFFIC, .read = 1, .held_back = true },
	{ "a forwarded connection", TRAFFIC, .opened = 1, .held_back = true },
	{ "traffic not known", TRAFFIC, .unknown = SAMPLE_FORWARDS, .held_back = true },
	{ "traffic that is none of its uses", INPUT | OUTPUT, .read = 1, .opened = 1 },
	{ "another list of channels", OUTPUT, .changed = true, .held_back = true },
	{ "whatever moved", 0, .in = 1, .changed = true },
};

static void what_holds_an_end_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(moved_rows) / sizeof(moved_rows[0]); i++) {
		const struct moved_row *row = &moved_rows[i];
		const struct order_guard guard = { .plain_in = 100,
						   .plain_out = 50,
						   .observed_at_ns = VERDICT_NS,
						   .traffic = 10,
						   .forward_opened = 2,
						   .uses = row->uses,
						   .notice_bytes = 30 };

		found = sample_of(0, NS_PER_MS);
		found.forward_written = (uint64_t)(5 + row->written);
		found.forward_read = (uint64_t)(5 + row->read);
		found.forward_opened = 2 + row->opened;
		found.wchar += found.forward_written + (uint64_t)row->in;
		found.rchar = found.forward_read + 50 + (uint64_t)row->out;
		found.received = found.waiting = row->waiting;
		found.known &= ~row->unknown;
		found_changed = row->changed;
		looks = 0;
		if (guard_check(NULL, &guard) != (row->held_back ? -EBUSY : 0))
			fail_msg("%s", row->what);
		assert_int_equal(looks, row->uses != 0);
	}
	/* Whatever an age says that was not read. */
	found = sample_of(1, -5 * NS_PER_S);
	found.known &= ~(uint32_t)SAMPLE_SOCKET;
	assert_int_equal(guard_judge(&found, false, &input), -EBUSY);
}

/* No look, no end. */
static void a_look_that_fails(void **state)
{
	const struct order_guard host = { .observed_at_ns = VERDICT_NS, .alive = ORDER_ALIVE_HOST };

	(void)state;
	found = sample_of(0, -5 * NS_PER_S);
	found.last_ack_recv_ns = found.last_data_recv_ns;
	found.n_channels = 1;
	found.channels[0] = (struct channel_sample){ .tty = 3 };
	found_changed = false;
	for (int i = 0; i < 2; i++) {
		found_error = i == 0 ? 0 : -EACCES;
		assert_int_equal(guard_check(NULL, &input), found_error);
		assert_int_equal(guard_check(NULL, &host), found_error);
		assert_int_equal(guard_check_terminal(NULL, &input, 3), found_error);
	}
	found_error = 0;
	found_changed = true;
	assert_int_equal(guard_check_terminal(NULL, &input, 3), -EBUSY);
}

/* On a forwarded unix socket nothing is counted: what moves there is input or output in the ledger. Our own line is
 * neither. */
static void a_forward_without_counts(void **state)
{
	const struct order_guard guard = { .plain_in = 100,
					   .plain_out = 50,
					   .observed_at_ns = VERDICT_NS,
					   .uses = USE_BIT(USE_INPUT) | USE_BIT(USE_TRAFFIC),
					   .notice_bytes = 30 };
	struct sample sample = sample_of(0, -5 * NS_PER_S);

	(void)state;
	sample.known |= SAMPLE_UNMEASURED;
	sample.rchar = 80;
	assert_int_equal(guard_judge(&sample, false, &guard), 0);
	sample.rchar = 81;
	assert_int_equal(guard_judge(&sample, false, &guard), -EBUSY);
	sample.known &= ~(uint32_t)SAMPLE_UNMEASURED;
	assert_int_equal(guard_judge(&sample, false, &guard), 0);
	sample = sample_of(1, -5 * NS_PER_S);
	sample.rchar = 50;
	assert_int_equal(guard_judge(&sample, false, &guard), 0);
	sample.known |= SAMPLE_UNMEASURED;
	assert_int_equal(guard_judge(&sample, false, &guard), -EBUSY);
}

static void a_host_answers(void **state)
{
	const struct order_guard host = { .observed_at_ns = VERDICT_NS, .alive = ORDER_ALIVE_HOST };
	const struct order_guard program = { .observed_at_ns = VERDICT_NS,
					     .alive = ORDER_ALIVE_PROGRAM };
	struct sample sample = sample_of(0, -5 * NS_PER_S);

	(void)state;
	sample.last_ack_recv_ns = LOOK_NS - (VERDICT_NS - 5 * NS_PER_S);
	assert_int_equal(guard_judge(&sample, false, &host), 0);
	assert_int_equal(guard_judge(&sample, true, &host), 0);
	sample.last_ack_recv_ns = LOOK_NS - (VERDICT_NS - 4 * NS_PER_MS);
	assert_int_equal(guard_judge(&sample, false, &host), -EBUSY);
	/* That is no sign of its program; data is one of both, however old the acknowledgement. */
	assert_int_equal(guard_judge(&sample, false, &program), 0);
	sample = sample_of(0, NS_PER_MS);
	sample.last_ack_recv_ns = 3600 * NS_PER_S;
	assert_int_equal(guard_judge(&sample, false, &host), -EBUSY);
	assert_int_equal(guard_judge(&sample, false, &program), -EBUSY);
	sample = sample_of(0, -5 * NS_PER_S);
	sample.known &= ~(uint32_t)SAMPLE_SOCKET;
	assert_int_equal(guard_judge(&sample, false, &program), -EBUSY);
}

/* The kernel moves a terminal's time of access once in 8 s: a key within such a window does not show. */
static void a_terminal_is_read(void **state)
{
	static const uint32_t unclear[] = { TERMINAL_KNOWN, TERMINAL_RAW,
					    TERMINAL_KNOWN | TERMINAL_RAW | TERMINAL_PENDING };
	const int64_t window_s = 1600000000; /* begins then */
	struct order_guard guard = input;
	struct sample sample = sample_of(1, NS_PER_MS);

	(void)state;
	guard.atime_s = window_s;
	sample.n_channels = 1;
	sample.channels[0] = (struct channel_sample){ .tty = 3,
						      .atime_s = window_s,
						      .known = TERMINAL_KNOWN | TERMINAL_RAW };
	guard.realtime_offset_ns = sample.realtime_offset_ns =
		(window_s + 8) * NS_PER_S - VERDICT_NS;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
	assert_int_equal(guard_judge_terminal(&sample, true, &guard, 3), -EBUSY);
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 4), -ENOENT);
	for (size_t i = 0; i < sizeof(unclear) / sizeof(unclear[0]); i++) {
		sample.channels[0].known = unclear[i];
		assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	}
	sample.channels[0].known = TERMINAL_KNOWN | TERMINAL_RAW;
	sample.realtime_offset_ns -= 1;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.realtime_offset_ns += 1;
	/* Within the window by the clock as it was before it was set. */
	guard.realtime_offset_ns -= 1;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	guard.realtime_offset_ns += 1;
	sample.channels[0].atime_s++;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.channels[0].known = TERMINAL_KNOWN;
	sample.wchar--;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
}

/* ^C is never read: where it takes effect a byte or two of input may have been that. */
static void a_signal_key_in_a_terminal(void **state)
{
	struct order_guard guard = input;
	struct sample sample = sample_of(1, NS_PER_MS);

	(void)state;
	sample.n_channels = 1;
	sample.channels[0] = (struct channel_sample){
		.tty = 3, .known = TERMINAL_KNOWN | TERMINAL_RAW | TERMINAL_SIGNALS
	};
	guard.realtime_offset_ns = sample.realtime_offset_ns = 8 * NS_PER_S;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.wchar += TERMINAL_SIGNAL_KEYS_MOST - 1;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.wchar++;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
	sample.known &= ~(uint32_t)SAMPLE_IO;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), -EBUSY);
	sample.known |= SAMPLE_IO;
	sample.wchar = 600;
	assert_int_equal(guard_judge_terminal(&sample, false, &guard, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_came),
		cmocka_unit_test(a_key_comes),
		cmocka_unit_test(what_cannot_be_read),
		cmocka_unit_test(what_holds_an_end_back),
		cmocka_unit_test(a_look_that_fails),
		cmocka_unit_test(a_host_answers),
		cmocka_unit_test(a_forward_without_counts),
		cmocka_unit_test(a_terminal_is_read),
		cmocka_unit_test(a_signal_key_in_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
