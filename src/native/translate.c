#include "native/translate.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/pattern.h"

/* sshd counts milliseconds in an int. */
#define INTERVAL_MOST_S (INT_MAX / 1000)

/* A probe more often than this part of the wanted interval is not what was asked for. */
#define INTERVAL_PARTS 10

static bool waits_twice(const struct settings_openssh *sshd)
{
	return sshd->major == 9 && sshd->minor >= 2 && sshd->minor <= 4;
}

/* The promise in whole seconds, 0: off. */
static int64_t promised(int64_t interval_ns, int64_t count)
{
	int64_t ns;

	if (interval_ns <= 0 || count <= 0)
		return 0;
	if (__builtin_mul_overflow(interval_ns, count, &ns))
		ns = INT64_MAX;
	return ns < NS_PER_S ? 1 : ns / NS_PER_S;
}

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

void translate_alive_sshd(const struct settings_openssh *sshd, int64_t interval_ns, int64_t count,
			  struct translate_alive *ret_alive)
{
	const int64_t times = waits_twice(sshd) ? 2 : 1;
	const int64_t promised_s = promised(interval_ns, count);
	const int64_t least_s = interval_ns / NS_PER_S / INTERVAL_PARTS;
	struct translate_alive best = { 1, 1, promised_s, 2 * times };

	if (promised_s == 0) {
		*ret_alive = (struct translate_alive){ 0 };
		return;
	}
	for (int64_t n = 1; n < INT_MAX; n++) {
		int64_t interval_s = promised_s / times / (n + 1), ends_s;

		if (interval_s < 1 || interval_s < least_s)
			break;
		if (interval_s > INTERVAL_MOST_S)
			interval_s = INTERVAL_MOST_S;
		ends_s = times * interval_s * (n + 1);
		/* Of equal ones the count that is nearest to the wanted number of probes. */
		if ((best.ends_after_s > promised_s && ends_s <= promised_s) ||
		    (ends_s > best.ends_after_s && ends_s <= promised_s) ||
		    (ends_s == best.ends_after_s &&
		     distance(n, count - 1) < distance(best.count, count - 1)))
			best = (struct translate_alive){ interval_s, n, promised_s, ends_s };
	}
	*ret_alive = best;
}

void translate_alive_dropbear(int64_t interval_ns, int64_t count, struct translate_alive *ret_alive)
{
	const int64_t promised_s = promised(interval_ns, count);
	int64_t interval_s = promised_s / 3;

	if (promised_s == 0) {
		*ret_alive = (struct translate_alive){ 0 };
		return;
	}
	if (interval_s < 1)
		interval_s = 1;
	if (interval_s > INTERVAL_MOST_S)
		interval_s = INTERVAL_MOST_S;
	*ret_alive = (struct translate_alive){ interval_s, 3, promised_s, 3 * interval_s };
}

void translate_alive_formula(const struct settings_openssh *sshd,
			     const struct translate_alive *alive, char *ret_text, size_t size)
{
	(void)snprintf(ret_text, size, "%s%lld x (%lld + 1) = %lld s",
		       waits_twice(sshd) ? "2 x " : "", (long long)alive->interval_s,
		       (long long)alive->count, (long long)alive->ends_after_s);
}

/* Whether the criteria that are settled by the server are; the others are left. */
static bool is_for(const struct config_block *block, enum server_id server)
{
	for (size_t i = 0; i < block->n_criteria; i++)
		if (block->criteria[i].id == CRITERION_SERVER &&
		    pattern_list_fits(block->criteria[i].list, policy_server_name(server)) !=
			    PATTERN_FIT)
			return false;
	return true;
}

/* Kind and Command are not known when somebody logs in. */
static bool has_no_words(const struct config_block *block)
{
	for (size_t i = 0; i < block->n_criteria; i++)
		if (block->criteria[i].id == CRITERION_KIND ||
		    block->criteria[i].id == CRITERION_COMMAND)
			return true;
	return false;
}

static bool says_alive(const struct config_block *block)
{
	return block->values[SETTING_CLIENT_ALIVE_INTERVAL].source ||
	       block->values[SETTING_CLIENT_ALIVE_COUNT_MAX].source;
}

static struct config_value value_of(const struct config *config, size_t block, size_t setting)
{
	if (config->blocks[block].values[setting].source)
		return config->blocks[block].values[setting];
	if (config->blocks[0].values[setting].source)
		return config->blocks[0].values[setting];
	return (struct config_value){ config_default(setting), NULL };
}

static bool promise_of_block(const struct config *config, size_t block,
			     struct translate_promise *ret_promise)
{
	const struct config_value interval = value_of(config, block, SETTING_CLIENT_ALIVE_INTERVAL);
	const struct config_value count = value_of(config, block, SETTING_CLIENT_ALIVE_COUNT_MAX);

	*ret_promise =
		(struct translate_promise){ interval.number, count.number, interval.source, NULL };
	return interval.source;
}

/* How long a client that does not answer may live, for comparing. */
static int64_t length_of(const struct translate_promise *promise)
{
	const int64_t seconds = promised(promise->interval_ns, promise->count);

	return seconds == 0 ? INT64_MAX : seconds;
}

