/* The configuration from files. */
#pragma once

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

/* A whole file, at most CONFIG_FILE_BYTES_MAX; the text is for free(). -errno, -EISDIR, -EINVAL (a
 * pipe or a device), -EFBIG. */
int config_file_read(const char *path, char **ret_text, size_t *ret_length);

/* What is wrong, for people. */
const char *config_file_error(int error);
