/* The configuration from files. */
#pragma once

#include "text/config.h"

#define CONFIG_FILE_BYTES_MAX (1 << 20)

/*
 * Reads a configuration and all that it includes.  Patterns of Include that do not begin with `/`
 * are looked for in the directory of the including file, and give files in the order of their
 * names.
 * 0 and a configuration for config_free(); -EINVAL when it is wrong; another error (-ENOENT,
 * -EACCES, -EFBIG ...) when `path` itself cannot be read; -ENOMEM.  `problems` says it for people
 * in each case but the last, and may hold notices on success.
 */
int config_load(const char *path, struct config **ret_config, struct config_problems *problems);
