/* The keywords, and the kinds of values that they take. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "base/text.h"
#include "core/brake.h"
#include "text/config-parser.h"

#define KINDS "shell, sftp, exec, forward, none"

#define PERCENT_PPM 10000LL

/* Sums with any time that a host can live to see do not overflow: about 100 years. */
#define SPAN_MOST_NS (5200LL * 7 * 24 * 3600 * NS_PER_S)

static const char *const action_words[] = { "report", "disconnect", "park", NULL };
static const char *const fallback_words[] = { "report", "disconnect", NULL };
static const char *const switch_words[] = { "no", "yes", NULL };
static const char *const after_words[] = { "hangup", "leave", NULL };
static const char *const use_words[] = { "input", "output", "work", "traffic", "nothing", NULL };
static const char *const none_words[] = { "none", NULL };

static const char *parse_span(const struct config_type *type, const char *word, int64_t *ret_ns)
{
	int64_t ns = 0;
	int r;

	if (type->words && strcasecmp(word, "none") == 0) {
		*ret_ns = TIME_NEVER;
		return NULL;
	}
	r = duration_parse(word, &ns);
	if (r == -EINVAL)
		return "is not a time";
	if (r < 0 || ns > type->most)
		return "is too long (more than 5200w)";
	if (ns < type->least)
		return type->words ? "is too short; write none for no limit" : "is too short";
	*ret_ns = ns;
	return NULL;
}

static void print_span(const struct config_type *type, int64_t ns,
		       char ret_text[static CONFIG_VALUE_BYTES])
{
	(void)type;
	duration_format_exact(ns, ret_text);
}

static const char *parse_word(const struct config_type *type, const char *word, int64_t *ret_number)
{
	const size_t found = config_word_find(type->words, word);

	if (found == SIZE_MAX)
		return "is not known";
	*ret_number = (int64_t)found;
	return NULL;
}

static const char *parse_action(const struct config_type *type, const char *word,
				int64_t *ret_number)
{
	int64_t action;
	const char *wrong = parse_word(type, word, &action);

	if (!wrong && action == ACTION_PARK && !HAVE_PARK)
		wrong = "needs sshidle-keeper, which this build lacks (it was made without libvterm)";
	if (!wrong)
		*ret_number = action;
	return wrong;
}

static void print_word(const struct config_type *type, int64_t number,
		       char ret_text[static CONFIG_VALUE_BYTES])
{
	(void)text_copy(type->words[number], ret_text, CONFIG_VALUE_BYTES);
}

static const char *parse_count(const struct config_type *type, const char *word,
			       int64_t *ret_number)
{
	uint64_t number;

	switch (text_to_u64(word, (uint64_t)type->most, &number)) {
	case -EINVAL:
		return "is not a number";
	case -ERANGE:
		return "is too large";
	}
	if ((int64_t)number < type->least)
		return "is too small";
	*ret_number = (int64_t)number;
	return NULL;
}

static void print_count(const struct config_type *type, int64_t number,
			char ret_text[static CONFIG_VALUE_BYTES])
{
	(void)type;
	(void)snprintf(ret_text, CONFIG_VALUE_BYTES, "%lld", (long long)number);
}

/* Digits, with at most four after the point; "%" may stand behind them. */
static const char *parse_percent(const struct config_type *type, const char *word, int64_t *ret_ppm)
{
	int64_t ppm = 0, unit = PERCENT_PPM;
	const char *at = word;

	for (; *at >= '0' && *at <= '9' && ppm <= type->most; at++)
		ppm = ppm * 10 + (*at - '0') * PERCENT_PPM;
	if (at == word)
		return "is not a percentage";
	if (*at == '.' && at[1] >= '0' && at[1] <= '9') {
		for (at++; *at >= '0' && *at <= '9'; at++) {
			unit /= 10;
			ppm += (*at - '0') * unit;
			if (unit == 0 && *at != '0')
				return "has more than four digits after the point";
		}
	}
	if (ppm > type->most)
		return "is more than 100%";
	if (*at == '%')
		at++;
	if (*at != '\0')
		return "is not a percentage";
	if (ppm < type->least)
		return "is too small";
	*ret_ppm = ppm;
	return NULL;
}

