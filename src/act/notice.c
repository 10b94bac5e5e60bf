#include "act/notice.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

#define NOTICE_BYTES 512

/* What the master gives for a line: a cooked terminal puts a \r before each \n. */
static uint32_t bytes_at_master(int slave, const char *line, size_t length)
{
	struct termios mode;
	uint32_t bytes = (uint32_t)length;

	if (tcgetattr(slave, &mode) < 0 || !(mode.c_oflag & OPOST) || !(mode.c_oflag & ONLCR))
		return bytes;
	for (size_t i = 0; i < length; i++)
		bytes += line[i] == '\n';
	return bytes;
}

static bool notice_write(const struct watch *watch, int32_t tty, const char *line, uint32_t *bytes)
{
	size_t length = strlen(line);
	auto_close int fd = -1;

	if (watch_open_terminal(watch, tty, &fd) < 0)
		return false;
	/* One write: short lines go in whole or not at all (stopped and full terminals give
	 * EAGAIN). The rest of a line that went in partly is not sent after it. */
	if (write(fd, line, length) != (ssize_t)length)
		return false;
	*bytes += bytes_at_master(fd, line, length);
	return true;
}

struct notice_result notice_show(const struct watch *watch, int32_t tty, const char *text)
{
	struct notice_result result = { 0 };
	const struct watch_channel *channels;
	char line[NOTICE_BYTES];
	size_t n;

	if (!text_is_printable(text))
		return result; /* it could steer a terminal, with C1 controls too */
	/* \r\n both ways: raw terminals do not turn \n into it, cooked ones do no harm. */
	(void)snprintf(line, sizeof(line), "\r\n\a%s\r\n", text);
	channels = watch_channels(watch, &n);
	for (size_t i = 0; i < n; i++) {
		if (channels[i].facts.tty < 0 || (tty >= 0 && channels[i].facts.tty != tty))
			continue;
		if (notice_write(watch, channels[i].facts.tty, line, &result.bytes))
			result.reached++;
		else
			result.missed++;
	}
	return result;
}

static bool terminal_is_empty(const struct watch *watch, int32_t tty)
{
	auto_close int fd = -1;
	int waiting = 0;

	if (watch_borrow_master(watch, tty, &fd) < 0 || ioctl(fd, FIONREAD, &waiting) < 0)
		return true;
	return waiting == 0;
}

bool notice_is_out(const struct watch *watch)
{
	const struct watch_channel *channels;
	auto_close int fd = -1;
	int unsent = 0;
	size_t n;

	channels = watch_channels(watch, &n);
	for (size_t i = 0; i < n; i++)
		if (channels[i].facts.tty >= 0 && !terminal_is_empty(watch, channels[i].facts.tty))
			return false;
	if (watch_borrow_socket(watch, &fd) < 0 || ioctl(fd, SIOCOUTQ, &unsent) < 0)
		return true;
	return unsent == 0;
}
