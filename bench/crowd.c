/*
 * crowd N RATE LIVE-MS: the processes of a host that are none of sshidle's business.
 *
 * N that sleep, and then RATE new ones a second, each of which sleeps for LIVE-MS and ends.  Prints
 * `ready N` when the sleeping ones are there, and then once a second how many it has made.  All are
 * gone when this process is (PR_SET_PDEATHSIG).
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

/* A step of the clock: so many are made at once. */
#define STEPS_PER_S 100

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void sleep_ns(int64_t span_ns)
{
	struct timespec span = { .tv_sec = span_ns / NS_PER_S, .tv_nsec = span_ns % NS_PER_S };

	while (span_ns > 0 && nanosleep(&span, &span) < 0 && errno == EINTR)
		;
}

/* `live_ns` below 0: for ever. */
static void make_one(pid_t parent, int64_t live_ns)
{
	pid_t pid = fork();

	if (pid < 0) {
		(void)fprintf(stderr, "crowd: fork: %s\n", strerror(errno));
		exit(1);
	}
	if (pid > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	if (live_ns < 0)
		for (;;)
			(void)pause();
	sleep_ns(live_ns);
	_exit(0);
}

static void keep_making(pid_t parent, long rate, int64_t live_ns)
{
	int64_t began_ns = now_ns();
	long made = 0, said_s = 0;

	for (long step = 1;; step++) {
		int64_t due_ns = began_ns + step * (NS_PER_S / STEPS_PER_S);
		long due = rate * step / STEPS_PER_S;

		for (; made < due; made++)
			make_one(parent, live_ns);
		if (now_ns() - began_ns >= (said_s + 1) * NS_PER_S) {
			said_s = (long)((now_ns() - began_ns) / NS_PER_S);
			(void)printf("made %ld in %ld\n", made, said_s);
		}
		sleep_ns(due_ns - now_ns());
	}
}

int main(int argc, char **argv)
{
	pid_t parent = getpid();
	long n, rate;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: crowd N RATE LIVE-MS\n");
		return 2;
	}
	n = strtol(argv[1], NULL, 10);
	rate = strtol(argv[2], NULL, 10);
	(void)signal(SIGCHLD, SIG_IGN);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (long i = 0; i < n; i++)
		make_one(parent, -1);
	(void)printf("ready %ld\n", n);
	if (rate == 0)
		for (;;)
			(void)pause();
	keep_making(parent, rate, strtol(argv[3], NULL, 10) * 1000000LL);
	return 0;
}
