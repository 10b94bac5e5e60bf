#include "base/directory.h"

#include <errno.h>

int directory_next(DIR *directory, const struct dirent **ret_entry)
{
	errno = 0;
	*ret_entry = readdir(directory);
	return *ret_entry ? 1 : -errno;
}
