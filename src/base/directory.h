/* readdir(3) that tells its end from an error: half a list would pass for a whole one. */
#pragma once

#include <dirent.h>

/* 1 and the next entry; 0 and NULL behind the last; -errno. */
int directory_next(DIR *directory, const struct dirent **ret_entry);
