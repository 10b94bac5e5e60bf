#include "observe/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/cleanup.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int terminal_number(int master, int32_t *ret_tty)
{
	unsigned number;

	if (ioctl(master, TIOCGPTN, &number) < 0)
		return -errno;
	*ret_tty = (int32_t)number;
	return 0;
}

int32_t terminal_leader(int master)
{
	pid_t leader;

	return ioctl(master, TIOCGSID, &leader) < 0 ? 0 : leader;
}

int terminal_open_slave(int master, int *ret_fd)
{
	int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int terminal_sample(int master, struct channel_sample *sample)
{
	auto_close int slave = -1;
	struct termios settings;
	struct stat st;
	int waiting;
	int r = terminal_open_slave(master, &slave);

	if (r < 0)
		return r;
	if (fstat(slave, &st) < 0 || tcgetattr(slave, &settings) < 0 ||
	    ioctl(slave, FIONREAD, &waiting) < 0)
		return -errno;
	sample->atime_s = st.st_atime;
	sample->known |= TERMINAL_KNOWN;
	if (!(settings.c_lflag & ICANON))
		sample->known |= TERMINAL_RAW;
	if ((settings.c_lflag & ISIG) || (settings.c_iflag & IXON))
		sample->known |= TERMINAL_SIGNALS;
	if (waiting > 0)
		sample->known |= TERMINAL_PENDING;
	return 0;
}
