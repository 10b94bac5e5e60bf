/*
 * One file that is changed: kept, written so that it is at any moment either the old or the new one, and put
 * back.
 *
 * From when it is made until it is done or put back the old file is held under a second name beside it. So it is
 * put back by a rename, whatever has become of the disk, and what was cut off (kill -9, no power) is seen by the
 * next one, which goes on with it.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "core/settings.h"

#define CHANGE_KEPT ".sshidle-old"
#define CHANGE_LOCK SSHIDLE_RUNTIME_DIR "-apply.lock"

struct change {
	char path[SETTINGS_PATH_BYTES];
	char real[SETTINGS_PATH_BYTES]; /* what it leads to, if it is a link */
	char *old_text;			/* NULL: there is no such file; owned */
	char *new_text;			/* NULL: there shall be none; owned */
};

void change_deinit(struct change *change);

/* Until the descriptor is closed nobody else makes changes. -EBUSY: another one does. */
int change_lock(int *ret_fd);

/* Reads the old text. -errno when there is a file that cannot be read. */
int change_read(struct change *change);

bool change_is_none(const struct change *change);

/* The text of the file that was kept, for the caller to free; NULL: none was. */
char *change_kept(const struct change *change);

/* Writes a text beside the file, for the server to look at before anything is changed. */
int change_try(const struct change *change, const char *text, char *ret_path, size_t size);
void change_untry(const struct change *change);

/*
 * Writes the new text in place of the old: beside it, onto the disk, and renamed, with owner, mode and extended
 * attributes of the old one.  -errno: nothing was changed; -ESTALE: because somebody else has, since it was read.
 */
int change_make(const struct change *change);

/* Whether a change was made and neither done nor put back. */
bool change_is_held(const struct change *change);

/* The end of a change: the old file is no longer held, or takes its place again. Both also take up what a change
 * that was cut off has left. What is put back and was kept is no longer kept. */
void change_done(const struct change *change);
int change_put_back(const struct change *change);

/* Leaves the old file beside the new one; 1: there is none, or one was kept before. Or removes it. */
int change_keep(const struct change *change);
void change_forget(const struct change *change);
