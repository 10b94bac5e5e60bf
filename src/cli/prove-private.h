/* The inside of prove-run.c, prove-clean.c, prove-keys.c and prove-server.c. */
#pragma once

#include "cli/prove.h"

/* A run's tag, which is also the name of its user, and of its directory below the base. */
#define PROVE_BASE   "/var/lib/"
#define PROVE_PREFIX "sshidle-prove-"

/* The absolute path of a program of the system, or NULL. */
const char *prove_tool_find(const char *name);

/* Acts on files as a user does until prove_keys_become_root(). -errno. */
int prove_keys_become(uid_t uid);
void prove_keys_become_root(void);

/* Adds a line, which ends with `tag`, to a file of authorized keys, which is made if it is not there;
 * takes those away that end so. The file is replaced in one step. -errno. */
int prove_keys_add(const char *path, const char *tag, const char *line);
int prove_keys_drop(const char *path, const char *tag);
/* Removes a file or a directory that is empty. */
int prove_keys_unmake(const char *path);

/* Waits for the cleaner, or does its work. False: something stays, and it was said what. */
bool prove_clean_finish(struct prove_run *run);
