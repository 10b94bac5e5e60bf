#include "text/logind-settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define LINE_BYTES 1024

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{ "", NS_PER_S },
	{ "s", NS_PER_S },
	{ "sec", NS_PER_S },
	{ "second", NS_PER_S },
	{ "seconds", NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "min", 60 * NS_PER_S },
	{ "minute", 60 * NS_PER_S },
	{ "minutes", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "hr", 3600 * NS_PER_S },
	{ "hour", 3600 * NS_PER_S },
	{ "hours", 3600 * NS_PER_S },
	{ "d", 86400 * NS_PER_S },
	{ "day", 86400 * NS_PER_S },
	{ "days", 86400 * NS_PER_S },
	{ "w", 604800 * NS_PER_S },
	{ "week", 604800 * NS_PER_S },
	{ "weeks", 604800 * NS_PER_S },
	{ "ms", NS_PER_MS },
	{ "msec", NS_PER_MS },
	{ "us", 1000 },
	{ "usec", 1000 },
};

static int unit_ns(const char *name, size_t length, int64_t *ret_ns)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0) {
			*ret_ns = units[i].ns;
			return 0;
		}
	}
	return -EINVAL;
}

int logind_settings_span(const char *text, int64_t *ret_ns)
{
	int64_t sum = 0, unit;

	if (text_equal(text, "infinity")) {
		*ret_ns = SETTING_OFF;
		return 0;
	}
	text += strspn(text, " \t");
	if (!*text)
		return -EINVAL;
	while (*text) {
		int64_t number = 0;
		size_t length;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		for (; isdigit((unsigned char)*text); text++)
			if (__builtin_mul_overflow(number, 10, &number) ||
			    __builtin_add_overflow(number, *text - '0', &number))
				return -EINVAL;
		text += strspn(text, " \t");
		for (length = 0; isalpha((unsigned char)text[length]);)
			length++;
		if (unit_ns(text, length, &unit) < 0 ||
		    __builtin_mul_overflow(number, unit, &number) ||
		    __builtin_add_overflow(sum, number, &sum))
			return -EINVAL;
		text += length;
		text += strspn(text, " \t");
	}
	*ret_ns = sum == 0 ? SETTING_OFF : sum;
	return 0;
}

void logind_settings_init(struct settings_logind *ret_settings)
{
	memset(ret_settings, 0, sizeof(*ret_settings));
	ret_settings->stop_idle_session_ns = SETTING_OFF;
	ret_settings->idle_action_ns = 30 * 60 * NS_PER_S;
	(void)text_copy("root", ret_settings->kill_exclude, sizeof(ret_settings->kill_exclude));
}

static bool is_true(const char *value)
{
	static const char *const words[] = { "1", "yes", "y", "true", "t", "on" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

/* One NAME=VALUE. `file` NULL: a built-in value, shown in a comment. */
static void take_value(const char *name, const char *value, const char *file,
		       struct settings_logind *settings)
{
	int64_t ns;

	if (text_equal(name, "StopIdleSessionSec")) {
		if (logind_settings_span(*value ? value : "infinity", &ns) < 0)
			return;
		settings->stop_idle_session_ns = ns;
		if (file)
			(void)text_copy(file, settings->source, sizeof(settings->source));
	} else if (text_equal(name, "IdleActionSec")) {
		if (logind_settings_span(*value ? value : "30min", &ns) == 0)
			settings->idle_action_ns = ns;
	} else if (text_equal(name, "KillUserProcesses")) {
		settings->kill_user_processes = is_true(value);
		if (file)
			(void)text_copy(file, settings->kill_source, sizeof(settings->kill_source));
	} else if (text_equal(name, "KillExcludeUsers")) {
		(void)text_copy(value, settings->kill_exclude, sizeof(settings->kill_exclude));
	}
}

/* Blanks off both ends, in place. */
static char *trimmed(char *text)
{
	size_t length;

	text += strspn(text, " \t\r");
	for (length = strlen(text); length > 0 && strchr(" \t\r", text[length - 1]);)
		text[--length] = '\0';
	return text;
}

/* One line; returns whether the section goes on to be [Login]. */
static bool take_line(char *line, bool in_login, const char *file, struct settings_logind *settings)
{
	char *text = trimmed(line);
	const bool comment = *text == '#' || *text == ';';
	char *equals;

	if (*text == '[')
		return text_equal(text, "[Login]");
	if (comment)
		text++;
	equals = strchr(text, '=');
	if (!in_login || !equals || comment != !file)
		return in_login;
	*equals = '\0';
	take_value(trimmed(text), trimmed(equals + 1), file, settings);
	return in_login;
}

void logind_settings_parse(const char *text, size_t size, const char *file,
			   struct settings_logind *settings)
{
	const char *end = text + size;
	bool in_login = false;
	char line[LINE_BYTES];

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);

		if (length >= sizeof(line))
			length = sizeof(line) - 1;
		memcpy(line, text, length);
		line[length] = '\0';
		in_login = take_line(line, in_login, file, settings);
		text = newline ? newline + 1 : end;
	}
}

int logind_settings_version(const char *text, size_t size, uint32_t *ret_version)
{
	static const char mark[] = "systemd ";
	uint32_t version = 0;

	if (size < sizeof(mark) || memcmp(text, mark, sizeof(mark) - 1) != 0)
		return -EINVAL;
	for (size_t i = sizeof(mark) - 1; i < size && isdigit((unsigned char)text[i]); i++)
		if (version < 100000)
			version = version * 10 + (uint32_t)(text[i] - '0');
	if (version == 0)
		return -EINVAL;
	*ret_version = version;
	return 0;
}
