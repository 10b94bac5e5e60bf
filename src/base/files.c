#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/directory.h"

static const char special[] = "*?[\\";

/* What is found so far, and what of the pattern is still to be found below it. */
struct part {
	const char *found, *rest;
};

static int add(struct files *files, const char *path)
{
	char **more = reallocarray(files->paths, files->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	files->paths = more;
	more[files->n] = strdup(path);
	if (!more[files->n])
		return -ENOMEM;
	files->n++;
	return 0;
}

static int find(struct files *files, const struct part *part);

/* Entries of the directory that the first component with something special matches. */
static int find_entries(struct files *files, const char *directory, const char *component,
			const char *rest, DIR *list)
{
	const struct dirent *entry;
	int r;

	while ((r = directory_next(list, &entry)) > 0) {
		auto_free char *path = NULL;

		if (fnmatch(component, entry->d_name, FNM_PERIOD) != 0)
			continue;
		if (asprintf(&path, "%s%s", directory, entry->d_name) < 0)
			return -ENOMEM;
		r = find(files, &(struct part){ path, rest });
		if (r < 0)
			return r;
	}
	return r;
}

static int find_in(struct files *files, const struct part *part, size_t above, size_t end)
{
	auto_free char *directory = NULL, *component = strndup(part->rest + above, end - above);
	DIR *list;
	int r;

	if (!component || asprintf(&directory, "%s%.*s", part->found, (int)above, part->rest) < 0)
		return -ENOMEM;
	list = opendir(*directory ? directory : ".");
	if (!list)
		return -errno;
	r = find_entries(files, directory, component, part->rest + end, list);
	(void)closedir(list);
	return r;
}

static int find_plain(struct files *files, const struct part *part)
{
	auto_free char *path = NULL;
	struct stat status;

	if (asprintf(&path, "%s%s", part->found, part->rest) < 0)
		return -ENOMEM;
	return lstat(path, &status) < 0 ? -errno : add(files, path);
}

static int find(struct files *files, const struct part *part)
{
	size_t above = strcspn(part->rest, special);
	const size_t end = above + strcspn(part->rest + above, "/");
	int r;

	if (part->rest[above] == '\0') {
		r = find_plain(files, part);
	} else {
		while (above > 0 && part->rest[above - 1] != '/')
			above--;
		r = find_in(files, part, above, end);
	}
	if (r == -ENOENT || r == -ENOTDIR || (*part->found && (r == -EACCES || r == -ELOOP)))
		return 0;
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int files_find(const char *pattern, struct files *ret_files)
{
	struct files files = { 0 };
	int r = find(&files, &(struct part){ "", pattern });

	if (r < 0) {
		files_deinit(&files);
		return r;
	}
	if (files.n > 0)
		qsort(files.paths, files.n, sizeof(*files.paths), compare);
	*ret_files = files;
	return 0;
}

void files_deinit(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->paths[i]);
	free(files->paths);
	*files = (struct files){ 0 };
}
