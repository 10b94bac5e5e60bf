/*
 * Does stopping a terminal's output lose any?  Stops and lets go on so many times while seq(1) prints at
 * full speed, and checks every line.
 *
 *     race exact|plain STOPS     prints how many lines were wrong; 77: park_stop is not possible here
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "act/park-stop.h"

static int master;
static atomic_long wrong, lines;
static atomic_bool done;

struct count {
	long wanted, number;
	bool returned; /* a \r was seen */
};

static void take(struct count *count, char byte)
{
	if (byte >= '0' && byte <= '9' && !count->returned) {
		count->number = count->number * 10 + byte - '0';
		return;
	}
	if (byte == '\r' && !count->returned) {
		count->returned = true;
		return;
	}
	if (byte != '\n' || !count->returned || count->number != count->wanted) {
		wrong++;
		count->wanted = count->number;
	}
	count->wanted++;
	count->number = byte >= '0' && byte <= '9' ? byte - '0' : 0;
	count->returned = false;
	lines++;
}

static void *read_all(void *context)
{
	struct count count = { .wanted = 1 };
	static char bytes[65536];

	(void)context;
	while (!done) {
		struct pollfd poll_for = { .fd = master, .events = POLLIN };
		ssize_t n = read(master, bytes, sizeof(bytes));

		for (ssize_t i = 0; i < n; i++)
			take(&count, bytes[i]);
		if (n <= 0)
			(void)poll(&poll_for, 1, 10);
	}
	return NULL;
}

static int stop_exactly(int slave)
{
	struct park_stop stop = { 0 };
	int r = park_stop_begin(&stop, master);

	if (r < 0)
		return r;
	while (!park_stop_is_alone(&stop))
		(void)poll(NULL, 0, 0);
	(void)tcflow(slave, TCOOFF);
	park_stop_end(&stop);
	return 0;
}

static void wait_for_silence(void)
{
	long before;

	do {
		before = lines;
		(void)poll(NULL, 0, 1);
	} while (before != lines);
}

static pid_t start_seq(void)
{
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	pid_t pid = fork();

	if (pid == 0) {
		(void)dup2(slave, STDOUT_FILENO);
		(void)execlp("seq", "seq", "1", "100000000000", (char *)NULL);
		_exit(1);
	}
	(void)close(slave);
	return pid;
}

int main(int argc, char **argv)
{
	const bool exact = argc == 3 && strcmp(argv[1], "exact") == 0;
	long stops = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	pthread_t reader;
	int slave, r = 0;
	pid_t seq;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (master < 0 || unlockpt(master) < 0 || stops <= 0)
		return 2;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	seq = start_seq();
	if (pthread_create(&reader, NULL, read_all, NULL) != 0)
		return 2;
	for (long i = 0; i < stops && r == 0; i++) {
		r = exact ? stop_exactly(slave) : tcflow(slave, TCOOFF);
		wait_for_silence();
		(void)tcflow(slave, TCOON);
		(void)poll(NULL, 0, 1);
	}
	done = true;
	(void)pthread_join(reader, NULL);
	(void)kill(seq, SIGKILL);
	(void)waitpid(seq, NULL, 0);
	(void)printf("%ld of %ld\n", (long)wrong, (long)lines);
	return r == -EPERM || r == -ENOSYS ? 77 : r != 0;
}
