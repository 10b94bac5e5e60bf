#include "text/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "core/policy.h"

/* Where in the file we are: "checks[2].conditions[0].at-most". */
struct place {
	const char *file;
	char path[128];
	char *problem; /* PROFILE_PROBLEM_BYTES */
};

/* The keys that conditions may have. */
enum key {
	KEY_KINDS,
	KEY_ONLY_USE,
	KEY_AT_MOST,
	KEY_AT_LEAST,
	KEY_COUNT_AT_LEAST,
	KEY_COUNT_AT_MOST,
	KEY_READ_ONLY,
	KEY_EXPORTED,
	KEY_NO_KEEP,
	KEY_N
};

#define KEY_BIT(key) (1u << (key))

static int wrong(const struct place *place, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int wrong(const struct place *place, const char *format, ...)
{
	char shown[256];
	va_list arguments;

	text_escape(place->file, false, shown, sizeof(shown));
	(void)snprintf(place->problem, PROFILE_PROBLEM_BYTES, "%s: %s%s", shown, place->path,
		       place->path[0] != '\0' ? ": " : "");
	va_start(arguments, format);
	(void)vsnprintf(place->problem + strlen(place->problem),
			PROFILE_PROBLEM_BYTES - strlen(place->problem), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* The place of one member; "checks" + "fix" is "checks.fix". */
static struct place place_of(const struct place *place, const char *key)
{
	struct place inner = *place;
	char shown[64];

	text_escape(key, true, shown, sizeof(shown));
	(void)text_append(inner.path, sizeof(inner.path), "%s%s", inner.path[0] != '\0' ? "." : "",
			  shown);
	return inner;
}

static struct place place_at(const struct place *place, size_t index)
{
	struct place inner = *place;

	(void)text_append(inner.path, sizeof(inner.path), "[%zu]", index);
	return inner;
}

/* -- texts -- */

/* One line that can be shown as it is. */
static int take_line(const struct place *place, const json_t *value, const char **ret_text)
{
	const char *text = json_string_value(value);

	if (!text)
		return wrong(place, "%s; allowed: a text", value ? "is not a text" : "is missing");
	if (text[0] == '\0')
		return wrong(place, "is empty");
	if (json_string_length(value) >= PROFILE_LINE_BYTES)
		return wrong(place, "is longer than %d bytes", PROFILE_LINE_BYTES - 1);
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == '\x7f')
			return wrong(place, "has a control character in it");
	*ret_text = text;
	return 0;
}

/* What stands in a line of the log without quotes. */
static int take_id(const struct place *place, const json_t *value, const char **ret_id)
{
	const char *text = "";
	int r = take_line(place, value, &text);

	if (r < 0)
		return r;
	for (const char *at = text; *at != '\0'; at++)
		if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
		      (*at >= '0' && *at <= '9') || strchr("._-()", *at)))
			return wrong(place, "has other characters than letters, digits and ._-()");
	if (strlen(text) >= PROFILE_ID_BYTES)
		return wrong(place, "is longer than %d bytes", PROFILE_ID_BYTES - 1);
	*ret_id = text;
	return 0;
}

static int take_line_of(const struct place *place, const json_t *object, const char *key,
			const char **ret_text)
{
	const struct place inner = place_of(place, key);

	return take_line(&inner, json_object_get(object, key), ret_text);
}

static int take_optional_line_of(const struct place *place, const json_t *object, const char *key,
				 const char **ret_text)
{
	return json_object_get(object, key) ? take_line_of(place, object, key, ret_text) : 0;
}

/* Refuses members that are not in the list, NULL at its end: a misspelt key must not be silently
 * without effect. */
static int only_members(const struct place *place, const json_t *object, const char *const *keys)
{
	const char *key;
	json_t *value;
	char allowed[256] = "";

	if (!json_is_object(object))
		return wrong(place, "%s; allowed: {...}",
			     object ? "is not an object" : "is missing");
	for (size_t i = 0; keys[i]; i++)
		(void)text_append(allowed, sizeof(allowed), "%s%s", i > 0 ? ", " : "", keys[i]);
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		size_t i = 0;

		while (keys[i] && !text_equal(keys[i], key))
			i++;
		if (!keys[i]) {
			const struct place inner = place_of(place, key);

			return wrong(&inner, "is not known; allowed: %s", allowed);
		}
	}
	return 0;
}

/* -- the keys of conditions -- */

