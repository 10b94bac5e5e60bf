/* The directories that the files of a configuration are in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "text/config-file.h"

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0' || strcmp(directory, "/") == 0);
}

bool config_places_have(const struct config_places *places, const char *directory)
{
	for (size_t i = 0; i < places->n; i++)
		if (is_below(directory, places->directories[i]))
			return true;
	return false;
}

int config_places_add(struct config_places *places, const char *directory)
{
	char **more;
	struct stat status;

	if (config_places_have(places, directory) || stat(directory, &status) < 0)
		return 0;
	more = reallocarray(places->directories, places->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	places->directories = more;
	more[places->n] = strdup(directory);
	if (!more[places->n])
		return -ENOMEM;
	places->n++;
	return 0;
}

/* "/a/b*c/d" and "/a/b" are in "/a". */
static char *directory_of(const char *pattern)
{
	char *directory = strdup(pattern), *slash;

	if (!directory)
		return NULL;
	directory[strcspn(directory, "*?[\\")] = '\0';
	slash = strrchr(directory, '/');
	if (!slash)
		directory[0] = '.';
	slash = slash ? slash : directory + 1;
	slash[slash == directory] = '\0';
	return directory;
}

int config_places_admit(struct config_places *places, const char *pattern)
{
	auto_free char *directory = directory_of(pattern);
	struct stat status;

	if (!directory)
		return -ENOMEM;
	if (!places->closed)
		return config_places_add(places, directory);
	return config_places_have(places, directory) || stat(directory, &status) < 0 ? 0 : -EACCES;
}

int config_places_follow(struct config_places *places, const char *file)
{
	auto_free char *target = places->closed ? NULL : realpath(file, NULL);

	return target ? config_places_admit(places, target) : 0;
}

void config_places_deinit(struct config_places *places)
{
	for (size_t i = 0; i < places->n; i++)
		free(places->directories[i]);
	free(places->directories);
	*places = (struct config_places){ 0 };
}
