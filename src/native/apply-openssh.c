/* Plans for sshd: a drop-in where the main file includes some, else marked blocks in it. */
#include "native/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"
#include "native/listener.h"
#include "text/edit.h"
#include "text/sshd-file.h"

/* Of several values the first one counts, and files are included in the order of their names. */
#define DROP_IN "00-sshidle.conf"

#define HEAD                                                                  \
	"# Made by `sshidle apply` from %s, and made anew by the next one;\n" \
	"# `sshidle apply --undo` takes it away. Of the values in all files the first one counts.\n"

/* What is looked for in the files that others wrote. */
struct search {
	struct apply_site *site;
	const char *globals; /* ours */
	const char *stop;    /* behind this file name nothing wins over ours; NULL: no end */
	bool stopped;
	bool wins; /* a value outside of Match that stands here wins over ours */
	bool lost; /* one was found */
};

static bool is_ours(const char *globals, const char *keyword)
{
	const size_t length = strlen(keyword);

	for (const char *at = globals; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strncasecmp(at, keyword, length) == 0 && at[length] == ' ')
			return true;
	return false;
}

static void look_at_line(struct search *search, const char *path, const struct sshd_file_line *line)
{
	struct apply_site *site = search->site;

	if (!is_ours(search->globals, line->keyword))
		return;
	if (line->in_match) {
		(void)text_append(site->remarks, sizeof(site->remarks),
				  "%s:%d: %s goes on to hold within its Match\n", path,
				  line->number, line->keyword);
	} else if (search->wins && !search->stopped && !search->lost) {
		search->lost = true;
		site->state = APPLY_CANNOT;
		(void)snprintf(site->told, sizeof(site->told),
			       "%s:%d: %s stands before what would be written, and the first value "
			       "counts: take it out there",
			       path, line->number, line->keyword);
	}
}

/* Another sight of what stands there than the server's would be a wrong one. */
static void give_up(struct search *search, const char *what, int error)
{
	struct apply_site *site = search->site;

	if (search->lost)
		return;
	search->lost = true;
	site->state = APPLY_CANNOT;
	(void)snprintf(site->told, sizeof(site->told), "cannot read %s: %s", what,
		       strerror(-error));
}

static void look_at_drop_in(void *context, const char *path)
{
	struct search *search = context;
	auto_free char *text = NULL;
	struct sshd_file_cursor cursor = { 0 };
	struct sshd_file_line line;
	size_t size;
	int r;

	search->stopped = search->stopped || strcmp(strrchr(path, '/') + 1, DROP_IN) >= 0;
	if (text_equal(strrchr(path, '/') + 1, DROP_IN))
		return;
	r = file_read(path, &text, &size);
	if (r < 0) {
		if (r != -EINVAL && r != -EISDIR)
			give_up(search, path, r);
		return;
	}
	cursor.at = text;
	cursor.end = text + size;
	while (sshd_file_next(&cursor, &line))
		look_at_line(search, path, &line);
}

/* The main file from the top; drop-ins where it includes them. */
static void look_at_main(struct search *search, const struct settings_openssh *openssh,
			 const char *text)
{
	struct sshd_file_cursor cursor = { .at = text, .end = text + strlen(text) };
	struct sshd_file_line line;
	char pattern[SETTINGS_PATH_BYTES + 16], directory[SETTINGS_PATH_BYTES];
	int r;

	while (sshd_file_next(&cursor, &line)) {
		look_at_line(search, openssh->source, &line);
		if (!text_equal(line.keyword, "include") || !openssh->reads_drop_ins ||
		    !sshd_file_drop_ins(line.at, (size_t)(cursor.at - line.at), directory,
					sizeof(directory)) ||
		    !text_equal(directory, openssh->drop_in))
			continue;
		(void)snprintf(pattern, sizeof(pattern), "%s/*.conf", openssh->drop_in);
		r = file_each(pattern, look_at_drop_in, search);
		if (r < 0)
			give_up(search, openssh->drop_in, r);
		search->stopped = true;
	}
}

/* The listener's own arguments win over every file. */
static void look_at_arguments(const struct search *search, const struct settings_server *server)
{
	struct server_arguments arguments;
	const char *argument;
	size_t at = 0;

	if (listener_server_arguments(server, &arguments) < 0)
		return;
	while ((argument = server_arguments_sshd(&arguments, 'o', &at))) {
		struct sshd_file_cursor cursor = { .at = argument,
						   .end = argument + strlen(argument) };
		struct sshd_file_line line;

		if (!sshd_file_next(&cursor, &line) || !is_ours(search->globals, line.keyword))
			continue;
		search->site->state = APPLY_CANNOT;
		(void)snprintf(search->site->told, sizeof(search->site->told),
			       "it was started with -o %s, which counts before all files",
			       argument);
	}
}

