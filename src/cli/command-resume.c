#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/attach.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/inside.h"
#include "cli/output.h"
#include "cli/parked.h"
#include "core/order.h"

enum { SIGNALLED = 128 };

/* The one that is meant; NULL, and it has been said, if it is not clear. */
static const struct parked *choose(const struct parked_list *list,
				   const struct arguments *arguments)
{
	if (arguments->n_operands > 0)
		return parked_get(list, arguments->operands[0]);
	if (list->n == 1)
		return &list->items[0];
	if (list->n == 0) {
		output_error("nothing is parked");
		return NULL;
	}
	(void)parked_print(list);
	(void)fflush(stdout);
	output_error("%zu are parked: name one by its ID", list->n);
	return NULL;
}

static bool is_our_terminal(const char *tty)
{
	char name[128];

	return ttyname_r(STDIN_FILENO, name, sizeof(name)) == 0 && text_starts(name, "/dev/") &&
	       text_equal(name + strlen("/dev/"), tty);
}

/* A terminal shown on itself would show itself without end. True: it has been said. */
static bool would_show_itself(const struct parked *parked)
{
	const bool attached = json_is_true(json_object_get(parked->info, "attached"));
	const char *tty = output_text(parked->info, "tty", "?");
	struct inside inside;
	int r;

	/* What has ended has none any more, and we may have got its number. */
	if (json_is_true(json_object_get(parked->info, "ended")))
		return false;
	if (is_our_terminal(tty)) {
		output_error("%u is this very terminal", parked->id);
		return true;
	}
	r = inside_find(tty, attached, &inside);
	if (r == 0)
		return false;
	if (r < 0)
		output_error("cannot tell whether this runs inside of %u: %s", parked->id,
			     strerror(-r));
	else
		output_error(
			"%u shows %s (pid %d), and this runs inside of that; resume it from another terminal",
			parked->id, inside.name, (int)inside.pid);
	return true;
}

/* What scrolls off first when it is painted. */
static void say_begin(const struct parked *parked, int escape)
{
	char key[ESCAPE_NAME_BYTES];

	(void)printf("[parked session %u: ", parked->id);
	output_put(output_text(parked->info, "program", "?"));
	(void)fputs(", parked at ", stdout);
	output_put(output_text(parked->info, "since", "?"));
	if (escape >= 0) {
		escape_name(escape, key);
		(void)printf("; %s. lets go%s", key, escape == '~' ? " (through ssh: ~~.)" : "");
	}
	(void)puts(". " ORDER_NOT_KEPT "]");
	(void)fflush(stdout);
}

static enum command_exit say_end(const struct parked *parked, const struct attach_end *end)
{
	const char *term_name = "sshidle resume";

	switch (end->how) {
	case ATTACH_ENDED:
		if (end->status < 0) {
			(void)printf("[parked session %u has ended]\n", parked->id);
			return COMMAND_OK;
		}
		if (WIFEXITED(end->status))
			return (enum command_exit)WEXITSTATUS(end->status);
		return (enum command_exit)(SIGNALLED + WTERMSIG(end->status));
	case ATTACH_LET_GO:
		(void)printf("[let go of %u, ", parked->id);
		output_put(end->reason);
		(void)puts("]");
		if (text_equal(end->reason, "as you asked")) {
			(void)printf("[it stays parked: %s %u]\n", term_name, parked->id);
			return COMMAND_OK;
		}
		return COMMAND_FAILED;
	case ATTACH_LOST:
		output_error("the keeper of %u is gone", parked->id);
		return COMMAND_FAILED;
	case ATTACH_SIGNAL:
		return (enum command_exit)(SIGNALLED + end->status);
	}
	return COMMAND_FAILED;
}

static enum command_exit resume(const struct parked *parked, bool steal, int escape)
{
	enum command_exit result = COMMAND_FAILED;
	const char *term = getenv("TERM");
	struct attach_end end = { .how = ATTACH_LOST };
	struct winsize size;
	json_t *reply = NULL;
	auto_close int fd = -1;
	int r;

	if (attach_size(&size) < 0) {
		output_error("resume needs a terminal on standard input and output");
		return result;
	}
	if (would_show_itself(parked))
		return result;
	r = parked_connect(parked, &fd);
	if (r < 0) {
		output_error("cannot reach the keeper of %u: %s", parked->id, strerror(-r));
		return result;
	}
	say_begin(parked, escape);
	result = parked_call(fd, "io.sshidle.keeper.Attach",
			     json_pack("{s:i,s:i,s:i,s:i,s:b,s:s}", "rows", (int)size.ws_row,
				       "cols", (int)size.ws_col, "xpixel", (int)size.ws_xpixel,
				       "ypixel", (int)size.ws_ypixel, "steal", steal, "term",
				       term ? term : ""),
			     &reply);
	json_decref(reply);
	if (result != COMMAND_OK)
		return result;
	r = attach_run(fd, escape, &end);
	if (r < 0) {
		output_error("cannot use this terminal: %s", strerror(-r));
		return COMMAND_FAILED;
	}
	return say_end(parked, &end);
}

enum command_exit command_resume(const struct arguments *arguments)
{
	enum command_exit result = COMMAND_FAILED;
	const struct parked *parked;
	struct parked_list list;
	int escape = '~', r;

	if (arguments->escape && escape_parse(arguments->escape, &escape) < 0)
		return command_usage(command_find("resume"),
				     "\"%s\" is no escape character; ~, ^B or none would be",
				     arguments->escape);
	r = parked_find(arguments->runtime_dir, PARKED_ALL, &list);
	if (r < 0) {
		output_error("what is parked cannot be found: %s", strerror(-r));
		return result;
	}
	parked = choose(&list, arguments);
	if (parked)
		result = resume(parked, arguments->steal, escape);
	parked_deinit(&list);
	return result;
}