static void print_percent(const struct config_type *type, int64_t ppm,
			  char ret_text[static CONFIG_VALUE_BYTES])
{
	int64_t rest = ppm % PERCENT_PPM;
	int digits = 4;

	(void)type;
	for (; rest != 0 && rest % 10 == 0; digits--)
		rest /= 10;
	if (rest == 0)
		(void)snprintf(ret_text, CONFIG_VALUE_BYTES, "%lld%%",
			       (long long)(ppm / PERCENT_PPM));
	else
		(void)snprintf(ret_text, CONFIG_VALUE_BYTES, "%lld.%0*lld%%",
			       (long long)(ppm / PERCENT_PPM), digits, (long long)rest);
}

static const char *parse_uses(const struct config_type *type, const char *word, int64_t *ret_uses)
{
	char copy[CONFIG_VALUE_BYTES];
	char *rest = copy;
	const char *part;
	int64_t uses = 0;

	if (!text_copy(word, copy, sizeof(copy)))
		return "is too long";
	if (strcasecmp(word, "nothing") == 0) {
		*ret_uses = 0;
		return NULL;
	}
	while ((part = strsep(&rest, ",")) != NULL) {
		const size_t use = config_word_find(type->words, part);

		if (use == USE_N)
			return "has the word nothing beside others";
		if (use == SIZE_MAX)
			return "has a word that is not known";
		uses |= USE_BIT(use);
	}
	*ret_uses = uses;
	return NULL;
}

static void print_uses(const struct config_type *type, int64_t uses,
		       char ret_text[static CONFIG_VALUE_BYTES])
{
	ret_text[0] = '\0';
	for (unsigned use = 0; use < USE_N; use++) {
		if (uses & USE_BIT(use))
			(void)text_append(ret_text, CONFIG_VALUE_BYTES, "%s%s",
					  ret_text[0] == '\0' ? "" : ",", type->words[use]);
	}
	if (uses == 0)
		(void)text_copy("nothing", ret_text, CONFIG_VALUE_BYTES);
}

static const struct config_type limit_type = { parse_span, print_span, none_words, NS_PER_S,
					       SPAN_MOST_NS };
static const struct config_type span_type = { parse_span, print_span, NULL, 0, SPAN_MOST_NS };
static const struct config_type positive_span_type = { parse_span, print_span, NULL, NS_PER_S,
						       SPAN_MOST_NS };
static const struct config_type action_type = { parse_action, print_word, action_words, 0, 0 };
static const struct config_type fallback_type = { parse_word, print_word, fallback_words, 0, 0 };
static const struct config_type switch_type = { parse_word, print_word, switch_words, 0, 0 };
static const struct config_type after_type = { parse_word, print_word, after_words, 0, 0 };
static const struct config_type count_type = { parse_count, print_count, NULL, 0, INT32_MAX };
static const struct config_type cuts_type = { parse_count, print_count, NULL, 1, BRAKE_MOST };
static const struct config_type percent_type = { parse_percent, print_percent, NULL, 1,
						 100 * PERCENT_PPM };
static const struct config_type uses_type = { parse_uses, print_uses, use_words, 0, 0 };

/* Tells what is wrong with `word`. */
static bool parse_value(struct config_parser *parser, const struct config_keyword *keyword,
			const struct config_type *type, const char *word, int64_t *ret_number)
{
	const char *wrong = type->parse(type, word, ret_number);

	if (!wrong)
		return true;
	config_parser_wrong(parser, keyword, config_word_nearest(type->words, word), "%s %s",
			    config_quote(word, strlen(word)).text, wrong);
	return false;
}

