#include "core/liveness.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* A host answers a ping at once or not at all; a network may take so long. */
#define PING_ANSWER_NS (1 * NS_PER_S)
/* Hosts answer at most two such segments a second (tcp_invalid_ratelimit). */
#define PING_LEAST_NS	   (1 * NS_PER_S)
#define PINGS_PER_INTERVAL 10
#define PINGS_BEFORE_END   4
#define PINGS_NEEDED	   2

/* The program is judged beside a host that was heard of so lately ... */
#define HOST_FRESH_NS (3 * NS_PER_S)
/* ... and when so much time has passed since that what the host let through has come too. */
#define HOST_SETTLED_NS (500 * NS_PER_MS)

/* Larger steps are no probes: 15 of 60 bytes, the most between two looks when they come each
 * second, have less. A rekey has more. */
#define PROBE_BYTES_MOST 1024
/* An answered step of so many probes vouches for a single one; more might be something else. */
#define PROBES_ANSWERED_MOST 4

#define FULL_LOOKS_LEAST 3

/* Twice as long between two looks as was asked for, and this: nobody watched, or the machine stood
 * still. */
#define LATE_SLACK_NS (1 * NS_PER_S)
/* ... so answers may wait, and get this long to come. */
#define GAP_HEEDED_NS PING_ANSWER_NS

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t add(int64_t at_ns, int64_t span_ns)
{
	int64_t sum_ns;

	return __builtin_add_overflow(at_ns, span_ns, &sum_ns) ? TIME_NEVER : sum_ns;
}

void liveness_deinit(struct liveness *liveness)
{
	free(liveness->proof);
	liveness->proof = NULL;
}

/* To be read. */
static const struct liveness_proof *proof_of(const struct liveness *liveness)
{
	static const struct liveness_proof none;

	return liveness->proof ? liveness->proof : &none;
}

/* To be written; NULL without memory. */
static struct liveness_proof *need_proof(struct liveness *liveness)
{
	if (!liveness->proof)
		liveness->proof = calloc(1, sizeof(*liveness->proof));
	return liveness->proof;
}

static bool is_multiple(uint64_t of, uint64_t bytes)
{
	return of % bytes == 0;
}

/* --- the socket --- */

static struct bounds sign_of(const struct sample *sample, int64_t age_ns)
{
	return (struct bounds){ .earliest_ns = sample->from_ns - age_ns - FACTS_AGE_SLACK_NS,
				.latest_ns = sample->at_ns - age_ns + FACTS_AGE_SLACK_NS };
}

/* Rounding moves the same sign of life by a few milliseconds from sample to sample: the bounds only
 * become later. */
static void hear(struct bounds *clock, struct bounds sign)
{
	bounds_use(clock, sign.earliest_ns, sign.latest_ns);
}

static uint64_t under_way(const struct liveness_proof *proof, const struct sample *sample)
{
	uint64_t settled = sample->acked + sample->unsent + proof->lost;

	return sample->sent > settled ? sample->sent - settled : 0;
}

/* What this host itself drops on its way out (a packet filter on output) counts as sent with each try, for
 * good, and is then not under way (measured on Linux 6.18: 100 bytes sent during a drop of 3 s were 500
 * more, 400 of them for ever).  How many is known when all is acknowledged. */
static void note_lost(struct liveness *liveness, const struct sample *sample)
{
	uint64_t lost = sample->sent > sample->acked ? sample->sent - sample->acked : 0;
	struct liveness_proof *proof;

	if (!(sample->known & SAMPLE_SETTLED) || sample->unsent > 0 ||
	    proof_of(liveness)->lost == lost)
		return;
	proof = need_proof(liveness);
	if (proof)
		proof->lost = lost;
}

/* Made by the first window that is full. */
static void look_at_window(struct liveness *liveness, const struct sample *sample)
{
	bool full = sample->unsent > 0 && under_way(proof_of(liveness), sample) == 0;
	struct liveness_proof *proof = full ? need_proof(liveness) : liveness->proof;

	if (!proof)
		return;
	if (!full || sample->acked != proof->acked)
		proof->full_looks = 0;
	if (full && proof->full_looks++ == 0)
		proof->full_since_ns = sample->at_ns;
	proof->acked = sample->acked;
}

/* What was sent has arrived at the client's machine. */
static void deliver_probes(struct liveness_proof *proof, const struct sample *sample)
{
	if (sample->unsent > 0 || under_way(proof, sample) > 0)
		return;
	for (uint32_t i = 0; i < proof->n_probes; i++)
		if (proof->probes[i].delivered_at_ns == 0)
			proof->probes[i].delivered_at_ns = sample->at_ns;
}