/* The bits of the words of a list. */
static int take_words(const struct place *place, const json_t *value, const char *const *words,
		      uint32_t *ret_bits)
{
	char allowed[128] = "";
	uint32_t bits = 0;
	const json_t *word;
	size_t i;

	for (i = 0; words[i]; i++)
		(void)text_append(allowed, sizeof(allowed), "%s%s", i > 0 ? ", " : "", words[i]);
	if (!json_is_array(value) || json_array_size(value) == 0)
		return wrong(place, "is not a list of words; allowed: %s", allowed);
	json_array_foreach (value, i, word) {
		const char *text = json_string_value(word);
		size_t at = 0;

		while (words[at] && !(text && text_equal(words[at], text)))
			at++;
		if (!words[at]) {
			const struct place inner = place_at(place, i);

			return wrong(&inner, "is not known; allowed: %s", allowed);
		}
		bits |= UINT32_C(1) << at;
	}
	*ret_bits = bits;
	return 0;
}

static int take_span(const struct place *place, const json_t *value, int64_t *ret_ns)
{
	const char *text = json_string_value(value);
	int64_t ns;

	if (!text || duration_parse(text, &ns) < 0 || ns == 0)
		return wrong(place, "is not a time; allowed: a text such as \"15m\" or \"1h30m\"");
	*ret_ns = ns;
	return 0;
}

static int take_count(const struct place *place, const json_t *value, int64_t *ret_count)
{
	const json_int_t count = json_integer_value(value);

	if (!json_is_integer(value) || count < 0 || count > INT32_MAX)
		return wrong(place, "is not a count; allowed: a number from 0 to %d", INT32_MAX);
	*ret_count = count;
	return 0;
}

static int take_flag(const struct place *place, const json_t *value, bool *ret_flag)
{
	if (!json_is_true(value))
		return wrong(place, "is not true; leave it away if it is not asked for");
	*ret_flag = true;
	return 0;
}

static const char *const key_names[KEY_N + 2] = {
	[KEY_KINDS] = "kinds",
	[KEY_ONLY_USE] = "only-use",
	[KEY_AT_MOST] = "at-most",
	[KEY_AT_LEAST] = "at-least",
	[KEY_COUNT_AT_LEAST] = "count-at-least",
	[KEY_COUNT_AT_MOST] = "count-at-most",
	[KEY_READ_ONLY] = "read-only",
	[KEY_EXPORTED] = "exported",
	[KEY_NO_KEEP] = "no-keep",
};

static const char *const use_words[USE_N + 1] = { "input", "output", "work", "traffic" };

static int take_key(const struct place *place, const json_t *value, enum key key,
		    struct profile_condition *condition)
{
	switch (key) {
	case KEY_KINDS:
		return take_words(place, value, policy_kind_words, &condition->kinds);
	case KEY_ONLY_USE:
		return take_words(place, value, use_words, &condition->only_use);
	case KEY_AT_MOST:
		return take_span(place, value, &condition->at_most_ns);
	case KEY_AT_LEAST:
		return take_span(place, value, &condition->at_least_ns);
	case KEY_COUNT_AT_LEAST:
		return take_count(place, value, &condition->count_at_least);
	case KEY_COUNT_AT_MOST:
		return take_count(place, value, &condition->count_at_most);
	case KEY_READ_ONLY:
		return take_flag(place, value, &condition->read_only);
	case KEY_EXPORTED:
		return take_flag(place, value, &condition->exported);
	case KEY_NO_KEEP:
		return take_flag(place, value, &condition->no_keep);
	case KEY_N:
		break;
	}
	return -EINVAL;
}

/* -- conditions -- */

/* The vocabulary: a fact, the keys that it must have, and those that it may have. */
static const struct {
	const char *name;
	unsigned must, may;
} facts[FACT_N] = {
	[FACT_SSHIDLED_RUNNING] = { "sshidled-running", 0, 0 },
	[FACT_IDLE_LIMIT] = { "idle-limit", KEY_BIT(KEY_KINDS) | KEY_BIT(KEY_AT_MOST),
			      KEY_BIT(KEY_ONLY_USE) | KEY_BIT(KEY_NO_KEEP) },
	[FACT_IDLE_WARNING] = { "idle-warning", KEY_BIT(KEY_AT_LEAST), 0 },
	[FACT_UNRESPONSIVE_LIMIT] = { "unresponsive-limit", KEY_BIT(KEY_AT_MOST), 0 },
	[FACT_SERVERS_UNRESPONSIVE] = { "servers.unresponsive-limit", KEY_BIT(KEY_AT_MOST), 0 },
	[FACT_OPENSSH_CLIENT_ALIVE] = { "openssh.client-alive", 0,
					KEY_BIT(KEY_AT_MOST) | KEY_BIT(KEY_COUNT_AT_LEAST) |
						KEY_BIT(KEY_COUNT_AT_MOST) },
	[FACT_SHELL_TMOUT] = { "shell.tmout", KEY_BIT(KEY_AT_MOST),
			       KEY_BIT(KEY_READ_ONLY) | KEY_BIT(KEY_EXPORTED) },
	[FACT_LOGIND_STOP_IDLE] = { "logind.stop-idle", KEY_BIT(KEY_AT_MOST), 0 },
	[FACT_WORK_KEPT] = { "work-kept", 0, 0 },
	[FACT_ANY_OF] = { "any-of", 0, 0 },
};

