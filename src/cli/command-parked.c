#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/parked.h"

static void print_json(const struct parked_list *list)
{
	json_t *reply = json_object(), *items = json_array();

	for (size_t i = 0; i < list->n; i++)
		(void)json_array_append(items, list->items[i].info);
	(void)json_object_set_new(reply, "parked", items);
	output_new_json(reply);
}

/* For a login: one line, or nothing. */
static void print_notice(const struct parked_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += !json_is_true(json_object_get(list->items[i].info, "attached"));
	if (n == 1)
		(void)puts(
			"A session of yours is parked; sshidle resume brings it back, with what it has "
			"printed since it was parked.");
	else if (n > 1)
		(void)printf(
			"%zu sessions of yours are parked; sshidle parked lists them, sshidle resume ID "
			"brings one back, with what it has printed since it was parked.\n",
			n);
}

enum command_exit command_parked(const struct arguments *arguments)
{
	enum command_exit result = COMMAND_OK;
	struct parked_list list;
	int r = parked_find(arguments->runtime_dir, arguments->notice ? PARKED_MINE : PARKED_ALL,
			    &list);

	if (r < 0) {
		output_error("what is parked cannot be found: %s", strerror(-r));
		return COMMAND_FAILED;
	}
	if (arguments->json)
		print_json(&list);
	else if (arguments->notice)
		print_notice(&list);
	else if (list.n > 0)
		result = parked_print(&list);
	else
		(void)puts("nothing is parked");
	parked_deinit(&list);
	return result;
}