static void look_at_probes(struct liveness_proof *proof, const struct sample *sample)
{
	if (sample->received != proof->received)
		proof->n_probes = 0;
	proof->received = sample->received;
	deliver_probes(proof, sample);
}

/* Made by the first ping. */
static void look_at_ping(struct liveness *liveness, const struct sample *sample)
{
	int64_t at_ns = sample->pinged_at_ns;
	bool failed = (sample->known & SAMPLE_NO_PING) != 0;
	struct liveness_proof *proof;

	if (at_ns == 0 && !failed)
		return;
	proof = need_proof(liveness);
	if (failed) {
		liveness->no_ping = true;
		if (proof)
			proof->last_ping_at_ns = sample->at_ns;
		return;
	}
	/* Two at once are one question. */
	if (proof && proof->pings > 0 &&
	    at_ns < proof->last_ping_at_ns + PING_LEAST_NS - FACTS_AGE_SLACK_NS)
		return;
	liveness->no_ping = false;
	if (!proof)
		return;
	proof->pings++;
	if (proof->pings == 1)
		proof->first_ping_at_ns = at_ns;
	if (proof->pings == 2)
		proof->second_ping_at_ns = at_ns;
	proof->last_ping_at_ns = at_ns;
}

static void note_gap(struct liveness *liveness, int64_t at_ns)
{
	int64_t gap_ns = at_ns - liveness->looked_at_ns;

	if (gap_ns < liveness->gap_ns && at_ns < liveness->gap_ended_at_ns + GAP_HEEDED_NS)
		return;
	liveness->gap_ns = gap_ns;
	liveness->gap_ended_at_ns = at_ns;
}

void liveness_look(struct liveness *liveness, const struct sample *sample)
{
	struct liveness_proof *proof = liveness->proof;

	if (!(sample->known & SAMPLE_SOCKET)) {
		liveness->known = false;
		if (proof)
			proof->full_looks = 0;
		return;
	}
	hear(&liveness->program, sign_of(sample, sample->last_data_recv_ns));
	hear(&liveness->host,
	     sign_of(sample, least(sample->last_data_recv_ns, sample->last_ack_recv_ns)));
	note_lost(liveness, sample);
	proof = liveness->proof;
	if (proof && liveness->host.latest_ns > proof->first_ping_at_ns)
		proof->pings = 0;
	if (proof)
		look_at_probes(proof, sample);
	look_at_window(liveness, sample);
	look_at_ping(liveness, sample);
	note_gap(liveness, sample->from_ns);
	liveness->looked_at_ns = sample->from_ns;
	liveness->known = true;
}

/* --- the ledger --- */

static bool was_answered(const struct liveness *liveness, uint64_t bytes)
{
	for (uint32_t i = 0; i < LIVENESS_SIZES_MAX; i++) {
		uint64_t size = proof_of(liveness)->answered[i];

		if (size == 0)
			continue;
		if (is_multiple(bytes, size) ||
		    (size % bytes == 0 && size / bytes <= PROBES_ANSWERED_MOST))
			return true;
	}
	return false;
}

uint32_t liveness_answered(const struct liveness *liveness, uint32_t index)
{
	return proof_of(liveness)->answered[index];
}

int liveness_add_answered(struct liveness *liveness, uint32_t bytes)
{
	struct liveness_proof *proof = need_proof(liveness);

	if (!proof)
		return -ENOMEM;
	proof->answered[proof->next_answered] = bytes;
	proof->next_answered = (proof->next_answered + 1) % LIVENESS_SIZES_MAX;
	return 0;
}

/* A size that is not remembered proves nothing. */
static void note_answered(struct liveness *liveness, uint32_t bytes)
{
	for (uint32_t i = 0; i < LIVENESS_SIZES_MAX; i++)
		if (proof_of(liveness)->answered[i] == bytes)
			return;
	(void)liveness_add_answered(liveness, bytes);
}

static void note_probe(struct liveness *liveness, const struct sample *sample, uint32_t bytes)
{
	struct liveness_proof *proof = need_proof(liveness);
	struct liveness_probe *probe = NULL;

	if (!proof)
		return;
	for (uint32_t i = 0; i < proof->n_probes && !probe; i++)
		if (is_multiple(bytes, proof->probes[i].bytes))
			probe = &proof->probes[i];
	if (probe) {
		probe->n += bytes / probe->bytes;
		return;
	}
	if (proof->n_probes == LIVENESS_SIZES_MAX)
		return;
	proof->probes[proof->n_probes++] = (struct liveness_probe){ .bytes = bytes, .n = 1 };
	proof->received = sample->received;
	deliver_probes(proof, sample);
}

