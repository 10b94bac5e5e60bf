#include "act/guard.h"

#include <errno.h>

#include "core/ledger.h"
#include "core/terminal.h"

/* A moment that an age names may have been so much later. */
static int64_t latest_of(const struct sample *sample, int64_t age_ns)
{
	return sample->at_ns - age_ns + FACTS_AGE_SLACK_NS;
}

/* Nothing at all has come in since the verdict's sample: that is proof without any ledger. */
static bool silent_since(const struct sample *sample, int64_t since_ns)
{
	return (sample->known & SAMPLE_SOCKET) &&
	       latest_of(sample, sample->last_data_recv_ns) < since_ns;
}

static bool has_ledger(const struct sample *sample)
{
	return (sample->known & SAMPLE_LEDGER) == SAMPLE_LEDGER;
}

/* A ledger below the mark was read inside a system call and could hide a key: that is movement too.
 */
static bool input_moved(const struct sample *sample, const struct order_guard *guard)
{

	if (silent_since(sample, guard->observed_at_ns))
		return false;
	return !has_ledger(sample) || sample->waiting > 0 ||
	       ledger_plain_in(sample) != guard->plain_in;
}

static bool output_moved(const struct sample *sample, const struct order_guard *guard)
{
	int64_t more = ledger_plain_out(sample) - guard->plain_out;

	return !has_ledger(sample) || more < 0 || more > guard->notice_bytes;
}

static bool traffic_moved(const struct sample *sample, const struct order_guard *guard)
{
	if (!(sample->known & SAMPLE_FORWARDS) ||
	    sample->forward_written + sample->forward_read > guard->traffic ||
	    sample->forward_opened != guard->forward_opened)
		return true;
	/* What is not counted is input or output in the ledger. */
	return (sample->known & SAMPLE_UNMEASURED) &&
	       (output_moved(sample, guard) || ledger_plain_in(sample) != guard->plain_in);
}

/* See enum order_alive. */
static bool is_alive(const struct sample *sample, const struct order_guard *guard)
{
	int64_t age_ns = sample->last_data_recv_ns;

	if (guard->alive == ORDER_ALIVE_ANY)
		return false;
	if (guard->alive == ORDER_ALIVE_HOST && sample->last_ack_recv_ns < age_ns)
		age_ns = sample->last_ack_recv_ns;
	return !(sample->known & SAMPLE_SOCKET) ||
	       latest_of(sample, age_ns) > guard->observed_at_ns;
}

int guard_judge(const struct sample *sample, bool changed, const struct order_guard *guard)
{
	if (is_alive(sample, guard))
		return -EBUSY;
	if (guard->uses == 0)
		return 0;
	if (changed || !(sample->known & SAMPLE_CHANNELS))
		return -EBUSY;
	if ((guard->uses & USE_BIT(USE_INPUT)) && input_moved(sample, guard))
		return -EBUSY;
	if ((guard->uses & USE_BIT(USE_OUTPUT)) && output_moved(sample, guard))
		return -EBUSY;
	if ((guard->uses & USE_BIT(USE_TRAFFIC)) && traffic_moved(sample, guard))
		return -EBUSY;
	return 0;
}

int guard_check(struct watch *watch, const struct order_guard *guard)
{
	struct sample sample;
	bool changed = false;
	int r;

	if (guard->uses == 0 && guard->alive == ORDER_ALIVE_ANY)
		return 0;
	r = watch_sample(watch, &sample, &changed);
	return r < 0 ? r : guard_judge(&sample, changed, guard);
}

static bool terminal_moved(const struct sample *sample, const struct channel_sample *terminal,
			   const struct order_guard *guard)
{
	const int64_t offset_ns =
		terminal_offset_ns(guard->realtime_offset_ns, sample->realtime_offset_ns);

	return !(terminal->known & TERMINAL_KNOWN) || !(terminal->known & TERMINAL_RAW) ||
	       (terminal->known & TERMINAL_PENDING) ||
	       !terminal_not_read_since(guard->atime_s, terminal->atime_s,
					guard->observed_at_ns + offset_ns);
}

/* ^C and its like leave no trace in the terminal itself. */
static bool signal_may_have_come(const struct sample *sample, const struct channel_sample *terminal,
				 const struct order_guard *guard)
{
	const int64_t more = ledger_plain_in(sample) - guard->plain_in;

	return (terminal->known & TERMINAL_SIGNALS) &&
	       (!has_ledger(sample) || more <= TERMINAL_SIGNAL_KEYS_MOST);
}

int guard_judge_terminal(const struct sample *sample, bool changed, const struct order_guard *guard,
			 int32_t tty)
{
	if (changed)
		return -EBUSY;
	for (uint32_t i = 0; i < sample->n_channels; i++)
		if (sample->channels[i].tty == tty)
			/* No input at all on the connection is none for this terminal either. */
			return (terminal_moved(sample, &sample->channels[i], guard) ||
				signal_may_have_come(sample, &sample->channels[i], guard)) &&
					       input_moved(sample, guard)
				       ? -EBUSY
				       : 0;
	return -ENOENT;
}

int guard_check_terminal(struct watch *watch, const struct order_guard *guard, int32_t tty)
{
	struct sample sample;
	bool changed = false;
	int r = watch_sample(watch, &sample, &changed);

	return r < 0 ? r : guard_judge_terminal(&sample, changed, guard, tty);
}
