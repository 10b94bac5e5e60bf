#include "core/ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "core/terminal.h"

/*
 * A rekey, told from everything else: so much protocol on the net each way, not counting what so
 * many segments with a key, a keepalive or a request have (measured on OpenSSH 9.2 and 10.5: keys
 * 35, chaff 36, keepalives 52, requests up to 85 bytes; a rekey's 2,780 come in three). Keepalives
 * in the same step do not blur it.
 */
#define REKEY_NET_BYTES	    900
#define REKEY_SEGMENT_BYTES 60
/* The question to the monitor and its answer: a key and a signature, 3,380 bytes at most (tinyssh). More
 * is a user whose small packets were joined on the way, as those of a slow line are. */
#define REKEY_PLAIN_MOST 8192
/* So many samples in a row may find a rekey under way, 20 ms apart ... */
#define REKEY_LOOKS_MOST 50
/* ... and the last so many of them a question or an answer that one side has written and the other not yet read. */
#define REKEY_ANSWER_LOOKS_MOST 3

/* So many samples in a row with data on the socket that the io counters did not see: the server
 * moves its data with recv(2) and send(2), which the kernel does not count. */
#define STUCK_MOST 2

/* A notice is read by the server at once, unless the terminal is stopped; then its bytes come out
 * later and count as output. */
#define NOTICE_FOR_NS	    (2 * NS_PER_S)
#define NOTICE_PACKETS_MOST 8

/* A packet without user data, as tinyssh sends and receives for a client's keepalive. */
#define KEEPALIVE_OUT_BYTES 52
#define KEEPALIVE_IN_BYTES  44

void ledger_deinit(struct ledger *ledger)
{
	free(ledger->rekeys);
	ledger->rekeys = NULL;
	ledger->n_rekeys = 0;
}

int64_t ledger_plain_in(const struct sample *sample)
{
	return (int64_t)(sample->wchar - sample->sent - sample->forward_written);
}

int64_t ledger_plain_out(const struct sample *sample)
{
	uint64_t read = sample->received - sample->waiting;

	return (int64_t)(sample->rchar - read - sample->forward_read);
}

bool ledger_is_behind(struct ledger *ledger, const struct sample *sample)
{
	if (!ledger->primed || ledger->unusable)
		return false;
	if (ledger_plain_in(sample) >= ledger->high_in &&
	    ledger_plain_out(sample) >= ledger->high_out) {
		ledger->behind = 0;
		return false;
	}
	if (++ledger->behind <= LEDGER_BEHIND_MOST)
		return true;
	ledger->behind = 0;
	if (++ledger->restarts > LEDGER_RESTARTS_MOST)
		ledger->unusable = true;
	else
		ledger->primed = false;
	return false;
}

