#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "core/config.h"
#include "core/policy.h"
#include "daemon/clock.h"
#include "daemon/confine.h"
#include "daemon/engine-table.h"
#include "text/config-file.h"

#define GROUPS_MAX	    256
#define LOOK_EVERY_MOST_NS  (1 * NS_PER_S)
#define LOOK_EVERY_LEAST_NS (100 * NS_PER_MS)

static bool config_uses_groups(const struct config *config)
{
	for (size_t i = 0; i < config->n_blocks; i++)
		for (size_t j = 0; j < config->blocks[i].n_criteria; j++)
			if (config->blocks[i].criteria[j].id == CRITERION_GROUP)
				return true;
	return false;
}

static void forget_groups(struct entry *entry)
{
	for (size_t i = 0; i < entry->n_groups; i++)
		free(entry->groups[i]);
	free(entry->groups);
	entry->groups = NULL;
	entry->n_groups = 0;
	entry->groups_known = false;
}

/* Asked of the system once for each session, and only when the configuration has a Match Group: it
 * may have to ask a directory server. */
static void learn_groups(struct entry *entry)
{
	struct passwd *user = getpwnam(entry->session.user);
	gid_t gids[GROUPS_MAX];
	int n = GROUPS_MAX;

	if (entry->groups_known || !user)
		return;
	entry->groups_known = true;
	if (getgrouplist(entry->session.user, user->pw_gid, gids, &n) < 0)
		n = GROUPS_MAX;
	entry->groups = calloc((size_t)n, sizeof(char *));
	for (int i = 0; entry->groups && i < n; i++) {
		struct group *group = getgrgid(gids[i]);

		if (group)
			entry->groups[entry->n_groups] = strdup(group->gr_name);
		if (group && entry->groups[entry->n_groups])
			entry->n_groups++;
	}
}

int policy_learn_user(struct entry *entry, uint32_t uid)
{
	struct session *session = &entry->session;
	struct names *users = &entry->engine->users;
	char name[SESSION_USER_BYTES];
	const char *shared;
	struct passwd *user;

	if (uid == UINT32_MAX || (session->facts.uid == uid && session->user[0] != '\0'))
		return 0;
	user = getpwuid(uid);
	if (user)
		(void)text_copy(user->pw_name, name, sizeof(name));
	else
		(void)snprintf(name, sizeof(name), "%u", uid);
	shared = names_take(users, name);
	if (!shared)
		return -ENOMEM;
	names_drop(users, session->user);
	session->facts.uid = uid;
	session->user = shared;
	forget_groups(entry);
	return 0;
}

/* Out of memory nothing is done to the channel until the configuration is loaded again. */
static const struct policy *share(struct policies *policies, const struct policy *policy)
{
	struct policy **more, *copy;

	for (size_t i = 0; i < policies->n; i++)
		if (policy_equal(policies->rows[i], policy))
			return policies->rows[i];
	more = reallocarray(policies->rows, policies->n + 1, sizeof(*more));
	if (more)
		policies->rows = more;
	copy = more ? malloc(sizeof(*copy)) : NULL;
	if (!copy) {
		log_error("out of memory; a session is not limited");
		return &policy_none;
	}
	*copy = *policy;
	policies->rows[policies->n++] = copy;
	return copy;
}

void policy_free_shared(struct policies *policies)
{
	for (size_t i = 0; i < policies->n; i++)
		free(policies->rows[i]);
	free(policies->rows);
}

void policy_apply(struct entry *entry)
{
	struct session *session = &entry->session;
	struct engine *engine = entry->engine;
	char peer[ADDRESS_TEXT_BYTES];
	struct policy_query query = {
		.user = session->user[0] != '\0' ? session->user : NULL,
		.address = address_format(&session->facts.peer, peer),
		.local_port = session->facts.local_port,
		.server = (enum server_id)session->facts.server,
	};

	if (query.user && config_uses_groups(engine->config))
		learn_groups(entry);
	entry->temporary = rules_concern(engine, peer);
	query.groups = (const char *const *)entry->groups;
	query.n_groups = entry->n_groups;
	for (size_t i = 0; i < session->n_channels; i++) {
		struct channel *channel = &session->channels[i];
		struct policy policy;

		query.kind = (enum channel_kind)channel->facts.kind;
		query.command = channel->command;
		policy_resolve(engine->config, &query, &policy);
		channel->policy = share(&engine->policies, &policy);
	}
	alive_tune(entry);
}

