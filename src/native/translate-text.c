/* The lines that are written into the servers' files. */
#include "native/translate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/text.h"
#include "core/pattern.h"

#define KINDS_SESSION (1U << KIND_SHELL | 1U << KIND_EXEC)
#define KINDS_COMMAND (KINDS_SESSION | 1U << KIND_SFTP)
#define KINDS_ALL     ((1U << KIND_N) - 1)

void translate_sshd_deinit(struct translate_sshd *text)
{
	free(text->globals);
	free(text->matches);
	text->globals = text->matches = NULL;
}

static void print_span(FILE *file, int64_t seconds)
{
	char text[DURATION_TEXT_BYTES];

	duration_format_exact(seconds * NS_PER_S, text);
	(void)fputs(text, file);
}

/* What was asked for, what the server does, and the two numbers. */
static void print_alive(FILE *file, const struct settings_openssh *sshd,
			const struct translate_promise *promise,
			const struct translate_alive *alive, const char *indent)
{
	char formula[96];

	(void)fprintf(file, "%s# %s: ", indent, promise->source);
	if (alive->interval_s == 0) {
		(void)fputs("never\n", file);
	} else {
		print_span(file, alive->promised_s);
		(void)fputs(" without an answer\n", file);
	}
	if (promise->because)
		(void)fprintf(file, "%s# (as long as %s, which sshd cannot tell apart)\n", indent,
			      promise->because);
	if (alive->interval_s == 0) {
		(void)fprintf(file, "%sClientAliveInterval 0\n", indent);
		return;
	}
	translate_alive_formula(sshd, alive, formula, sizeof(formula));
	(void)fprintf(file, "%s# OpenSSH %d.%d ends a silent client after %s%s\n", indent,
		      sshd->major, sshd->minor, formula,
		      alive->ends_after_s == alive->promised_s	? ""
		      : alive->ends_after_s < alive->promised_s ? ", the nearest below"
								: ", the shortest it can");
	(void)fprintf(file, "%sClientAliveInterval %lld\n%sClientAliveCountMax %lld\n", indent,
		      (long long)alive->interval_s, indent, (long long)alive->count);
}

/* Needs one that sshd's reader of arguments takes as one. */
static bool is_plain(const char *list)
{
	return *list && !strpbrk(list, " \t\"'\\#");
}

static const char *criterion_word(enum config_criterion_id id)
{
	switch (id) {
	case CRITERION_USER:
		return "User";
	case CRITERION_GROUP:
		return "Group";
	case CRITERION_ADDRESS:
		return "Address";
	case CRITERION_LOCAL_PORT:
	case CRITERION_SERVER:
	case CRITERION_KIND:
	case CRITERION_COMMAND:
	case CRITERION_N:
		break;
	}
	return NULL;
}

static bool is_writable(const struct config_block *block)
{
	for (size_t i = 0; i < block->n_criteria; i++)
		if (block->criteria[i].id != CRITERION_SERVER && !is_plain(block->criteria[i].list))
			return false;
	return true;
}

static bool has_port(const struct config_block *block, const struct pattern_entry *port)
{
	for (size_t i = 0; i < block->n_criteria; i++) {
		const char *list = block->criteria[i].list;
		struct pattern_entry entry;
		bool found = false;

		if (block->criteria[i].id != CRITERION_LOCAL_PORT)
			continue;
		while (pattern_next(&list, &entry))
			found = found || (entry.length == port->length &&
					  memcmp(entry.text, port->text, port->length) == 0);
		if (!found)
			return false;
	}
	return true;
}

/* One Match line; `port` NULL: for all ports. */
static void print_match(FILE *file, const struct config_block *block,
			const struct pattern_entry *port)
{
	bool any = port;

	(void)fputs("Match", file);
	for (size_t i = 0; i < block->n_criteria; i++) {
		const char *word = criterion_word(block->criteria[i].id);

		if (word)
			(void)fprintf(file, " %s %s", word, block->criteria[i].list);
		any = any || word;
	}
	if (port)
		(void)fprintf(file, " LocalPort %.*s", (int)port->length, port->text);
	(void)fputs(any ? "\n" : " all\n", file);
}