/* Takes the values of block `other` if it lets clients live longer. */
static void take_longer(const struct config *config, size_t other,
			struct translate_promise *promise)
{
	struct translate_promise longer;

	(void)promise_of_block(config, other, &longer);
	if (length_of(&longer) <= length_of(promise))
		return;
	promise->interval_ns = longer.interval_ns;
	promise->count = longer.count;
	promise->because = config->blocks[other].values[SETTING_CLIENT_ALIVE_INTERVAL].source;
	if (!promise->because)
		promise->because =
			config->blocks[other].values[SETTING_CLIENT_ALIVE_COUNT_MAX].source;
}

enum translate_wish translate_promise_of(const struct config *config, size_t block,
					 enum server_id server,
					 struct translate_promise *ret_promise)
{
	const struct config_block *own = &config->blocks[block];
	/* Of the blocks that fit the first one decides, so those behind it change nothing. */
	const size_t end = block == 0 ? config->n_blocks : block;

	if (!says_alive(own))
		return WISH_NOTHING;
	if (!is_for(own, server))
		return WISH_NO_MATCH;
	if (has_no_words(own))
		return WISH_NO_WORDS;
	if (!promise_of_block(config, block, ret_promise))
		return WISH_NOTHING;
	for (size_t i = 1; i < end; i++)
		if (says_alive(&config->blocks[i]) && is_for(&config->blocks[i], server) &&
		    has_no_words(&config->blocks[i]))
			take_longer(config, i, ret_promise);
	return WISH_ALIVE;
}

enum translate_wish translate_promise_all(const struct config *config, enum server_id server,
					  struct translate_promise *ret_promise)
{
	bool asked = promise_of_block(config, 0, ret_promise);

	for (size_t i = 1; i < config->n_blocks; i++) {
		const struct config_block *block = &config->blocks[i];

		if (!says_alive(block) || !is_for(block, server))
			continue;
		asked = asked || block->values[SETTING_CLIENT_ALIVE_INTERVAL].source;
		take_longer(config, i, ret_promise);
	}
	return asked ? WISH_ALIVE : WISH_NOTHING;
}

/* ---- limits ---- */

/* Whether a Match block changes anything that ends idle sessions of the server. */
static bool match_decides(const struct config *config, enum server_id server)
{
	for (size_t i = 1; i < config->n_blocks; i++) {
		const struct config_block *block = &config->blocks[i];

		for (size_t n = 0; is_for(block, server) && n < SETTING_N; n++)
			if (block->values[n].source && n != SETTING_CLIENT_ALIVE_INTERVAL &&
			    n != SETTING_CLIENT_ALIVE_COUNT_MAX)
				return true;
	}
	return false;
}

static int64_t number_of(const struct config *config, size_t setting)
{
	return value_of(config, 0, setting).number;
}

/* What counts as use must be what a server counts: all traffic, and nothing else. */
static const char *kind_differs(const struct config *config, enum channel_kind kind)
{
	static const int64_t wanted[KIND_N] = {
		[KIND_SHELL] = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT),
		[KIND_SFTP] = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT),
		[KIND_EXEC] = USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT),
		[KIND_FORWARD] = USE_BIT(USE_TRAFFIC),
		[KIND_NONE] = 0,
	};

	if (number_of(config, SETTING_COUNTS_AS_USE + kind) != wanted[kind])
		return kind == KIND_SHELL || kind == KIND_SFTP || kind == KIND_EXEC
			       ? "the server counts input and output as use"
			       : "the server counts other things as use";
	if (kind == KIND_SHELL && number_of(config, SETTING_IDLE_WARNING) != 0)
		return "the server warns nobody (IdleWarning)";
	if (kind == KIND_EXEC && number_of(config, SETTING_AFTER_CUT) != AFTER_LEAVE)
		return "the server hangs up no command (AfterCut)";
	return NULL;
}

void translate_limit_of(const struct config *config, enum server_id server, unsigned kinds,
			struct translate_limit *ret_limit)
{
	*ret_limit = (struct translate_limit){ .after_ns = 0 };
	if (number_of(config, SETTING_IDLE_ACTION) != ACTION_DISCONNECT)
		ret_limit->why_not = "the server can only disconnect (IdleAction)";
	else if (number_of(config, SETTING_KEEP_MAX) != 0)
		ret_limit->why_not = "the server knows of no sshidle keep (KeepMax)";
	else if (match_decides(config, server))
		ret_limit->why_not = "Match blocks decide";
	for (unsigned kind = 0; kind < KIND_N && !ret_limit->why_not; kind++) {
		const struct config_value limit = value_of(config, 0, SETTING_IDLE_TIMEOUT + kind);

		if (!(kinds & 1U << kind))
			continue;
		if (limit.number == TIME_NEVER)
			ret_limit->why_not = "there is a kind without a limit";
		else if (ret_limit->after_ns != 0 && ret_limit->after_ns != limit.number)
			ret_limit->why_not = "the limits of the kinds differ";
		else
			ret_limit->why_not = kind_differs(config, (enum channel_kind)kind);
		ret_limit->after_ns = limit.number;
		ret_limit->source = limit.source;
	}
	if (!ret_limit->why_not && ret_limit->after_ns < NS_PER_S)
		ret_limit->why_not = "the limit is below a second";
}
