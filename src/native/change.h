/*
 * One file that is changed: kept, written so that it is at any moment either the old or the new one,
 * and put back.
 */
#pragma once

#include <stdbool.h>

#include "core/settings.h"

#define CHANGE_KEPT ".sshidle-old"

struct change {
	char path[SETTINGS_PATH_BYTES];
	char *old_text; /* NULL: there is no such file; owned */
	char *new_text; /* NULL: there shall be none; owned */
};

void change_deinit(struct change *change);

/* Reads the old text. -errno when there is a file that cannot be read. */
int change_read(struct change *change);

bool change_is_none(const struct change *change);

/* The text of the file that was kept, for the caller to free; NULL: none was. */
char *change_kept(const struct change *change);

/*
 * Writes the new text in place of the old: beside it, onto the disk, and renamed, with owner, mode
 * and extended attributes of the old one.  -errno: nothing was changed.
 */
int change_make(const struct change *change);

/* The same backwards. */
int change_put_back(const struct change *change);

/* Leaves the old file beside the new one, unless one was kept before; or removes it. */
int change_keep(const struct change *change);
void change_forget(const struct change *change);