/* Nothing but the server itself can have sent this. */
static bool is_probe(const struct liveness *liveness, const struct sample *sample,
		     const struct ledger_step *step)
{
	return step->quiet && liveness->still && !liveness->relisted && step->net_in_bytes == 0 &&
	       step->net_out_bytes > 0 && step->net_out_bytes <= PROBE_BYTES_MOST &&
	       sample->unsent == 0 && (sample->known & SAMPLE_DESCRIPTORS) &&
	       (sample->known & SAMPLE_CHANNELS) && liveness->descriptors_known &&
	       sample->n_descriptors == liveness->n_descriptors;
}

void liveness_step(struct liveness *liveness, const struct sample *sample,
		   const struct ledger_step *step)
{
	if (is_probe(liveness, sample, step))
		note_probe(liveness, sample, (uint32_t)step->net_out_bytes);
	else if (step->quiet && step->net_in_bytes > 0 &&
		 step->net_out_bytes > step->net_in_bytes &&
		 step->net_out_bytes <= PROBE_BYTES_MOST)
		note_answered(liveness, (uint32_t)step->net_out_bytes);
	liveness->still = step->quiet;
	liveness->n_descriptors = (uint32_t)sample->n_descriptors;
	liveness->descriptors_known = (sample->known & SAMPLE_DESCRIPTORS) != 0;
	liveness->relisted = false;
}

void liveness_no_step(struct liveness *liveness)
{
	liveness->still = false;
	liveness->descriptors_known = false;
}

/* --- what is due --- */

static int64_t ping_every_ns(const struct liveness_terms *terms)
{
	return most(PING_LEAST_NS, terms->interval_ns / PINGS_PER_INTERVAL);
}

/* How often a program that says nothing is looked at: often enough to see a probe and its lack of
 * an answer in an interval. */
static int64_t watch_every_ns(const struct liveness_terms *terms)
{
	return most(ping_every_ns(terms), terms->interval_ns / 4);
}

/* Nothing that was sent before may have had the time to be answered: the machine stood still, or we
 * did. */
static bool is_late_look(const struct liveness *liveness, const struct liveness_terms *terms)
{
	return liveness->gap_ns > 2 * watch_every_ns(terms) + LATE_SLACK_NS;
}

static void host_due(const struct liveness *liveness, const struct liveness_terms *terms,
		     int64_t now_ns, struct liveness_due *due)
{
	const struct liveness_proof *proof = proof_of(liveness);
	int64_t every_ns = ping_every_ns(terms), heard_ns = liveness->host.latest_ns;
	int64_t first_ns = least(terms->interval_ns + every_ns / 2,
				 terms->limit_ns - PINGS_BEFORE_END * every_ns);
	int64_t ask_ns = add(heard_ns, most(first_ns, every_ns));

	/* Never without pings; from time to time another try. The kernel's own keepalive is seen
	 * soon after its answer. */
	if (liveness->no_ping) {
		ask_ns = add(heard_ns, terms->interval_ns + every_ns / 4);
		if (ask_ns > now_ns)
			due->look_ns = ask_ns;
		due->ping_ns = add(proof->last_ping_at_ns, terms->interval_ns);
		return;
	}
	if (proof->pings >= PINGS_NEEDED)
		due->host_ns = most(add(heard_ns, terms->limit_ns),
				    proof->second_ping_at_ns + PING_ANSWER_NS);
	due->silent_ns = due->host_ns;
	/* The first look finds mostly that the kernel's own keepalive was answered meanwhile. */
	if (proof->pings > 0)
		due->ping_ns = proof->last_ping_at_ns + every_ns;
	else if (now_ns >= ask_ns)
		due->ping_ns = ask_ns;
	else
		due->look_ns = ask_ns;
}

/* What the program has not done for so long is taken for proof. */
static int64_t patience_ns(const struct liveness_terms *terms)
{
	return most(PING_ANSWER_NS, terms->interval_ns / 2);
}

static bool probe_counts(const struct liveness *liveness, const struct liveness_probe *probe)
{
	return probe->delivered_at_ns != 0 &&
	       (probe->n >= 2 || was_answered(liveness, probe->bytes));
}

