#include "text/config-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/read.h"
#include "base/text.h"
#include "text/config-parser.h"
#include "text/profile.h"

/* O_NONBLOCK and the check of the type: a pipe among the included files must not stop the
 * daemon. */
int config_file_read(const char *path, char **ret_text, size_t *ret_length)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode))
		return -EINVAL;
	return read_all(fd, CONFIG_FILE_BYTES_MAX, ret_text, ret_length);
}

const char *config_file_error(int error)
{
	switch (error) {
	case -EFBIG:
		return "it is larger than 1 MiB";
	case -EINVAL:
		return "it is not a file";
	}
	return strerror(-error);
}

/* What was closed at the start opens with the next start only. */
static void tell_closed(struct config_parser *parser, const char *what)
{
	char shown[CONFIG_FILE_NAME_BYTES];

	text_escape(what, false, shown, sizeof(shown));
	config_parser_trouble(parser, false,
			      "%s is in a directory that was not read from when sshidled started: "
			      "restart it to read from there",
			      shown);
}

static void include_file(struct config_parser *parser, struct config_places *places,
			 const char *path)
{
	auto_free char *text = NULL;
	char shown[CONFIG_FILE_NAME_BYTES];
	size_t length = 0;
	int r = config_file_read(path, &text, &length);

	if (r == -EACCES && places && places->closed) {
		tell_closed(parser, path);
		return;
	}
	if (r == 0 && places)
		r = config_places_follow(places, path);
	text_escape(path, false, shown, sizeof(shown));
	if (r < 0)
		config_parser_trouble(parser, false, "cannot read %s: %s", shown,
				      config_file_error(r));
	else
		config_parser_file(parser, path, text, length);
}

/* The pattern as it is, or beside the including file. NULL without memory. */
static char *full_pattern(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	char *full;

	if (*pattern == '/' || !slash)
		return strdup(pattern);
	if (asprintf(&full, "%.*s/%s", (int)(slash - file), file, pattern) < 0)
		return NULL;
	return full;
}

static void include_pattern(void *context, struct config_parser *parser, const char *file,
			    const char *pattern)
{
	auto_free char *full = full_pattern(file, pattern);
	struct files found = { 0 };
	struct config_places *places = context;
	char shown[CONFIG_FILE_NAME_BYTES];
	int r = full ? 0 : -ENOMEM;

	if (r == 0 && places)
		r = config_places_admit(places, full);
	if (r == -EACCES) {
		tell_closed(parser, full);
		return;
	}
	if (r < 0) {
		config_parser_trouble(parser, false, "%s", strerror(-r));
		return;
	}
	r = files_find(full, &found);
	text_escape(full, false, shown, sizeof(shown));
	if (r < 0)
		config_parser_trouble(parser, false, "cannot look for %s: %s", shown, strerror(-r));
	else if (found.n == 0)
		config_parser_trouble(parser, true, "there is no file %s", shown);
	for (size_t i = 0; i < found.n; i++)
		include_file(parser, places, found.paths[i]);
	files_deinit(&found);
}

/* Which controls the cuts serve is asked of the profile once, so the engine needs no profile. */
static int learn_controls(struct config *config, const struct profile *profile)
{
	char control[PROFILE_CONTROL_BYTES];

	for (enum config_control i = 0; i < CONTROL_N; i++) {
		if (!profile_control(profile, i, control, sizeof(control)))
			continue;
		config->controls[i] = strdup(control);
		if (!config->controls[i])
			return -ENOMEM;
	}
	return 0;
}

static int load_profile(struct config *config, struct config_places *places,
			struct config_problems *problems)
{
	char problem[PROFILE_PROBLEM_BYTES];
	struct profile *profile;
	int r = 0;

	if (!config->profile)
		return 0;
	if (places && strchr(config->profile, '/'))
		r = config_places_admit(places, config->profile);
	if (r == -EACCES)
		config_problems_add(problems, false,
				    "%s: Profile: it is in a directory that was not read from when "
				    "sshidled started: restart it to read from there",
				    config->profile_source);
	if (r < 0)
		return r == -EACCES ? -EINVAL : r;
	r = profile_load(config->profile, problem, &profile);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		config_problems_add(problems, false, "%s: Profile: %s", config->profile_source,
				    problem);
		return -EINVAL;
	}
	r = learn_controls(config, profile);
	profile_free(profile);
	return r;
}

static int parse_loaded(const struct config_text *text, struct config_places *places,
			struct config **ret_config, struct config_problems *problems)
{
	const struct config_include include = { .read = include_pattern, .context = places };
	struct config *config;
	int r = config_parse(text, &include, problems, &config);

	if (r < 0)
		return r;
	r = load_profile(config, places, problems);
	if (r < 0)
		config_free(config);
	else
		*ret_config = config;
	return r;
}

/* Where a file may be included from or a profile be named later. */
static int add_usual(struct config_places *places)
{
	static const char *const usual[] = { "/etc", "/usr", SSHIDLE_PROFILE_DIR };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(usual) / sizeof(usual[0]); i++)
		r = config_places_add(places, usual[i]);
	return r;
}

int config_load_from(const char *path, struct config_places *places, struct config **ret_config,
		     struct config_problems *problems)
{
	auto_free char *text = NULL;
	char shown[CONFIG_FILE_NAME_BYTES];
	size_t length;
	int r = config_file_read(path, &text, &length);

	if (r == 0 && places)
		r = config_places_admit(places, path);
	if (r == 0 && places)
		r = config_places_follow(places, path);
	if (r == 0 && places && !places->closed)
		r = add_usual(places);
	if (r == 0)
		return parse_loaded(&(struct config_text){ path, text, length }, places, ret_config,
				    problems);
	text_escape(path, false, shown, sizeof(shown));
	config_problems_add(problems, false, "%s: cannot read it: %s", shown, config_file_error(r));
	return r;
}

int config_load(const char *path, struct config **ret_config, struct config_problems *problems)
{
	return config_load_from(path, NULL, ret_config, problems);
}