/* A line that changes nothing is probably a mistake when both stand in the same file; over files
 * it is how defaults are made. */
static void remark_repeated(struct config_parser *parser, size_t setting)
{
	const char *before = parser->config->blocks[parser->block].values[setting].source;
	const size_t length = strlen(parser->shown_file);

	if (before && strncmp(before, parser->shown_file, length) == 0 && before[length] == ':')
		config_parser_trouble(parser, true, "is set already (%s); the first value wins",
				      before);
}

static void read_value(struct config_parser *parser, const struct config_keyword *keyword,
		       const struct config_words *words)
{
	int64_t number;

	if (words->n > 1) {
		config_parser_wrong(parser, keyword, NULL, "has more than one argument");
		return;
	}
	if (parse_value(parser, keyword, keyword->type, words->items[0], &number) &&
	    !config_set(parser->config, parser->block, keyword->setting, number,
			config_parser_source(parser)))
		remark_repeated(parser, keyword->setting);
}

static void print_value(const struct config_keyword *keyword, const struct config_value *values,
			enum channel_kind only, FILE *file)
{
	char text[CONFIG_VALUE_BYTES];

	(void)only;
	keyword->type->print(keyword->type, values[keyword->setting].number, text);
	(void)fprintf(file, " %s", text);
}

static void read_cuts(struct config_parser *parser, const struct config_keyword *keyword,
		      const struct config_words *words)
{
	char *slash = strchr(words->items[0], '/');
	const char *source;
	int64_t number, span_ns;

	if (words->n > 1 || !slash) {
		config_parser_wrong(parser, keyword, NULL, "%s",
				    slash ? "has more than one argument" : "lacks the /TIME");
		return;
	}
	*slash = '\0';
	if (!parse_value(parser, keyword, &cuts_type, words->items[0], &number) ||
	    !parse_value(parser, keyword, &positive_span_type, slash + 1, &span_ns))
		return;
	source = config_parser_source(parser);
	if (!config_set(parser->config, parser->block, SETTING_MAX_CUTS, number, source) ||
	    !config_set(parser->config, parser->block, SETTING_MAX_CUTS_SPAN, span_ns, source))
		remark_repeated(parser, SETTING_MAX_CUTS);
}

static void print_cuts(const struct config_keyword *keyword, const struct config_value *values,
		       enum channel_kind only, FILE *file)
{
	char text[CONFIG_VALUE_BYTES];

	(void)keyword;
	(void)only;
	duration_format_exact(values[SETTING_MAX_CUTS_SPAN].number, text);
	(void)fprintf(file, " %lld/%s", (long long)values[SETTING_MAX_CUTS].number, text);
}

/* A name that is a file's name as well, or an absolute path: the daemon has a working directory of
 * its own. */
static bool is_profile(const char *word)
{
	if (*word == '/')
		return true;
	for (const char *at = word; *at != '\0'; at++)
		if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
		      (*at >= '0' && *at <= '9') || (strchr("._-", *at) && at > word)))
			return false;
	return *word != '\0';
}

static void read_profile(struct config_parser *parser, const struct config_keyword *keyword,
			 const struct config_words *words)
{
	struct config *config = parser->config;
	const char *word = words->items[0];

	if (words->n > 1 || !is_profile(word)) {
		config_parser_wrong(parser, keyword, NULL, "%s %s",
				    config_quote(word, strlen(word)).text,
				    words->n > 1 ? "is followed by another argument"
						 : "is neither a name nor an absolute path");
		return;
	}
	if (config->profile) {
		config_parser_trouble(parser, true, "is set already (%s); the first value wins",
				      config->profile_source);
		return;
	}
	config->profile_source = config_parser_source(parser);
	config->profile = strdup(word);
	if (!config->profile)
		parser->error = -ENOMEM;
}

/* The values that one line gives, by kind. */
struct kind_values {
	int64_t numbers[KIND_N + 1]; /* the last one: without a kind */
	bool given[KIND_N + 1];
};

