/* The configuration from files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "text/config.h"

#define CONFIG_FILE_BYTES_MAX (1 << 20)

/*
 * Reads a configuration and all that it includes.  Patterns of Include that do not begin with `/`
 * are looked for in the directory of the including file, and give files in the order of their
 * names.  Where a Profile is named it is read as well, and the controls that cuts serve are those
 * that it has; without it a configuration is wrong.
 * 0 and a configuration for config_free(); -EINVAL when it is wrong; another error (-ENOENT,
 * -EACCES, -EFBIG ...) when `path` itself cannot be read; -ENOMEM.  `problems` says it for people
 * in each case but the last, and may hold notices on success.
 */
int config_load(const char *path, struct config **ret_config, struct config_problems *problems);

/*
 * The directories that a process reads a configuration from: taken down while it may read them all,
 * and later the only ones that it can read (see daemon/confine.h).  Existing ones, absolute.
 */
struct config_places {
	char **directories; /* owned */
	size_t n;
	bool closed; /* what is elsewhere cannot be read any more */
};

/* config_load() that takes the places down, or with closed ones says what it takes to read others. */
int config_load_from(const char *path, struct config_places *places, struct config **ret_config,
		     struct config_problems *problems);

/* 0: also when it is not there; -ENOMEM. */
int config_places_add(struct config_places *places, const char *directory);
bool config_places_have(const struct config_places *places, const char *directory);
/* For a file, or a pattern of Include, before it is read: -EACCES when that cannot be; -ENOMEM. */
int config_places_admit(struct config_places *places, const char *pattern);
/* Takes down where a symbolic link leads. */
int config_places_follow(struct config_places *places, const char *file);
void config_places_deinit(struct config_places *places);

/* A whole file, at most CONFIG_FILE_BYTES_MAX; the text is for free(). -errno, -EISDIR, -EINVAL (a
 * pipe or a device), -EFBIG. */
int config_file_read(const char *path, char **ret_text, size_t *ret_length);

/* What is wrong, for people. */
const char *config_file_error(int error);