/* What one block wants, once for each port: sshd's LocalPort is a single number. */
static void print_block(FILE *file, const struct config_block *block,
			const struct settings_openssh *sshd,
			const struct translate_promise *promise)
{
	const char *ports = NULL;
	struct translate_alive alive;
	struct pattern_entry port;

	translate_alive_sshd(sshd, promise->interval_ns, promise->count, &alive);
	for (size_t i = 0; i < block->n_criteria && !ports; i++)
		if (block->criteria[i].id == CRITERION_LOCAL_PORT)
			ports = block->criteria[i].list;
	if (!ports) {
		print_match(file, block, NULL);
		print_alive(file, sshd, promise, &alive, "\t");
		return;
	}
	while (pattern_next(&ports, &port)) {
		if (!has_port(block, &port))
			continue;
		print_match(file, block, &port);
		print_alive(file, sshd, promise, &alive, "\t");
	}
}

static const char *alive_source(const struct config_block *block)
{
	const char *source = block->values[SETTING_CLIENT_ALIVE_INTERVAL].source;

	return source ? source : block->values[SETTING_CLIENT_ALIVE_COUNT_MAX].source;
}

/* Blocks that the server's Match cannot express are named among the globals. */
static void print_matches(const struct config *config, const struct settings_openssh *sshd,
			  FILE *globals, FILE *matches)
{
	for (size_t i = 1; i < config->n_blocks; i++) {
		const struct config_block *block = &config->blocks[i];
		struct translate_promise promise;
		enum translate_wish wish =
			translate_promise_of(config, i, SERVER_OPENSSH, &promise);

		if (wish == WISH_ALIVE && !is_writable(block))
			wish = WISH_NO_WORDS;
		switch (wish) {
		case WISH_ALIVE:
			print_block(matches, block, sshd, &promise);
			break;
		case WISH_NO_WORDS:
			(void)fprintf(globals,
				      "# %s: not carried over, sshd's Match cannot say it\n",
				      alive_source(block));
			break;
		case WISH_NOTHING:
		case WISH_NO_MATCH:
			break;
		}
	}
}

/* ---- limits ---- */

/* sshd's channels and the kinds that they may be. */
static const struct {
	const char *type;
	unsigned kinds;
} channels[] = {
	{ "session:shell", KINDS_SESSION },
	{ "session:command", KINDS_COMMAND },
	{ "session:subsystem:sftp", 1U << KIND_SFTP },
};

/* The servers' clocks have whole seconds: a limit of 4 s ends a session after 3.8 s (seen on 9.2). One more,
 * so that nobody is ended early. */
static int64_t seconds_of(const struct translate_limit *limit)
{
	return (limit->after_ns + NS_PER_S - 1) / NS_PER_S + 1;
}

/* An idle channel beside a busy one is closed by sshd, and left alone by sshidle. */
static bool has_one_channel(const struct settings_openssh *sshd)
{
	return sshd->max_sessions == 1 && !sshd->forwarding;
}

static void print_channels(const struct config *config, const struct settings_openssh *sshd,
			   FILE *file)
{
	struct translate_limit limit;
	const char *why_not = NULL;
	bool any = false;

	for (size_t i = 0; i < sizeof(channels) / sizeof(*channels); i++) {
		translate_limit_of(config, SERVER_OPENSSH, channels[i].kinds, &limit);
		if (!limit.why_not && !has_one_channel(sshd))
			limit.why_not = sshd->max_sessions == -2
						? "sshd -T cannot be asked"
						: "sshd may close one channel of several";
		if (limit.why_not) {
			why_not = why_not ? why_not : limit.why_not;
			continue;
		}
		(void)fprintf(file, "%s%s=%lld", any ? " " : "ChannelTimeout ", channels[i].type,
			      (long long)seconds_of(&limit));
		any = true;
	}
	if (any)
		(void)fputc('\n', file);
	else
		(void)fprintf(file, "# no ChannelTimeout: %s\n", why_not);
}

