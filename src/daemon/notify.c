#include "daemon/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

/*
 * By hand and not by libsystemd, which would be in the memory of a root daemon for this one message, with four
 * libraries that compress and encrypt: 0.8 MiB.
 */
void notify_ready(void)
{
	static const char ready[] = "READY=1";
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	auto_close int fd = -1;

	/* A path, or an abstract name. */
	if (length < 2 || (path[0] != '/' && path[0] != '@') || length >= sizeof(name.sun_path))
		return;
	memcpy(name.sun_path, path, length);
	if (path[0] == '@')
		name.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL, (struct sockaddr *)&name,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}