static int take_fact(const struct place *place, const json_t *value, enum profile_fact *ret_fact)
{
	const struct place inner = place_of(place, "fact");
	const char *name = json_string_value(value);
	char allowed[256] = "";

	/* The last one, any-of, is a key of its own. */
	for (enum profile_fact fact = 0; fact < FACT_ANY_OF; fact++) {
		if (name && text_equal(facts[fact].name, name)) {
			*ret_fact = fact;
			return 0;
		}
		(void)text_append(allowed, sizeof(allowed), "%s%s", fact > 0 ? ", " : "",
				  facts[fact].name);
	}
	return wrong(&inner, "%s; allowed: %s", name ? "is not known" : "is missing", allowed);
}

static int take_simple(const struct place *place, const json_t *value,
		       struct profile_condition *condition)
{
	const char *allowed[KEY_N + 2] = { "fact" };
	unsigned n_allowed = 1;
	int r = take_fact(place, json_object_get(value, "fact"), &condition->fact);

	if (r < 0)
		return r;
	for (enum key key = 0; key < KEY_N; key++)
		if ((facts[condition->fact].must | facts[condition->fact].may) & KEY_BIT(key))
			allowed[n_allowed++] = key_names[key];
	r = only_members(place, value, allowed);
	for (enum key key = 0; key < KEY_N && r == 0; key++) {
		const struct place inner = place_of(place, key_names[key]);
		const json_t *member = json_object_get(value, key_names[key]);

		if (member)
			r = take_key(&inner, member, key, condition);
		else if (facts[condition->fact].must & KEY_BIT(key))
			r = wrong(&inner, "is missing");
	}
	return r;
}

static int take_conditions(const struct place *place, const json_t *values, bool within,
			   struct profile_condition **ret_conditions, size_t *ret_n);

static int take_condition(const struct place *place, const json_t *value, bool within,
			  struct profile_condition *condition)
{
	static const char *const any_members[] = { "any-of", NULL };
	const struct place inner = place_of(place, "any-of");
	const json_t *any = json_object_get(value, "any-of");
	int r;

	*condition = (struct profile_condition){
		.at_most_ns = -1, .at_least_ns = -1, .count_at_least = -1, .count_at_most = -1
	};
	if (!json_is_object(value))
		return wrong(place, "is not an object");
	if (!any)
		return take_simple(place, value, condition);
	if (within)
		return wrong(&inner, "cannot stand within another one");
	condition->fact = FACT_ANY_OF;
	r = only_members(place, value, any_members);
	return r < 0 ? r : take_conditions(&inner, any, true, &condition->any, &condition->n_any);
}

static int take_conditions(const struct place *place, const json_t *values, bool within,
			   struct profile_condition **ret_conditions, size_t *ret_n)
{
	const size_t n = json_array_size(values);
	int r = 0;

	if (!json_is_array(values) || n == 0)
		return wrong(place, "%s; allowed: a list of conditions",
			     values ? "is empty or not a list" : "is missing");
	if (n > PROFILE_CONDITIONS_MAX)
		return wrong(place, "has more than %d entries", PROFILE_CONDITIONS_MAX);
	*ret_conditions = calloc(n, sizeof(**ret_conditions));
	if (!*ret_conditions)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct place inner = place_at(place, i);

		r = take_condition(&inner, json_array_get(values, i), within,
				   &(*ret_conditions)[i]);
		*ret_n = i + 1;
	}
	return r;
}

/* -- checks -- */

static int take_serves(const struct place *place, const json_t *value, bool ret_serves[CONTROL_N])
{
	static const char *const words[CONTROL_N + 1] = {
		[CONTROL_IDLE] = "idle", [CONTROL_UNRESPONSIVE] = "unresponsive"
	};
	uint32_t bits = 0;
	int r = value ? take_words(place, value, words, &bits) : 0;

	for (unsigned i = 0; i < CONTROL_N; i++)
		ret_serves[i] = bits >> i & 1;
	return r;
}

static int take_commonly(const struct place *place, const json_t *value,
			 struct profile_check *check)
{
	static const char *const members[] = { "looks-at", "but", NULL };
	int r = value ? only_members(place, value, members) : 0;

