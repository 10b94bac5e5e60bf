/* -C: one case, described in a line. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "text/config-parser.h"

static int set_user(struct config_case *c, const char *value)
{
	c->query.user = value;
	return 0;
}

static int set_address(struct config_case *c, const char *value)
{
	c->query.address = value;
	return 0;
}

static int set_port(struct config_case *c, const char *value)
{
	uint64_t port;

	if (text_to_u64(value, UINT16_MAX, &port) < 0 || port == 0)
		return -EINVAL;
	c->query.local_port = (uint16_t)port;
	return 0;
}

static int set_kind(struct config_case *c, const char *value)
{
	const size_t kind = config_word_find(policy_kind_words, value);

	if (kind == SIZE_MAX)
		return -EINVAL;
	c->query.kind = (enum channel_kind)kind;
	return 0;
}

static int set_server(struct config_case *c, const char *value)
{
	const size_t server = config_word_find(policy_server_words, value);

	if (server == SIZE_MAX)
		return -EINVAL;
	c->query.server = (enum server_id)server;
	return 0;
}

static int set_command(struct config_case *c, const char *value)
{
	c->query.command = value;
	return 0;
}

static const struct case_key {
	const char *name;
	int (*set)(struct config_case *config_case, const char *value);
	const char *allowed;
} keys[] = {
	{ "user", set_user, "a user name" },
	{ "group", config_case_add_group, "a group name" },
	{ "addr", set_address, "an address" },
	{ "lport", set_port, "a port from 1 to 65535" },
	{ "server", set_server, "openssh, dropbear, tinyssh" },
	{ "kind", set_kind, "shell, sftp, exec, forward, none" },
	{ "command", set_command, "a command line" },
};

static const char allowed_keys[] = "user=, group=, addr=, lport=, server=, kind=, command=";

static int read_pair(struct config_case *c, char *pair, char *ret_problem, size_t size)
{
	char *equals = strchr(pair, '=');
	const struct config_quoted quoted = config_quote(pair, strlen(pair));
	int r;

	if (equals)
		*equals = '\0';
	for (size_t i = 0; equals && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!text_equal(keys[i].name, pair))
			continue;
		r = equals[1] != '\0' ? keys[i].set(c, equals + 1) : -EINVAL;
		if (r < 0)
			(void)snprintf(ret_problem, size, "%s is wrong; allowed: %s", quoted.text,
				       keys[i].allowed);
		return r;
	}
	(void)snprintf(ret_problem, size, "%s is not known; allowed: %s", quoted.text,
		       allowed_keys);
	return -EINVAL;
}

int config_case_parse(const char *spec, struct config_case *ret_case, char *ret_problem,
		      size_t problem_size)
{
	char *rest, *pair;
	int r = 0;

	*ret_case = (struct config_case){ .query = { .kind = KIND_SHELL, .server = SERVER_N } };
	ret_case->text = strdup(spec);
	if (!ret_case->text)
		return -ENOMEM;
	rest = ret_case->text;
	while (r == 0 && (pair = strsep(&rest, ",")) != NULL)
		r = read_pair(ret_case, pair, ret_problem, problem_size);
	if (r < 0)
		config_case_deinit(ret_case);
	return r;
}

int config_case_add_group(struct config_case *config_case, const char *group)
{
	const size_t n = config_case->query.n_groups;
	char **more = reallocarray(config_case->groups, n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	config_case->groups = more;
	config_case->query.groups = (const char *const *)more;
	more[n] = strdup(group);
	if (!more[n])
		return -ENOMEM;
	config_case->query.n_groups++;
	return 0;
}

void config_case_deinit(struct config_case *config_case)
{
	for (size_t i = 0; i < config_case->query.n_groups; i++)
		free(config_case->groups[i]);
	free(config_case->groups);
	free(config_case->text);
	*config_case = (struct config_case){ 0 };
}