static uint64_t above(int64_t value, int64_t *high)
{
	uint64_t by = 0;

	if (value > *high) {
		by = (uint64_t)(value - *high);
		*high = value;
	}
	return by;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/* Data flowed on the socket and the io counters stood still. */
static bool is_stuck(const struct sample *now, const struct ledger_counts *last)
{
	uint64_t read = (now->received - now->waiting) - (last->received - last->waiting);
	bool read_grew = (int64_t)read > 0;
	bool sent_grew = (int64_t)(now->sent - last->sent) > 0;

	return (read_grew && now->rchar == last->rchar) || (sent_grew && now->wchar == last->wchar);
}

static void note_stuck(struct ledger *ledger, const struct sample *sample)
{
	/* Between the read of the counters and the read of the socket a packet may pass, so one
	 * such sample is nothing. A healthy server catches up in the next. */
	if (!is_stuck(sample, &ledger->last))
		ledger->stuck = 0;
	else if (++ledger->stuck > STUCK_MOST)
		ledger->unusable = true;
}

/* What came in besides the user's bytes and small packets. */
static uint64_t rekey_protocol(const struct ledger_step *step)
{
	uint64_t plain = step->in_bytes + step->forwarded_in_bytes;

	return less(step->net_in_bytes, plain + REKEY_SEGMENT_BYTES * step->segments_in);
}

static bool rekey_shaped(const struct ledger_step *step)
{
	return step->net_out_bytes >= REKEY_NET_BYTES && rekey_protocol(step) >= REKEY_NET_BYTES &&
	       step->in_bytes <= REKEY_PLAIN_MOST && step->out_bytes <= REKEY_PLAIN_MOST;
}

/*
 * What the private monitor is asked, and its answer, as OpenSSH writes them (monitor_wrap.c; the sums are
 * those that were measured on 9.2 and 10.5): a head of 21 bytes, a hash, the name of the algorithm, since 10
 * the public key; and the signature.
 */
enum {
	QUESTION_BYTES = 21,
	CERTIFICATE_BYTES = 21,	   /* "-cert-v01@openssh.com" behind the name */
	GROUP_QUESTION_BYTES = 17, /* before it, with SHA-256, for a group of these bytes and 16 */
	GROUP_LEAST_BYTES = 256,
	GROUP_MOST_BYTES = 1024,
	GROUP_MORE_BYTES = 16,
};

static const uint32_t hashes[] = { 32, 48, 64 };

struct signing {
	uint32_t name_bytes, key_bytes, least_bytes, most_bytes;
};

static const struct signing signings[] = {
	{ 11, 51, 92, 92 },	  /* ed25519 */
	{ 19, 104, 106, 110 },	  /* ECDSA 256 */
	{ 19, 136, 138, 142 },	  /* 384 */
	{ 19, 172, 170, 176 },	  /* 521 */
	{ 12, 151, 157, 157 },	  /* RSA 1024 */
	{ 12, 279, 285, 285 },	  /* 2048 */
	{ 12, 407, 413, 413 },	  /* 3072 */
	{ 12, 535, 541, 541 },	  /* 4096 */
	{ 12, 1047, 1053, 1053 }, /* 8192 */
	{ 12, 2071, 2077, 2077 }, /* 16384 */
	{ 11, 51, 3380, 3380 },	  /* tinyssh, with its random bytes */
};

static bool is_question(const struct signing *one, uint64_t in_bytes, uint32_t more_bytes)
{
	const uint64_t least_bytes = QUESTION_BYTES + one->name_bytes + more_bytes;

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (in_bytes == least_bytes + hashes[i] ||
		    in_bytes == least_bytes + hashes[i] + one->key_bytes)
			return true;
	return false;
}

static bool asks_for_group(const struct signing *one, uint64_t in_bytes)
{
	const uint64_t least_bytes =
		QUESTION_BYTES + one->name_bytes + hashes[0] + GROUP_QUESTION_BYTES;

	return in_bytes == least_bytes || in_bytes == least_bytes + one->key_bytes;
}

static bool is_answer(const struct signing *one, uint64_t out_bytes)
{
	return out_bytes >= one->least_bytes && out_bytes <= one->most_bytes;
}

/* Groups have 2048, 3072, 4096, 6144, 7680 or 8192 bits. */
static bool is_answer_with_group(const struct signing *one, uint64_t out_bytes)
{
	for (uint32_t n = GROUP_LEAST_BYTES; n <= GROUP_MOST_BYTES; n += 64)
		if (out_bytes >= n + GROUP_MORE_BYTES &&
		    is_answer(one, out_bytes - n - GROUP_MORE_BYTES))
			return true;
	return false;
}

/* A user's bytes in the same step make it another sum, also where they come with each rekey: the packet that is
 * sent after a pause is what a client renews its keys before. */
static bool is_signing(const struct ledger_rekey *rekey)
{
	for (size_t i = 0; i < sizeof(signings) / sizeof(signings[0]); i++) {
		const struct signing *one = &signings[i];

		if (is_answer(one, rekey->out_bytes) && is_question(one, rekey->in_bytes, 0))
			return true;
		if (is_answer_with_group(one, rekey->out_bytes) &&
		    asks_for_group(one, rekey->in_bytes))
			return true;
	}
	return false;
}

/* Beside it output may have come. */
static bool may_be_signing(uint64_t in_bytes, uint64_t out_bytes)
{
	for (size_t i = 0; i < sizeof(signings) / sizeof(signings[0]); i++) {
		const struct signing *one = &signings[i];

		if (out_bytes >= one->least_bytes && is_question(one, in_bytes, 0))
			return true;
		if (out_bytes >= one->least_bytes + GROUP_LEAST_BYTES + GROUP_MORE_BYTES &&
		    asks_for_group(one, in_bytes))
			return true;
	}
	return false;
}

/* Not where the question has come without a certificate. */
static bool may_be_certified(const struct ledger *ledger, const struct ledger_step *step)
{
	for (uint32_t i = 0; i < ledger->n_rekeys; i++)
		if (is_signing(&ledger->rekeys[i]))
			return false;
	for (size_t i = 0; i < sizeof(signings) / sizeof(signings[0]); i++)
		if (step->out_bytes >= signings[i].least_bytes &&
		    is_question(&signings[i], step->in_bytes, CERTIFICATE_BYTES))
			return true;
	return false;
}

/* Few keys without a trace may be in it: it is a signature and so many bytes. */
static bool may_have_keys(const struct ledger_step *step)
{
	for (uint64_t n = 1; n <= TERMINAL_SIGNAL_KEYS_MOST && n < step->in_bytes; n++)
		if (may_be_signing(step->in_bytes - n, step->out_bytes))
			return true;
	return false;
}

/* No amount need be known. RSA's question is Ed25519's and a byte, ECDSA's is it and eight: beside the output of a
 * prompt ^C makes the one of the other. Ed25519's own, which most have, is only another's and exactly eight. */
static bool is_proved(const struct ledger_step *step)
{
	return may_be_signing(step->in_bytes, step->out_bytes) &&
	       (is_question(&signings[0], step->in_bytes, 0) || !may_have_keys(step));
}

/* Certificates, and what vendors let the monitor do besides (the audit of Fedora's and its kin). */
static bool is_known_otherwise(const struct ledger *ledger, const struct ledger_step *step)
{
	/* Fewer are no question, but keys that a slow line has joined. */
	if (step->in_bytes <= QUESTION_BYTES + hashes[0] ||
	    step->out_bytes < signings[0].least_bytes ||
	    (may_have_keys(step) && !may_be_certified(ledger, step)))
		return false;
	for (uint32_t i = 0; i < ledger->n_rekeys; i++)
		if (ledger->rekeys[i].in_bytes == step->in_bytes &&
		    ledger->rekeys[i].out_bytes == step->out_bytes)
			return ledger->rekeys[i].seen > LEDGER_REKEY_TRUST;
	return false;
}

/* Fills whether `in` alone, and `in` with `out`, are amounts to be trusted. */
static void rekey_compare(const struct ledger *ledger, struct ledger_step *step)
{
	uint32_t in_seen = 0;

	for (uint32_t i = 0; i < ledger->n_rekeys; i++) {
		const struct ledger_rekey *rekey = &ledger->rekeys[i];

		if (rekey->in_bytes != step->in_bytes || !is_signing(rekey))
			continue;
		in_seen += rekey->seen;
		if (rekey->out_bytes == step->out_bytes && rekey->seen >= LEDGER_REKEY_TRUST)
			step->rekey_out = true;
	}
	step->rekey = in_seen >= LEDGER_REKEY_TRUST;
}

int ledger_add_rekey(struct ledger *ledger, const struct ledger_rekey *rekey)
{
	if (!ledger->rekeys)
		ledger->rekeys = calloc(LEDGER_REKEYS_MAX, sizeof(*ledger->rekeys));
	if (!ledger->rekeys)
		return -ENOMEM;
	ledger->rekeys[ledger->next_rekey] = *rekey;
	ledger->next_rekey = (ledger->next_rekey + 1) % LEDGER_REKEYS_MAX;
	if (ledger->n_rekeys < LEDGER_REKEYS_MAX)
		ledger->n_rekeys++;
	return 0;
}

static void rekey_remember(struct ledger *ledger, const struct ledger_step *step)
{
	struct ledger_rekey new = { .in_bytes = (uint32_t)step->in_bytes,
				    .out_bytes = (uint32_t)step->out_bytes,
				    .seen = 1 };

	for (uint32_t i = 0; i < ledger->n_rekeys; i++) {
		struct ledger_rekey *rekey = &ledger->rekeys[i];

		if (rekey->in_bytes == step->in_bytes && rekey->out_bytes == step->out_bytes) {
			rekey->seen++;
			return;
		}
	}
	/* What is not remembered counts as use. */
	(void)ledger_add_rekey(ledger, &new);
}

/*
 * All of it was asked of the monitor, to the byte, whatever else passed on the net.  What that reads besides (for GSSAPI
 * its keytab, for a group /etc/ssh/moduli) makes the sum too large; then the amounts must tell. So does what it
 * writes besides.
 */
static void compare_with_monitor(struct ledger_step *step)
{
	if (!step->asked_known || (step->asked_bytes == 0 && step->answered_bytes == 0) ||
	    step->in_bytes != step->asked_bytes || step->answered_bytes > step->out_bytes)
		return;
	step->rekey = true;
	/* What is left is output, or our own line: a server renews its keys before the first packet after a pause. */
	step->out_bytes -= step->answered_bytes;
	step->rekey_out = step->out_bytes == 0;
}

/* Certainly not all of it is a rekey. */
static bool has_more_than_asked(const struct ledger_step *step)
{
	return step->asked_known && step->in_bytes > step->asked_bytes;
}

/* Of keys without a trace there are few. */
static bool has_no_keys(const struct ledger *ledger, const struct ledger_step *step)
{
	if (has_more_than_asked(step) &&
	    step->in_bytes - step->asked_bytes <= TERMINAL_SIGNAL_KEYS_MOST)
		return false;
	return is_proved(step) || is_known_otherwise(ledger, step);
}

/* A known amount in a rekey's shape is no use.  A key in the same step changes the amount, and then
 * the step counts. Where no key can have come, no amount need be known. */
static void compare_with_others(struct ledger *ledger, enum ledger_terminals terminals,
				struct ledger_step *step)
{
	rekey_compare(ledger, step);
	if (has_more_than_asked(step))
		step->rekey = step->rekey_out = false;
	if (!has_more_than_asked(step) || terminals == LEDGER_TERMINALS_UNREAD)
		rekey_remember(ledger, step);
	if (terminals == LEDGER_TERMINALS_UNTOUCHED ||
	    (terminals == LEDGER_TERMINALS_UNREAD && has_no_keys(ledger, step)))
		step->rekey = true;
}

static void step_find_rekey(struct ledger *ledger, enum ledger_terminals terminals,
			    struct ledger_step *step)
{
	if (terminals == LEDGER_TERMINALS_TOUCHED || step->reaped ||
	    (step->in_bytes == 0 && step->out_bytes == 0))
		return;
	if (rekey_shaped(step))
		compare_with_others(ledger, terminals, step);
	compare_with_monitor(step);
}

void ledger_expect_notice(struct ledger *ledger, uint64_t bytes, int64_t now_ns)
{
	ledger->notice_bytes += bytes;
	ledger->notice_until_ns = now_ns + NOTICE_FOR_NS;
}

void ledger_resume(struct ledger *ledger, int64_t observed_at_ns, int64_t now_ns)
{
	if (ledger->notice_until_ns < observed_at_ns)
		ledger->notice_bytes = 0;
	if (ledger->notice_bytes > 0)
		ledger->notice_until_ns = now_ns + NOTICE_FOR_NS;
}

static void step_take_notice(struct ledger *ledger, const struct ledger_traits *traits,
			     int64_t now_ns, struct ledger_step *step)
{
	uint64_t taken =
		step->out_bytes < ledger->notice_bytes ? step->out_bytes : ledger->notice_bytes;

	if (now_ns > ledger->notice_until_ns)
		ledger->notice_bytes = 0;
	if (ledger->notice_bytes == 0 || taken == 0)
		return;
	ledger->notice_bytes -= taken;
	step->out_bytes -= taken;
	/* Each packet that it went out in had its padding. */
	if (traits->padding_bytes != 0 && step->out_bytes % traits->padding_bytes == 0 &&
	    step->out_bytes <= NOTICE_PACKETS_MOST * traits->padding_bytes)
		step->out_bytes = 0;
}

/* Answers to a client's keepalives: random padding was read for each, nothing else happened. */
static void step_take_padding(const struct ledger_traits *traits, struct ledger_step *step)
{
	uint64_t packets;

	if (traits->padding_bytes == 0 || step->in_bytes > 0 || step->out_bytes == 0)
		return;
	packets = step->out_bytes / traits->padding_bytes;
	if (step->out_bytes == packets * traits->padding_bytes &&
	    step->net_out_bytes <= packets * KEEPALIVE_OUT_BYTES &&
	    step->net_in_bytes >= packets * KEEPALIVE_IN_BYTES)
		step->out_bytes = 0;
}

static struct ledger_counts counts_of(const struct sample *sample)
{
	return (struct ledger_counts){
		.wchar = sample->wchar,
		.rchar = sample->rchar,
		.sent = sample->sent,
		.received = sample->received,
		.forward_written = sample->forward_written,
		.forward_read = sample->forward_read,
		.segments_in = (uint32_t)sample->segments_in,
		.waiting = (uint32_t)sample->waiting,
		.parent_rchar = sample->parent_rchar,
		.parent_wchar = sample->parent_wchar,
	};
}

static void ledger_keep(struct ledger *ledger, const struct sample *sample)
{
	ledger->last = counts_of(sample);
	ledger->parent_known = (sample->known & SAMPLE_PARENT) != 0;
}

static void ledger_prime(struct ledger *ledger, const struct sample *sample)
{
	ledger->high_in = ledger_plain_in(sample);
	ledger->high_out = ledger_plain_out(sample);
	ledger_keep(ledger, sample);
	ledger->primed = true;
}

/* The differences between a sample and the one before; the marks stay where they are. */
static struct ledger_step step_of(const struct ledger *ledger, const struct sample *sample)
{
	const struct ledger_counts *last = &ledger->last;
	int64_t high_in = ledger->high_in, high_out = ledger->high_out;

	return (struct ledger_step){
		.in_bytes = above(ledger_plain_in(sample), &high_in),
		.out_bytes = above(ledger_plain_out(sample), &high_out),
		.net_in_bytes = less(sample->received, last->received),
		.net_out_bytes = less(sample->sent, last->sent),
		.segments_in = (uint32_t)sample->segments_in - last->segments_in,
		.forwarded_in_bytes = less(sample->forward_written, last->forward_written),
		.traffic_bytes = less(sample->forward_written, last->forward_written) +
				 less(sample->forward_read, last->forward_read),
		.asked_bytes = sample->parent_rchar - last->parent_rchar,
		.answered_bytes = sample->parent_wchar - last->parent_wchar,
		.asked_known = ledger->parent_known && (sample->known & SAMPLE_PARENT),
		.reaped = (sample->known & SAMPLE_REAPED) != 0,
	};
}

/* Less than any rekey of this connection has; 1 as long as none is known. */
static uint64_t rekey_least(const struct ledger *ledger)
{
	uint64_t least_bytes = UINT64_MAX;

	for (uint32_t i = 0; i < ledger->n_rekeys; i++)
		if (ledger->rekeys[i].seen >= LEDGER_REKEY_TRUST &&
		    is_signing(&ledger->rekeys[i]) && ledger->rekeys[i].in_bytes < least_bytes)
			least_bytes = ledger->rekeys[i].in_bytes;
	return least_bytes == UINT64_MAX ? 1 : least_bytes;
}

/* What goes between the monitor and the server's process has arrived, and none of it was hidden by a system call. */
static bool is_answered(const struct ledger_step *step)
{
	return !step->asked_known ||
	       (step->in_bytes == step->asked_bytes && step->out_bytes >= step->answered_bytes);
}

/* Servers without a monitor (dropbear, OpenSSH's for root) sign a rekey themselves. */
static bool is_without_question(const struct ledger_step *step)
{
	return !step->asked_known && step->in_bytes == 0;
}

bool ledger_is_mid_rekey(struct ledger *ledger, const struct sample *sample)
{
	struct ledger_step step;
	bool complete;

	if (!ledger->primed || ledger->unusable)
		return false;
	step = step_of(ledger, sample);
	complete = step.net_out_bytes >= REKEY_NET_BYTES && step.in_bytes >= rekey_least(ledger);
	if (rekey_protocol(&step) < REKEY_NET_BYTES || (complete && is_answered(&step)) ||
	    (ledger->signs_itself && is_without_question(&step))) {
		ledger->mid_rekey = 0;
		return false;
	}
	if (complete && ledger->mid_rekey < REKEY_LOOKS_MOST - REKEY_ANSWER_LOOKS_MOST)
		ledger->mid_rekey = REKEY_LOOKS_MOST - REKEY_ANSWER_LOOKS_MOST;
	if (++ledger->mid_rekey <= REKEY_LOOKS_MOST)
		return true;
	ledger->mid_rekey = 0;
	ledger->signs_itself = is_without_question(&step);
	return false;
}

bool ledger_step(struct ledger *ledger, const struct ledger_traits *traits,
		 const struct sample *sample, enum ledger_terminals terminals,
		 struct ledger_step *ret_step)
{
	struct ledger_step step;

	if (!ledger->primed) {
		ledger_prime(ledger, sample);
		return false;
	}
	note_stuck(ledger, sample);
	step = step_of(ledger, sample);
	(void)above(ledger_plain_in(sample), &ledger->high_in);
	(void)above(ledger_plain_out(sample), &ledger->high_out);
	step.unusable = ledger->unusable;
	step.quiet = step.in_bytes == 0 && step.out_bytes == 0 && step.traffic_bytes == 0 &&
		     !step.reaped && !step.unusable && sample->at_ns > ledger->notice_until_ns;
	step.renewed = rekey_shaped(&step);
	step_find_rekey(ledger, terminals, &step);
	step_take_notice(ledger, traits, sample->at_ns, &step);
	step_take_padding(traits, &step);
	ledger_keep(ledger, sample);
	*ret_step = step;
	return true;
}
