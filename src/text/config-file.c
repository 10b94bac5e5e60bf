#include "text/config-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "text/config-parser.h"
#include "text/profile.h"

static int read_all(int fd, char **ret_text, size_t *ret_length)
{
	auto_free char *text = malloc(CONFIG_FILE_BYTES_MAX + 1);
	size_t length = 0;

	if (!text)
		return -ENOMEM;
	for (;;) {
		const ssize_t n = read(fd, text + length, CONFIG_FILE_BYTES_MAX + 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
		if (length > CONFIG_FILE_BYTES_MAX)
			return -EFBIG;
	}
	*ret_text = take_ptr(text);
	*ret_length = length;
	return 0;
}

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
	return read_all(fd, ret_text, ret_length);
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

static void include_file(struct config_parser *parser, const char *path)
{
	auto_free char *text = NULL;
	char shown[CONFIG_FILE_NAME_BYTES];
	size_t length = 0;
	const int r = config_file_read(path, &text, &length);

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
	glob_t found = { 0 };
	char shown[CONFIG_FILE_NAME_BYTES];

	(void)context;
	if (!full) {
		config_parser_trouble(parser, false, "%s", strerror(ENOMEM));
		return;
	}
	switch (glob(full, 0, NULL, &found)) {
	case 0:
		break;
	case GLOB_NOMATCH:
		text_escape(full, false, shown, sizeof(shown));
		config_parser_trouble(parser, true, "there is no file %s", shown);
		break;
	case GLOB_NOSPACE:
	case GLOB_ABORTED:
		config_parser_trouble(parser, false, "cannot look for files");
		break;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		include_file(parser, found.gl_pathv[i]);
	globfree(&found);
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

static int load_profile(struct config *config, struct config_problems *problems)
{
	char problem[PROFILE_PROBLEM_BYTES];
	struct profile *profile;
	int r;

	if (!config->profile)
		return 0;
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

static int parse_loaded(const struct config_text *text, struct config **ret_config,
			struct config_problems *problems)
{
	static const struct config_include include = { .read = include_pattern };
	struct config *config;
	int r = config_parse(text, &include, problems, &config);

	if (r < 0)
		return r;
	r = load_profile(config, problems);
	if (r < 0)
		config_free(config);
	else
		*ret_config = config;
	return r;
}

int config_load(const char *path, struct config **ret_config, struct config_problems *problems)
{
	auto_free char *text = NULL;
	char shown[CONFIG_FILE_NAME_BYTES];
	size_t length;
	const int r = config_file_read(path, &text, &length);

	if (r == 0)
		return parse_loaded(&(struct config_text){ path, text, length }, ret_config,
				    problems);
	text_escape(path, false, shown, sizeof(shown));
	config_problems_add(problems, false, "%s: cannot read it: %s", shown, config_file_error(r));
	return r;
}
