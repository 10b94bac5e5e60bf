#include "text/sshd-settings.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "base/text.h"

#define LINE_BYTES 1024

static const char blanks[] = " \t\r";

static const char *value_of(const char *line, const char *keyword)
{
	const size_t length = strlen(keyword);

	if (strncasecmp(line, keyword, length) != 0 || !line[length] ||
	    !strchr(blanks, line[length]))
		return NULL;
	return line + length + strspn(line + length, blanks);
}

static int32_t small_number(const char *text)
{
	uint64_t number;

	if (text_to_u64(text, INT32_MAX, &number) < 0)
		return -2;
	return (int32_t)number;
}

/* Seconds, or a span as in sshd_config(5); "none" and 0 are off. */
static int64_t span(const char *text)
{
	int64_t ns;

	if (strcasecmp(text, "none") == 0)
		return SETTING_OFF;
	if (duration_parse(text, &ns) < 0)
		return SETTING_UNKNOWN;
	return ns == 0 ? SETTING_OFF : ns;
}

static void take_timeout(struct settings_openssh *settings, const char *word, size_t length)
{
	struct settings_channel_timeout *timeout;
	const char *equals = memchr(word, '=', length);
	char after[64];
	const size_t room = sizeof(settings->channel_timeouts) / sizeof(*timeout);

	if (!equals || settings->n_channel_timeouts == room)
		return;
	timeout = &settings->channel_timeouts[settings->n_channel_timeouts];
	if ((size_t)(equals - word) >= sizeof(timeout->type) ||
	    length - (size_t)(equals - word) > sizeof(after))
		return;
	memcpy(timeout->type, word, (size_t)(equals - word));
	timeout->type[equals - word] = '\0';
	memcpy(after, equals + 1, length - (size_t)(equals - word) - 1);
	after[length - (size_t)(equals - word) - 1] = '\0';
	timeout->after_ns = span(after);
	settings->n_channel_timeouts++;
}

static void take_timeouts(struct settings_openssh *settings, const char *value)
{
	while (*value) {
		const size_t length = strcspn(value, blanks);

		take_timeout(settings, value, length);
		value += length;
		value += strspn(value, blanks);
	}
}

static void take_forwarding(struct settings_openssh *settings, const char *line)
{
	static const char *const keywords[] = { "allowtcpforwarding", "allowagentforwarding",
						"allowstreamlocalforwarding", "x11forwarding",
						"permittunnel" };
	const char *value;

	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		value = value_of(line, keywords[i]);
		if (value && strcasecmp(value, "no") != 0)
			settings->forwarding = true;
	}
}

static void take_line(struct settings_openssh *settings, const char *line)
{
	const char *value;

	if ((value = value_of(line, "clientaliveinterval")))
		settings->client_alive_interval_ns = span(value);
	else if ((value = value_of(line, "clientalivecountmax")))
		settings->client_alive_count_max = small_number(value);
	else if ((value = value_of(line, "tcpkeepalive")))
		settings->tcp_keepalive = strcasecmp(value, "yes") == 0;
	else if ((value = value_of(line, "maxsessions")))
		settings->max_sessions = small_number(value);
	else if ((value = value_of(line, "unusedconnectiontimeout")))
		settings->unused_connection_timeout_ns = span(value);
	else if ((value = value_of(line, "channeltimeout")))
		take_timeouts(settings, value);
	else
		take_forwarding(settings, line);
}

/* The next line without blanks around it; too long ones are cut off. False at the end. */
static bool next_line(const char **at, const char *end, char ret_line[static LINE_BYTES])
{
	const char *newline, *from = *at;
	size_t length;

	if (from >= end)
		return false;
	newline = memchr(from, '\n', (size_t)(end - from));
	*at = newline ? newline + 1 : end;
	length = (size_t)((newline ? newline : end) - from);
	while (length > 0 && *from && strchr(blanks, *from)) {
		from++;
		length--;
	}
	while (length > 0 && from[length - 1] && strchr(blanks, from[length - 1]))
		length--;
	if (length >= LINE_BYTES)
		length = LINE_BYTES - 1;
	memcpy(ret_line, from, length);
	ret_line[length] = '\0';
	return true;
}

int sshd_settings_parse(const char *text, size_t size, struct settings_openssh *settings)
{
	const char *at = text;
	char line[LINE_BYTES] = "";
	bool disabled = false;

	settings->client_alive_interval_ns = SETTING_UNKNOWN;
	settings->client_alive_count_max = -2;
	settings->max_sessions = -2;
	settings->unused_connection_timeout_ns = SETTING_NONE;
	settings->n_channel_timeouts = 0;
	settings->tcp_keepalive = settings->forwarding = false;
	while (next_line(&at, text + size, line)) {
		const char *value = value_of(line, "disableforwarding");

		disabled = disabled || (value && strcasecmp(value, "yes") == 0);
		take_line(settings, line);
	}
	if (disabled)
		settings->forwarding = false;
	return settings->client_alive_interval_ns == SETTING_UNKNOWN ? -EINVAL : 0;
}

/* Digits at `*at`, which moves behind them; -1 without any. */
static int32_t take_digits(const char **at, const char *end)
{
	int32_t number = -1;

	while (*at < end && **at >= '0' && **at <= '9' && number < 100000)
		number = (number < 0 ? 0 : number * 10) + (*(*at)++ - '0');
	return number;
}

int sshd_settings_version(const char *text, size_t size, struct settings_openssh *settings)
{
	static const char mark[] = "OpenSSH_";
	const char *at = memmem(text, size, mark, sizeof(mark) - 1);
	const char *end = text + size;
	int32_t major, minor;

	if (!at)
		return -EINVAL;
	at += sizeof(mark) - 1;
	major = take_digits(&at, end);
	if (major < 0 || at == end || *at++ != '.')
		return -EINVAL;
	minor = take_digits(&at, end);
	if (minor < 0)
		return -EINVAL;
	settings->major = major;
	settings->minor = minor;
	return 0;
}
