/*
 * destroyed-cost [N]: what it costs that the kernel tells of closed sockets.  N connections over
 * loopback, without anybody who listens, with a listener for another port, with one for theirs.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "observe/destroyed.h"

struct place {
	int listener;
	struct sockaddr_in address;
};

struct reader {
	struct destroyed *destroyed;
	double seconds; /* of CPU */
	volatile bool stop;
};

static double now(clockid_t clock)
{
	return (double)clock_ns(clock) / NS_PER_S;
}

static void open_and_close(const struct place *place)
{
	/* A reset at the end: no port stays behind in TIME_WAIT. */
	struct linger reset = { .l_onoff = 1 };
	int client = socket(AF_INET, SOCK_STREAM, 0), server;

	(void)connect(client, (const struct sockaddr *)&place->address, sizeof(place->address));
	server = accept(place->listener, NULL, NULL);
	(void)setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	(void)close(client);
	(void)close(server);
}

static double measure(const struct place *place, int n)
{
	double from = now(CLOCK_MONOTONIC);

	for (int i = 0; i < n; i++)
		open_and_close(place);
	return (now(CLOCK_MONOTONIC) - from) / n * 1e6;
}

static void ignore(void *context, uint64_t cookie, const struct destroyed_words *words)
{
	(void)context;
	(void)cookie;
	(void)words;
}

static void *read_all(void *context)
{
	struct reader *reader = context;
	struct pollfd poller = { .fd = destroyed_fd(reader->destroyed), .events = POLLIN };
	double from = now(CLOCK_THREAD_CPUTIME_ID);

	while (!reader->stop)
		if (poll(&poller, 1, 20) > 0)
			destroyed_read(reader->destroyed, ignore, NULL);
	reader->seconds = now(CLOCK_THREAD_CPUTIME_ID) - from;
	return NULL;
}

static void measure_listening(const struct place *place, int n, uint16_t port, const char *what)
{
	struct reader reader = { 0 };
	pthread_t thread;
	double us;

	if (destroyed_new(&reader.destroyed) < 0)
		exit(1);
	for (uint64_t cookie = 1; cookie <= 10000; cookie++)
		(void)destroyed_add(reader.destroyed, cookie << 40, port);
	(void)pthread_create(&thread, NULL, read_all, &reader);
	us = measure(place, n);
	reader.stop = true;
	(void)pthread_join(thread, NULL);
	(void)printf("%s: %.1f us a connection, %.2f us of it in the listener\n", what, us,
		     reader.seconds / n * 1e6);
	destroyed_free(reader.destroyed);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20000;
	struct place place = { .address = { .sin_family = AF_INET } };
	socklen_t size = sizeof(place.address);

	place.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	place.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(place.listener, (struct sockaddr *)&place.address, sizeof(place.address)) < 0 ||
	    getsockname(place.listener, (struct sockaddr *)&place.address, &size) < 0 ||
	    listen(place.listener, 16) < 0)
		return 1;
	for (int i = 0; i < 3; i++) {
		(void)printf("nobody listens: %.1f us a connection\n", measure(&place, n));
		measure_listening(&place, n, 1, "another port is asked for");
		measure_listening(&place, n, ntohs(place.address.sin_port), "theirs is");
	}
	return 0;
}