/* Listeners of -R are no channels to sshd; to sshidle they are forwards, with a limit of their own. */
static void print_unused(const struct config *config, const struct settings_openssh *sshd,
			 FILE *file, int64_t *ret_ns)
{
	struct translate_limit limit, forward;

	translate_limit_of(config, SERVER_OPENSSH, 1U << KIND_NONE, &limit);
	translate_limit_of(config, SERVER_OPENSSH, 1U << KIND_NONE | 1U << KIND_FORWARD, &forward);
	if (!limit.why_not && sshd->forwarding && forward.why_not)
		limit.why_not = "to sshd an idle listener of -R is no use, and its limit differs";
	*ret_ns = SETTING_NONE;
	if (limit.why_not) {
		(void)fprintf(file, "# no UnusedConnectionTimeout: %s\n", limit.why_not);
		return;
	}
	*ret_ns = seconds_of(&limit) * NS_PER_S;
	(void)fprintf(file, "UnusedConnectionTimeout %lld\n", (long long)seconds_of(&limit));
}

static bool says_limit(const struct config *config)
{
	for (size_t kind = 0; kind < KIND_N; kind++)
		if (config->blocks[0].values[SETTING_IDLE_TIMEOUT + kind].source)
			return true;
	return false;
}

static void print_limits(const struct config *config, const struct settings_openssh *sshd,
			 FILE *file, int64_t *ret_unused_ns)
{
	*ret_unused_ns = SETTING_NONE;
	if (!says_limit(config))
		return;
	if (sshd->major < 9 || (sshd->major == 9 && sshd->minor < 2)) {
		(void)fputs(
			"# no ChannelTimeout, no UnusedConnectionTimeout: OpenSSH 9.2 and later have them\n",
			file);
		return;
	}
	print_channels(config, sshd, file);
	print_unused(config, sshd, file, ret_unused_ns);
}

static bool has_directives(const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (*text != '#')
			return true;
	return false;
}

int translate_sshd(const struct config *config, const struct settings_openssh *sshd,
		   struct translate_sshd *ret_text)
{
	struct translate_sshd text = { 0 };
	struct translate_promise promise;
	size_t size;
	FILE *globals, *matches;

	if (sshd->major == 0)
		return -ENOTSUP;
	globals = open_memstream(&text.globals, &size);
	matches = open_memstream(&text.matches, &size);
	if (globals && matches) {
		if (translate_promise_of(config, 0, SERVER_OPENSSH, &promise) == WISH_ALIVE) {
			translate_alive_sshd(sshd, promise.interval_ns, promise.count, &text.alive);
			print_alive(globals, sshd, &promise, &text.alive, "");
			text.has_alive = true;
		}
		print_matches(config, sshd, globals, matches);
		print_limits(config, sshd, globals, &text.unused_ns);
	}
	if (globals)
		(void)fclose(globals);
	if (matches)
		(void)fclose(matches);
	if (!text.globals || !text.matches) {
		translate_sshd_deinit(&text);
		return -ENOMEM;
	}
	/* Mere remarks are no reason to write a file. */
	if (!*text.matches && !has_directives(text.globals))
		*text.globals = '\0';
	*ret_text = text;
	return 0;
}

void translate_dropbear(const struct config *config, struct translate_dropbear *ret_options)
{
	struct translate_dropbear *options = ret_options;
	struct translate_promise promise;
	struct translate_limit limit;
	char span[DURATION_TEXT_BYTES];

	*options = (struct translate_dropbear){ .has_alive = false };
	if (translate_promise_all(config, SERVER_DROPBEAR, &promise) == WISH_ALIVE) {
		options->has_alive = true;
		translate_alive_dropbear(promise.interval_ns, promise.count, &options->alive);
		duration_format_exact(options->alive.promised_s * NS_PER_S, span);
		(void)text_append(
			options->why, sizeof(options->why),
			"# %s: %s without an answer%s\n# dropbear ends a silent client after 3 x "
			"%lld = %lld s\n",
			promise.because ? promise.because : promise.source,
			options->alive.interval_s ? span : "never",
			promise.because ? " (the longest; dropbear has no Match)" : "",
			(long long)options->alive.interval_s,
			(long long)options->alive.ends_after_s);
	}
	if (!says_limit(config))
		return;
	translate_limit_of(config, SERVER_DROPBEAR, KINDS_ALL, &limit);
	if (limit.why_not) {
		(void)text_append(options->why, sizeof(options->why), "# no -I: %s\n",
				  limit.why_not);
		return;
	}
	options->has_idle = true;
	options->idle_s = seconds_of(&limit);
	(void)text_append(options->why, sizeof(options->why),
			  "# -I is %s; a client that sends keepalives (dbclient -K) puts it off\n",
			  limit.source);
}