static bool read_kind_word(struct config_parser *parser, const struct config_keyword *keyword,
			   char *word, struct kind_values *values)
{
	char *equals = strchr(word, '=');
	size_t kind = KIND_N;

	if (!equals && !keyword->bare) {
		config_parser_wrong(parser, keyword, NULL,
				    "%s lacks the KIND=", config_quote(word, strlen(word)).text);
		return false;
	}
	if (equals) {
		*equals = '\0';
		kind = config_word_find(policy_kind_words, word);
	}
	if (kind == SIZE_MAX) {
		config_parser_wrong(parser, keyword, config_word_nearest(policy_kind_words, word),
				    "unknown kind %s", config_quote(word, strlen(word)).text);
		return false;
	}
	if (values->given[kind]) {
		config_parser_wrong(parser, keyword, NULL, "two values %s%s",
				    kind == KIND_N ? "without a kind" : "for ",
				    kind == KIND_N ? "" : policy_kind_words[kind]);
		return false;
	}
	values->given[kind] = true;
	return parse_value(parser, keyword, keyword->type, equals ? equals + 1 : word,
			   &values->numbers[kind]);
}

static void read_by_kind(struct config_parser *parser, const struct config_keyword *keyword,
			 const struct config_words *words)
{
	struct kind_values values = { 0 };
	bool right = true, changed = false;

	for (size_t i = 0; i < words->n; i++)
		right = read_kind_word(parser, keyword, words->items[i], &values) && right;
	for (size_t kind = 0; right && kind < KIND_N; kind++) {
		const size_t from = values.given[kind] ? kind : (size_t)KIND_N;

		if (values.given[from] &&
		    config_set(parser->config, parser->block, keyword->setting + kind,
			       values.numbers[from], config_parser_source(parser)))
			changed = true;
	}
	for (size_t kind = 0; right && !changed && kind < KIND_N; kind++) {
		if (values.given[kind] || values.given[KIND_N]) {
			remark_repeated(parser, keyword->setting + kind);
			break;
		}
	}
}

static void print_by_kind(const struct config_keyword *keyword, const struct config_value *values,
			  enum channel_kind only, FILE *file)
{
	const struct config_value *of = values + keyword->setting;
	char text[CONFIG_VALUE_BYTES];
	bool same = keyword->bare;

	for (size_t kind = 1; kind < KIND_N && only == KIND_N; kind++)
		same = same && of[kind].source && of[0].source && of[kind].number == of[0].number;
	for (size_t kind = 0; kind < KIND_N; kind++) {
		if (!of[kind].source || (only != KIND_N && kind != only) ||
		    (only == KIND_N && same && kind > 0))
			continue;
		keyword->type->print(keyword->type, of[kind].number, text);
		if (same)
			(void)fprintf(file, " %s", text);
		else
			(void)fprintf(file, " %s=%s", policy_kind_words[kind], text);
	}
}

