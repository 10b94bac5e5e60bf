#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/groups.h"
#include "base/log.h"
#include "base/text.h"
#include "core/config.h"
#include "core/policy.h"
#include "daemon/clock.h"
#include "daemon/confine.h"
#include "daemon/engine-table.h"
#include "text/config-file.h"

#define LOOK_EVERY_MOST_NS  (1 * NS_PER_S)
#define LOOK_EVERY_LEAST_NS (100 * NS_PER_MS)

/* A database of users that does not answer is asked again after so long ... */
#define ASK_AGAIN_NS (60 * NS_PER_S)
/* ... and for any session only after so many times what the last answer took, as all sessions wait for it. */
#define ASK_PAUSE_FACTOR  10
#define ASK_PAUSE_MOST_NS (600 * NS_PER_S)
/* Who has logged in has a name.  Some databases that are out of reach say that there is nobody; after so
 * long it is believed.  The users of a container have their numbers for names at once. */
#define NAMELESS_AFTER_NS (600 * NS_PER_S)

/* The first time for each session, and then from time to time. */
static bool may_ask(const struct entry *entry)
{
	int64_t now_ns;

	if (entry->ask_again_at_ns == 0)
		return true;
	now_ns = clock_now_ns();
	return now_ns >= entry->ask_again_at_ns && now_ns >= entry->engine->ask_again_at_ns;
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
	struct groups groups;

	if (entry->groups_known || !may_ask(entry))
		return;
	forget_groups(entry);
	if (groups_read(entry->session.user, &groups) < 0)
		return;
	entry->groups = groups.names;
	entry->n_groups = (uint16_t)groups.n;
	entry->groups_known = true;
}

static bool is_nameless(const struct entry *entry, int error)
{
	int64_t since_ns = entry->session.first_seen_ns > entry->engine->started_at_ns
				   ? entry->session.first_seen_ns
				   : entry->engine->started_at_ns;

	return entry->session.facts.container ||
	       (error == 0 && clock_now_ns() >= since_ns + NAMELESS_AFTER_NS);
}

int policy_learn_user(struct entry *entry, uint32_t uid)
{
	struct session *session = &entry->session;
	struct names *users = &entry->engine->users;
	const bool same = session->facts.uid == uid && session->user[0] != '\0';
	char name[SESSION_USER_BYTES];
	const char *shared;
	const struct passwd *user = NULL;
	bool named;

	if (uid == UINT32_MAX || (same && (entry->named || !may_ask(entry))))
		return 0;
	errno = 0;
	/* Who has this number on the host is somebody else. */
	if (!session->facts.container)
		user = getpwuid(uid);
	named = user ? text_copy(user->pw_name, name, sizeof(name)) : is_nameless(entry, errno);
	if (!user)
		(void)snprintf(name, sizeof(name), "%u", uid);
	shared = names_take(users, name);
	if (!shared)
		return -ENOMEM;
	names_drop(users, session->user);
	session->facts.uid = uid;
	session->user = shared;
	entry->named = named;
	entry->nameless = !user;
	forget_groups(entry);
	/* Nobody is in no group. */
	entry->groups_known = named && !user;
	return 0;
}

static const char no_name[] =
	"its user has no name; of the rules that ask for a user or a group the most "
	"lenient hold";
static const char no_groups[] = POLICY_GROUPS_UNKNOWN("its user");

/* Until it is known, any rule that asks for it may be meant. */
static void note_unknown(struct entry *entry, const struct policy_query *query)
{
	const struct config *config = entry->engine->config;
	const bool groups = query->user && query->groups_unknown;

	entry->ask_again = groups || (!query->user && entry->session.facts.uid != UINT32_MAX);
	if (!entry->ask_again)
		return;
	if (may_ask(entry))
		entry->ask_again_at_ns = clock_now_ns() + ASK_AGAIN_NS;
	if (groups)
		table_note_trouble(entry->engine, entry, no_groups);
	else if (config_asks(config, CRITERION_USER) || config_asks(config, CRITERION_GROUP))
		table_note_trouble(entry->engine, entry, no_name);
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

static bool is_reported(const struct channel *channel)
{
	return policy_terminal_action(channel->policy) == ACTION_REPORT;
}

static void set_policy(struct channel *channel, const struct policy *policy)
{
	const bool was_reported = is_reported(channel);

	channel->policy = policy;
	/* Not by this daemon, or only reported. */
	if (channel->notes && was_reported && !is_reported(channel))
		channel->notes->hung_up_at_ns = 0;
}

void policy_apply(struct entry *entry)
{
	struct session *session = &entry->session;
	struct engine *engine = entry->engine;
	const bool asks_groups = config_asks(engine->config, CRITERION_GROUP);
	char peer[ADDRESS_TEXT_BYTES];
	struct policy_query query = {
		.user = entry->named ? session->user : NULL,
		.address = address_format(&session->facts.peer, peer),
		.local_port = session->facts.local_port,
		.server = (enum server_id)session->facts.server,
	};

	if (query.user && asks_groups)
		learn_groups(entry);
	entry->temporary = rules_concern(engine, peer);
	query.groups = (const char *const *)entry->groups;
	query.n_groups = entry->n_groups;
	query.groups_unknown = asks_groups && !entry->groups_known;
	note_unknown(entry, &query);
	for (size_t i = 0; i < session->n_channels; i++) {
		struct channel *channel = &session->channels[i];
		struct policy policy;

		query.kind = (enum channel_kind)channel->facts.kind;
		query.command = channel->command;
		/* What a command has left in the background, found after that had ended. */
		query.command_unknown = channel->facts.kind == KIND_EXEC &&
					channel->facts.pid == 0 && !channel->command;
		policy_resolve(engine->config, &query, &policy);
		/* Its user could not come back to what is parked here. */
		if (session->facts.container)
			policy.idle_action = policy_terminal_action(&policy);
		set_policy(channel, share(&engine->policies, &policy));
	}
	alive_tune(entry);
}

/* What was unknown of some session is known of all. */
void policy_forget_unknown(struct engine *engine)
{
	for (size_t i = 0; i < engine->n_entries; i++)
		if (engine->entries[i]->ask_again)
			return;
	table_forget_trouble(engine, no_name);
	table_forget_trouble(engine, no_groups);
}

bool policy_ask_again(struct entry *entry)
{
	struct engine *engine = entry->engine;
	int64_t from_ns, pause_ns;

	if (!entry->ask_again || !may_ask(entry))
		return false;
	from_ns = clock_now_ns();
	/* Without memory it is asked for after another look. */
	if (policy_learn_user(entry, entry->session.facts.uid) < 0)
		return false;
	policy_apply(entry);
	pause_ns = (clock_now_ns() - from_ns) * ASK_PAUSE_FACTOR;
	engine->ask_again_at_ns =
		clock_now_ns() + (pause_ns < ASK_PAUSE_MOST_NS ? pause_ns : ASK_PAUSE_MOST_NS);
	if (!entry->ask_again)
		policy_forget_unknown(engine);
	return true;
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

static int64_t look_every_ns(const struct engine *engine)
{
	int64_t half_ns = config_shortest_limit(engine->file_config) / 2;

	if (half_ns > LOOK_EVERY_MOST_NS)
		return LOOK_EVERY_MOST_NS;
	return half_ns < LOOK_EVERY_LEAST_NS ? LOOK_EVERY_LEAST_NS : half_ns;
}

struct link_settings policy_settings(const struct engine *engine)
{
	struct link_settings settings = { .look_every_ns = look_every_ns(engine) };

	config_max_cuts(engine->file_config, &settings.cuts_most, &settings.cuts_span_ns);
	return settings;
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
