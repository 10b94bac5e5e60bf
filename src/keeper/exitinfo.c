#include "keeper/exitinfo.h"

#include <errno.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <sys/ioctl.h>

/* linux/pidfd.h, which the headers of Debian 12 do not have yet. */
struct info {
	__u64 mask;
	__u64 cgroupid;
	__u32 pid, tgid, ppid;
	__u32 ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	__s32 exit_code;
};

#define INFO_EXIT (1ULL << 3)
#define GET_INFO  _IOWR(0xFF, 11, struct info)

int exitinfo_get(int pidfd, int32_t *ret_status)
{
	struct info info = { .mask = INFO_EXIT };

	if (ioctl(pidfd, GET_INFO, &info) < 0)
		return errno == ENOTTY || errno == EINVAL ? -ENOSYS : -errno;
	if (!(info.mask & INFO_EXIT))
		return -EAGAIN;
	*ret_status = info.exit_code;
	return 0;
}