const struct config_keyword config_keyword_table[] = {
	{ .name = "IdleTimeout",
	  .allowed = "a time such as 15m or 1h30m, or none, also for one kind, such as shell=15m; "
		     "kinds: " KINDS,
	  .read = read_by_kind,
	  .print = print_by_kind,
	  .type = &limit_type,
	  .setting = SETTING_IDLE_TIMEOUT,
	  .bare = true },
	{ .name = "IdleWarning",
	  .allowed = "a time such as 60s, or 0 for no warning",
	  .read = read_value,
	  .print = print_value,
	  .type = &span_type,
	  .setting = SETTING_IDLE_WARNING },
	{ .name = "IdleAction",
	  .allowed = "report, disconnect, park",
	  .read = read_value,
	  .print = print_value,
	  .type = &action_type,
	  .setting = SETTING_IDLE_ACTION },
	{ .name = "CountsAsUse",
	  .allowed = "KIND=WORD,..., such as exec=input,work; kinds: " KINDS
		     "; words: input, output, work, traffic, or nothing alone",
	  .read = read_by_kind,
	  .print = print_by_kind,
	  .type = &uses_type,
	  .setting = SETTING_COUNTS_AS_USE },
	{ .name = "AfterCut",
	  .allowed = "hangup, leave",
	  .read = read_value,
	  .print = print_value,
	  .type = &after_type,
	  .setting = SETTING_AFTER_CUT },
	{ .name = "WorkMax",
	  .allowed = "a time such as 24h, or none",
	  .read = read_value,
	  .print = print_value,
	  .type = &limit_type,
	  .setting = SETTING_WORK_MAX },
	{ .name = "WorkThreshold",
	  .allowed = "a percentage of one CPU from 0.0001% to 100%, such as 0.3%",
	  .read = read_value,
	  .print = print_value,
	  .type = &percent_type,
	  .setting = SETTING_WORK_THRESHOLD },
	{ .name = "KeepMax",
	  .allowed = "a time such as 8h, or 0 for never",
	  .read = read_value,
	  .print = print_value,
	  .type = &span_type,
	  .setting = SETTING_KEEP_MAX },
	{ .name = "ClientAliveInterval",
	  .allowed = "a time such as 60 or 1m, or 0 for off",
	  .read = read_value,
	  .print = print_value,
	  .type = &span_type,
	  .setting = SETTING_CLIENT_ALIVE_INTERVAL },
	{ .name = "ClientAliveCountMax",
	  .allowed = "a number from 1 to 2147483647, or 0 for never",
	  .read = read_value,
	  .print = print_value,
	  .type = &count_type,
	  .setting = SETTING_CLIENT_ALIVE_COUNT_MAX },
	{ .name = "ParkFallback",
	  .allowed = "disconnect, report",
	  .read = read_value,
	  .print = print_value,
	  .type = &fallback_type,
	  .setting = SETTING_PARK_FALLBACK },
	{ .name = "ParkLifetime",
	  .allowed = "a time such as 8h, or none",
	  .read = read_value,
	  .print = print_value,
	  .type = &limit_type,
	  .setting = SETTING_PARK_LIFETIME },
	{ .name = "ParkMax",
	  .allowed = "a number from 1 to 2147483647, or 0 for none",
	  .read = read_value,
	  .print = print_value,
	  .type = &count_type,
	  .setting = SETTING_PARK_MAX },
	{ .name = "ParkPermitRoot",
	  .allowed = "yes, no",
	  .read = read_value,
	  .print = print_value,
	  .type = &switch_type,
	  .setting = SETTING_PARK_PERMIT_ROOT },
	{ .name = "MaxCuts",
	  .allowed = "NUMBER/TIME, such as 30/1m, at most 10000 of them, outside of Match",
	  .read = read_cuts,
	  .print = print_cuts,
	  .setting = SETTING_MAX_CUTS,
	  .global_only = true },
	{ .name = "Profile",
	  .allowed =
		  "the name of a profile, such as pci-dss-4.0, or an absolute path, outside of Match",
	  .read = read_profile,
	  .global_only = true },
	{ .name = "Include",
	  .allowed = "names of files, also with * and ?, such as /etc/sshidle.conf.d/*.conf",
	  .read = config_read_include },
	{ .name = "Match",
	  .allowed = "all, or criteria with a list each: User, Group, Address, LocalPort, Server, "
		     "Kind, Command",
	  .read = config_read_match },
};

const size_t config_keyword_table_n =
	sizeof(config_keyword_table) / sizeof(config_keyword_table[0]);

const char *const *config_keywords(size_t *ret_n)
{
	static const char
		*names[sizeof(config_keyword_table) / sizeof(config_keyword_table[0]) + 1];

	for (size_t i = 0; i < config_keyword_table_n; i++)
		names[i] = config_keyword_table[i].name;
	*ret_n = config_keyword_table_n;
	return names;
}