/* When there is proof, by all that is known now. */
static int64_t proof_ns(const struct liveness *liveness, const struct liveness_terms *terms)
{
	const struct liveness_proof *proof = proof_of(liveness);
	int64_t at_ns = TIME_NEVER;

	for (uint32_t i = 0; i < proof->n_probes; i++)
		if (probe_counts(liveness, &proof->probes[i]))
			at_ns = least(at_ns, proof->probes[i].delivered_at_ns + patience_ns(terms));
	if (liveness_is_full(liveness))
		at_ns = least(at_ns, proof->full_since_ns + terms->limit_ns / 2);
	return at_ns;
}

static void program_due(const struct liveness *liveness, const struct liveness_terms *terms,
			int64_t now_ns, struct liveness_due *due)
{
	const struct liveness_proof *proof = proof_of(liveness);
	int64_t heard_ns = liveness->program.latest_ns, host_ns = liveness->host.latest_ns;
	int64_t fresh_ns = liveness->no_ping ? terms->interval_ns + HOST_FRESH_NS : HOST_FRESH_NS;
	int64_t every_ns = watch_every_ns(terms), proved_ns = proof_ns(liveness, terms);
	int64_t watch_ns =
		most(every_ns, least(terms->interval_ns, terms->limit_ns / 2 - every_ns));
	int64_t end_ns, ask_ns;

	watch_ns = add(heard_ns, watch_ns);
	due->look_ns = least(due->look_ns, watch_ns > now_ns ? watch_ns : now_ns + every_ns);
	if (proved_ns == TIME_NEVER)
		return;
	proved_ns = most(proved_ns, add(heard_ns, terms->limit_ns));
	due->silent_ns = least(due->silent_ns, proved_ns);
	end_ns = most(proved_ns, host_ns + HOST_SETTLED_NS);
	if (most(end_ns, now_ns) <= host_ns + fresh_ns) {
		due->program_ns = end_ns;
		return;
	}
	ask_ns = most(proved_ns - PING_ANSWER_NS, host_ns + PING_LEAST_NS);
	if (proof->pings > 0) {
		int64_t heed_ns = most(proved_ns, proof->last_ping_at_ns + HOST_SETTLED_NS);

		if (heed_ns > now_ns)
			due->look_ns = least(due->look_ns, heed_ns);
		ask_ns = most(ask_ns, proof->last_ping_at_ns + ping_every_ns(terms));
	}
	if (!liveness->no_ping)
		due->ping_ns = least(due->ping_ns, ask_ns);
}

void liveness_find_due(const struct liveness *liveness, const struct liveness_terms *terms,
		       int64_t now_ns, struct liveness_due *ret_due)
{
	struct liveness_due due = { TIME_NEVER, TIME_NEVER, TIME_NEVER, TIME_NEVER, TIME_NEVER };

	if (!liveness->known && terms->limit_ns != TIME_NEVER)
		due.look_ns = now_ns + watch_every_ns(terms);
	if (liveness->known && terms->limit_ns != TIME_NEVER) {
		host_due(liveness, terms, now_ns, &due);
		program_due(liveness, terms, now_ns, &due);
		if (is_late_look(liveness, terms)) {
			due.host_ns = due.program_ns = TIME_NEVER;
			due.look_ns = least(due.look_ns, liveness->gap_ended_at_ns + GAP_HEEDED_NS);
		}
	}
	*ret_due = due;
}

/* --- what is told --- */

uint32_t liveness_pings(const struct liveness *liveness)
{
	return proof_of(liveness)->pings;
}

uint32_t liveness_pings_unanswered(const struct liveness *liveness)
{
	const struct liveness_proof *proof = proof_of(liveness);
	uint32_t n = proof->pings;

	if (n > 0 && liveness->looked_at_ns < proof->last_ping_at_ns + PING_ANSWER_NS)
		n--;
	return n;
}

uint32_t liveness_probes_unanswered(const struct liveness *liveness)
{
	const struct liveness_proof *proof = proof_of(liveness);
	uint32_t n = 0;

	for (uint32_t i = 0; i < proof->n_probes; i++)
		if (probe_counts(liveness, &proof->probes[i]))
			n += proof->probes[i].n;
	return n;
}

bool liveness_has_probes(const struct liveness *liveness)
{
	for (uint32_t i = 0; i < LIVENESS_SIZES_MAX; i++)
		if (proof_of(liveness)->answered[i] != 0)
			return true;
	return liveness_probes_unanswered(liveness) > 0;
}

bool liveness_is_full(const struct liveness *liveness)
{
	return proof_of(liveness)->full_looks >= FULL_LOOKS_LEAST;
}
