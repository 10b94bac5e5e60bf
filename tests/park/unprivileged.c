/*
 * unprivileged.so, for LD_PRELOAD: a dropbear whose process is the user's, as from 2025.89 on: it cannot give the terminal of
 * an ended connection to root, and opens it to everybody all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

int chown(const char *file, uid_t owner, gid_t group)
{
	if (owner == 0 && strncmp(file, "/dev/pts/", strlen("/dev/pts/")) == 0) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_fchownat, AT_FDCWD, file, owner, group, 0);
}