	if (r < 0 || !value)
		return r;
	r = take_line_of(place, value, "looks-at", &check->commonly_looks_at);
	return r < 0 ? r : take_line_of(place, value, "but", &check->commonly_but);
}

static int take_check(const struct place *place, const json_t *value, struct profile_check *check)
{
	static const char *const members[] = { "id",	   "requirement", "conditions", "fix",
					       "commonly", "serves",	  NULL };
	const struct place id = place_of(place, "id"), serves = place_of(place, "serves");
	const struct place commonly = place_of(place, "commonly");
	const struct place conditions = place_of(place, "conditions");
	int r = only_members(place, value, members);

	if (r == 0)
		r = take_id(&id, json_object_get(value, "id"), &check->id);
	if (r == 0)
		r = take_line_of(place, value, "requirement", &check->requirement);
	if (r == 0)
		r = take_line_of(place, value, "fix", &check->fix);
	if (r == 0)
		r = take_commonly(&commonly, json_object_get(value, "commonly"), check);
	if (r == 0)
		r = take_serves(&serves, json_object_get(value, "serves"), check->serves);
	if (r == 0)
		r = take_conditions(&conditions, json_object_get(value, "conditions"), false,
				    &check->conditions, &check->n_conditions);
	return r;
}

static int take_checks(const struct place *place, const json_t *values, struct profile *profile)
{
	const size_t n = json_array_size(values);
	int r = 0;

	if (!json_is_array(values) || n == 0)
		return wrong(place, "%s; allowed: a list of checks",
			     values ? "is empty or not a list" : "is missing");
	if (n > PROFILE_CHECKS_MAX)
		return wrong(place, "has more than %d entries", PROFILE_CHECKS_MAX);
	profile->checks = calloc(n, sizeof(*profile->checks));
	if (!profile->checks)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct place inner = place_at(place, i);

		profile->n_checks = i + 1;
		r = take_check(&inner, json_array_get(values, i), &profile->checks[i]);
		for (size_t j = 0; j < i && r == 0; j++)
			if (text_equal(profile->checks[j].id, profile->checks[i].id))
				r = wrong(&inner, "has the id of checks[%zu]", j);
	}
	return r;
}

static int take_profile(const struct place *place, struct profile *profile)
{
	static const char *const members[] = { "profile", "title",  "document",
					       "note",	  "checks", NULL };
	const struct place name = place_of(place, "profile"), checks = place_of(place, "checks");
	const json_t *json = profile->json;
	int r = only_members(place, json, members);

	if (r == 0)
		r = take_id(&name, json_object_get(json, "profile"), &profile->name);
	if (r == 0)
		r = take_line_of(place, json, "title", &profile->title);
	if (r == 0)
		r = take_line_of(place, json, "document", &profile->document);
	if (r == 0)
		r = take_optional_line_of(place, json, "note", &profile->note);
	if (r == 0)
		r = take_checks(&checks, json_object_get(json, "checks"), profile);
	return r;
}

int profile_parse(const struct config_text *text, char *ret_problem, struct profile **ret_profile)
{
	const struct place place = { .file = text->file, .problem = ret_problem };
	struct profile *profile = calloc(1, sizeof(*profile));
	json_error_t error;
	char shown[256];
	int r = 0;

	if (!profile)
		return -ENOMEM;
	profile->json = json_loadb(text->bytes, text->length, JSON_REJECT_DUPLICATES, &error);
	if (!profile->json) {
		text_escape(text->file, false, shown, sizeof(shown));
		(void)snprintf(ret_problem, PROFILE_PROBLEM_BYTES, "%s:%d:%d: ", shown, error.line,
			       error.column);
		text_escape(error.text, false, ret_problem + strlen(ret_problem),
			    PROFILE_PROBLEM_BYTES - strlen(ret_problem));
		r = -EINVAL;
	}
	if (r == 0)
		r = take_profile(&place, profile);
	if (r < 0) {
		profile_free(profile);
		return r;
	}
	*ret_profile = profile;
	return 0;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	for (size_t i = 0; i < profile->n_checks; i++) {
		struct profile_check *check = &profile->checks[i];

		for (size_t j = 0; j < check->n_conditions; j++)
			free(check->conditions[j].any);
		free(check->conditions);
	}
	free(profile->checks);
	json_decref(profile->json);
	free(profile);
}

bool profile_control(const struct profile *profile, enum config_control control, char *ret_text,
		     size_t size)
{
	size_t n = 0;

	(void)snprintf(ret_text, size, "%s:", profile->name);
	for (size_t i = 0; i < profile->n_checks; i++)
		if (profile->checks[i].serves[control])
			(void)text_append(ret_text, size, "%s%s", n++ > 0 ? "," : "",
					  profile->checks[i].id);
	return n > 0;
}