void policy_forget_warnings(struct session *session, int64_t now_ns)
{
	int64_t longest_ns = 0;

	for (size_t i = 0; i < session->n_channels; i++) {
		struct channel *channel = &session->channels[i];
		int64_t for_ns = policy_warning_ns(channel->policy);

		if (channel->notes && now_ns >= channel->notes->warned_at_ns + for_ns)
			channel->notes->warned_at_ns = 0;
		if (for_ns > longest_ns)
			longest_ns = for_ns;
	}
	if (session->notes && now_ns >= session->notes->warned_at_ns + longest_ns)
		session->notes->warned_at_ns = 0;
}

int policy_problem_lines(const struct config_problems *problems, char ***ret_lines, size_t *ret_n)
{
	char **lines = calloc(problems->n > 0 ? problems->n : 1, sizeof(*lines));
	size_t n = 0;

	if (!lines)
		return -ENOMEM;
	for (size_t i = 0; i < problems->n; i++) {
		if (problems->items[i].notice)
			continue;
		lines[n] = strdup(problems->items[i].text);
		if (lines[n])
			n++;
	}
	*ret_lines = lines;
	*ret_n = n;
	return 0;
}

static void log_notices(const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		if (problems->items[i].notice)
			log_warning("%s", problems->items[i].text);
}

int policy_join(struct engine *engine, const struct config *file)
{
	struct config *old = engine->config;
	struct policies before = engine->policies;
	int r = rules_join(engine, file, &engine->config);

	if (r < 0)
		return r;
	engine->policies = (struct policies){ 0 };
	for (size_t i = 0; i < engine->n_entries; i++)
		policy_apply(engine->entries[i]);
	policy_free_shared(&before);
	/* The policies' source texts belonged to the old one. */
	config_free(old);
	return 0;
}

static int put_in_force(struct engine *engine, struct config *file)
{
	int64_t span_ns;
	uint32_t most;
	int r;

	config_max_cuts(file, &most, &span_ns);
	r = brake_set(&engine->brake, most, span_ns);
	if (r == 0)
		r = brake_set(&engine->asked, most, span_ns);
	if (r == 0)
		r = policy_join(engine, file);
	if (r < 0)
		return r;
	config_free(engine->file_config);
	engine->file_config = file;
	engine->config_loaded_at_ns = engine_now_ns();
	return 0;
}

int policy_load(struct engine *engine, char ***ret_problems, size_t *ret_n)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	int r = config_load_from(engine->options->config_file, &engine->places, &config, &problems);

	if (r < 0) {
		int told = policy_problem_lines(&problems, ret_problems, ret_n);

		config_problems_deinit(&problems);
		return told < 0 ? told : -EINVAL;
	}
	log_notices(&problems);
	config_problems_deinit(&problems);
	r = put_in_force(engine, config);
	if (r < 0) {
		config_free(config);
		return r;
	}
	return 0;
}

int64_t policy_look_every_ns(const struct engine *engine)
{
	int64_t half_ns = config_shortest_limit(engine->file_config) / 2;

	if (half_ns > LOOK_EVERY_MOST_NS)
		return LOOK_EVERY_MOST_NS;
	return half_ns < LOOK_EVERY_LEAST_NS ? LOOK_EVERY_LEAST_NS : half_ns;
}

int policy_confine(struct engine *engine)
{
	const struct engine_options *options = engine->options;
	int r;

	if (!options->witnesses)
		return 0;
	r = confine_files(options->state_file, &engine->places);
	if (r < 0)
		return r;
	engine->places.closed = true;
	return confine_calls(CONFINE_ENGINE, options->witnesses);
}