static char *drop_in_text(const struct apply_plan *plan, const struct translate_sshd *text)
{
	char *result;

	if (asprintf(&result, HEAD "%s%s", plan->config_file, text->globals, text->matches) < 0)
		return NULL;
	return result;
}

/* Two blocks: what concerns all at the top, where it wins, and Match blocks before the first one of
 * others, because everything behind a Match line belongs to it. */
static char *main_text(const struct apply_plan *plan, const struct translate_sshd *text,
		       const char *old_text)
{
	auto_free char *clean = edit_without_blocks(old_text), *lines = NULL, *with = NULL;
	char *both;

	if (!clean || asprintf(&lines, HEAD "%s", plan->config_file, text->globals) < 0)
		return NULL;
	if (!*text->globals && !*text->matches)
		return take_ptr(clean);
	with = edit_with_block(clean, EDIT_TOP, lines);
	if (!with || !*text->matches)
		return take_ptr(with);
	both = edit_with_block(with, EDIT_BEFORE_MATCH, text->matches);
	return both;
}

static int plan_text(const struct apply_plan *plan, const struct settings_openssh *openssh,
		     const struct translate_sshd *text, struct apply_site *site)
{
	struct change *change = &site->change;

	if (!openssh->reads_drop_ins) {
		if (!change->old_text) {
			site->state = APPLY_CANNOT;
			(void)snprintf(site->told, sizeof(site->told), "there is no file %s",
				       change->path);
			return 0;
		}
		change->new_text = main_text(plan, text, change->old_text);
		site->keep = !edit_has_block(change->old_text);
		return change->new_text ? 0 : -ENOMEM;
	}
	if (!*text->globals && !*text->matches)
		return 0;
	change->new_text = drop_in_text(plan, text);
	return change->new_text ? 0 : -ENOMEM;
}

static void plan_values(const struct translate_sshd *text, struct apply_site *site)
{
	site->has_alive = text->has_alive;
	site->interval_ns =
		text->alive.interval_s == 0 ? SETTING_OFF : text->alive.interval_s * NS_PER_S;
	site->count = text->alive.count;
	site->ends_after_s = text->alive.ends_after_s;
}

static void look_for_others(const struct settings_server *server, const char *globals,
			    struct apply_site *site)
{
	const struct settings_openssh *openssh = &server->openssh;
	struct search search = { .site = site,
				 .globals = globals,
				 .wins = openssh->reads_drop_ins };
	auto_free char *text = NULL, *clean = NULL;
	size_t size;

	if (file_read(openssh->source, &text, &size) == 0)
		clean = edit_without_blocks(text);
	if (clean)
		look_at_main(&search, openssh, clean);
	look_at_arguments(&search, server);
}

int apply_openssh(const struct apply_plan *plan, const struct config *config,
		  const struct settings_server *server, struct apply_site *site)
{
	static char nothing[] = "";
	const struct settings_openssh *openssh = &server->openssh;
	struct translate_sshd text = { .globals = nothing, .matches = nothing };
	int r;

	if (openssh->reads_drop_ins)
		(void)(text_copy(openssh->drop_in, site->change.path, sizeof(site->change.path)) &&
		       text_append(site->change.path, sizeof(site->change.path), "/" DROP_IN));
	else
		(void)text_copy(openssh->source, site->change.path, sizeof(site->change.path));
	r = change_read(&site->change);
	if (r == 0 && config)
		r = translate_sshd(config, openssh, &text);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		site->state = APPLY_CANNOT;
		(void)snprintf(site->told, sizeof(site->told), "%s: %s",
			       r == -ENOTSUP ? "its version" : site->change.path,
			       r == -ENOTSUP ? "cannot be found out" : strerror(-r));
		return 0;
	}
	r = plan_text(plan, openssh, &text, site);
	if (r == 0 && site->state != APPLY_CANNOT)
		site->state = change_is_none(&site->change) ? APPLY_SAME : APPLY_DIFFERS;
	if (r == 0 && config) {
		plan_values(&text, site);
		look_for_others(server, text.globals, site);
		translate_sshd_deinit(&text);
	}
	return r;
}
