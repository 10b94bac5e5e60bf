#include "text/procd.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/text.h"

static bool is_command(const json_t *command, const struct server_arguments *arguments)
{
	if (arguments->is_cut_off || json_array_size(command) != arguments->n)
		return false;
	for (size_t i = 0; i < arguments->n; i++) {
		const char *word = json_string_value(json_array_get(command, i));

		if (!word || !text_equal(word, arguments->words[i]))
			return false;
	}
	return true;
}

static int look_at_service(const json_t *service, int32_t pid,
			   const struct server_arguments *arguments)
{
	const char *name;
	json_t *instance;

	json_object_foreach (json_object_get(service, "instances"), name, instance) {
		if (json_integer_value(json_object_get(instance, "pid")) == pid)
			return is_command(json_object_get(instance, "command"), arguments);
	}
	return -ENOENT;
}

int procd_has_command(const char *text, int32_t pid, const struct server_arguments *arguments)
{
	json_t *services = json_loads(text, 0, NULL), *service;
	int r = -ENOENT;
	const char *name;

	if (!json_is_object(services)) {
		json_decref(services);
		return -EBADMSG;
	}
	json_object_foreach (services, name, service) {
		if (r == -ENOENT)
			r = look_at_service(service, pid, arguments);
	}
	json_decref(services);
	return r;
}
