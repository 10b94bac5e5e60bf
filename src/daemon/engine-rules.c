/* Temporary rules: whose they are, and the configuration in force with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "core/config.h"
#include "daemon/clock.h"
#include "daemon/control.h"
#include "daemon/engine-table.h"
#include "text/config-rules.h"

#define ADDRESSES_NAMED_MOST 3
#define PROBLEM_BYTES	     256

static void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	config_free(rules->config);
	free(rules->text);
	free(rules);
}

void rules_deinit(struct engine *engine)
{
	for (size_t i = 0; i < engine->n_rules; i++)
		rules_free(engine->rules[i]);
	engine->n_rules = 0;
}

/* Takes the place of `*config` and frees it. */
static int put_before(const struct config *first, struct config **config)
{
	struct config *joined;
	int r = config_join(first, *config, &joined);

	if (r < 0)
		return r;
	config_free(*config);
	*config = joined;
	return 0;
}

int rules_join(const struct engine *engine, const struct config *file, struct config **ret_config)
{
	struct config *none, *joined;
	int r = config_new(&none);

	if (r < 0)
		return r;
	r = config_join(none, file, &joined);
	config_free(none);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < engine->n_rules; i++)
		r = put_before(engine->rules[i]->config, &joined);
	if (r < 0) {
		config_free(joined);
		return r;
	}
	*ret_config = joined;
	return 0;
}

bool rules_concern(const struct engine *engine, const char *address)
{
	for (size_t i = 0; i < engine->n_rules; i++)
		if (config_rules_concern(engine->rules[i]->config, address))
			return true;
	return false;
}

struct brake *rules_brake(const struct entry *entry)
{
	/* Without a size: never on, and what is noted is lost. */
	static struct brake none;

	return entry->temporary ? &none : &entry->engine->brake;
}

/* What stands between one set of rules and those that are there; NULL: nothing. */
static const char *find_conflict(const struct engine *engine, const struct config *config,
				 char *problem)
{
	for (size_t i = 1; i < config->n_blocks; i++) {
		const char *address = config_rules_address(config, i);
		char plain[64];

		(void)text_copy(address, plain, sizeof(plain));
		plain[strcspn(plain, "/")] = '\0';
		if (!rules_concern(engine, plain))
			continue;
		(void)snprintf(problem, PROBLEM_BYTES, "there are temporary rules for %s already",
			       address);
		return problem;
	}
	for (size_t i = 0; i < engine->n_entries; i++) {
		const struct session *session = &engine->entries[i]->session;
		char peer[ADDRESS_TEXT_BYTES];

		if (!config_rules_concern(config, address_format(&session->facts.peer, peer)))
			continue;
		(void)snprintf(problem, PROBLEM_BYTES, "session %u from %s is open already",
			       session->id, peer);
		return problem;
	}
	return NULL;
}

static int tell_problem(struct engine_rules *rules, const char *problem)
{
	rules->problems = calloc(1, sizeof(char *));
	if (!rules->problems)
		return -ENOMEM;
	rules->problems[0] = strdup(problem);
	rules->n_problems = rules->problems[0] ? 1 : 0;
	return -EBUSY;
}

static void name_addresses(const struct config *config, char *ret_text, size_t size)
{
	const size_t n = config->n_blocks - 1;

	ret_text[0] = '\0';
	for (size_t i = 0; i < n && i < ADDRESSES_NAMED_MOST; i++)
		(void)text_append(ret_text, size, "%s%s", i > 0 ? ", " : "",
				  config_rules_address(config, i + 1));
	if (n > ADDRESSES_NAMED_MOST)
		(void)text_append(ret_text, size, " and %zu more", n - ADDRESSES_NAMED_MOST);
}

/* What the rules concern is judged anew, and nothing else. */
static int put_in_force(struct engine *engine, const struct rules *changed)
{
	int r = policy_join(engine, engine->file_config);

	if (r < 0)
		return r;
	for (size_t i = 0; i < engine->n_entries; i++) {
		struct entry *entry = engine->entries[i];
		char peer[ADDRESS_TEXT_BYTES];

		if (config_rules_concern(changed->config,
					 address_format(&entry->session.facts.peer, peer)))
			engine_look_now(entry);
	}
	return 0;
}

static void tell(struct engine *engine, const char *text)
{
	const struct engine_event event = {
		.kind = EVENT_RELOADED, .rule = -1, .tty = -1, .reason = text
	};

	log_info("%s", text);
	if (engine->control)
		control_event(engine->control, &event);
}

static int make(struct engine *engine, struct config *config, const char *who,
		struct rules **ret_rules)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	char addresses[PROBLEM_BYTES], since[CLOCK_TEXT_BYTES];

	if (!rules)
		return -ENOMEM;
	name_addresses(config, addresses, sizeof(addresses));
	clock_format_utc(clock_now_ns(), since);
	if (asprintf(&rules->text, "temporary rules %u for %s, asked for by %s at %s",
		     engine->next_rules_id + 1, addresses, who, since) < 0) {
		free(rules);
		return -ENOMEM;
	}
	rules->id = ++engine->next_rules_id;
	rules->config = config;
	*ret_rules = rules;
	return 0;
}

static int add(struct engine *engine, struct config *config, const char *who,
	       struct engine_rules *ret_rules)
{
	char problem[PROBLEM_BYTES], text[2 * PROBLEM_BYTES];
	struct rules *rules;
	int r;

	if (engine->n_rules == ENGINE_RULES_MAX)
		return tell_problem(ret_rules, "there are too many temporary rules");
	if (find_conflict(engine, config, problem))
		return tell_problem(ret_rules, problem);
	r = make(engine, config, who, &rules);
	if (r < 0)
		return r;
	engine->rules[engine->n_rules++] = rules;
	r = put_in_force(engine, rules);
	if (r < 0) {
		engine->n_rules--;
		rules->config = NULL;
		rules_free(rules);
		return r;
	}
	ret_rules->id = rules->id;
	(void)snprintf(text, sizeof(text), "%s, are in force", rules->text);
	tell(engine, text);
	return 0;
}

int engine_rules_add(struct engine *engine, const char *text, const char *who,
		     struct engine_rules *ret_rules)
{
	const struct config_text rule = { "temporary rule", text, strlen(text) };
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	int r = config_rules_parse(&rule, &problems, &config);

	*ret_rules = (struct engine_rules){ 0 };
	if (r == -EINVAL)
		(void)policy_problem_lines(&problems, &ret_rules->problems, &ret_rules->n_problems);
	config_problems_deinit(&problems);
	if (r < 0)
		return r;
	r = add(engine, config, who, ret_rules);
	if (r < 0)
		config_free(config);
	return r;
}

void engine_rules_remove(struct engine *engine, uint32_t id)
{
	char text[2 * PROBLEM_BYTES];
	struct rules *rules = NULL;

	for (size_t i = 0; i < engine->n_rules; i++) {
		if (engine->rules[i]->id != id)
			continue;
		rules = engine->rules[i];
		memmove(&engine->rules[i], &engine->rules[i + 1],
			(--engine->n_rules - i) * sizeof(struct rules *));
	}
	if (!rules)
		return;
	/* Whatever is said of them must not name what is no more. */
	if (put_in_force(engine, rules) < 0)
		log_error("out of memory: %s, stay in force", rules->text);
	(void)snprintf(text, sizeof(text), "%s, are taken away", rules->text);
	tell(engine, text);
	rules_free(rules);
}
