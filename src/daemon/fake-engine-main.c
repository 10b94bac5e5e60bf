/*
 * The stand-in as a program: serves the control socket of the directory -r for tests of the
 * command. -n N more sessions, -w: the configuration is wrong, -e MS: an event again and again.
 */
#include <event2/event.h>
#include <event2/util.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/control.h"
#include "daemon/fake-engine.h"

static int listen_at(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (!text_append(address.sun_path, sizeof(address.sun_path), "%s/io.sshidle", directory) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0666) < 0 || listen(fd, 128) < 0)
		return -1;
	return fd;
}

static void on_tick(int fd, short what, void *argument)
{
	struct engine *engine = argument;
	const struct engine_event event = { .kind = EVENT_WARNED,
					    .session = &engine->sessions[0],
					    .rule = RULE_WARN,
					    .tty = -1,
					    .reason = "no input for 14m, ends in 1m" };

	(void)fd;
	(void)what;
	control_event(engine->control, &event);
}

static void on_signal(int fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)event_base_loopbreak(argument);
}

static int serve(struct engine *engine, const char *directory, int event_ms)
{
	const struct timeval every = { .tv_usec = event_ms * 1000 };
	struct event_base *base = event_base_new();
	struct event *stop = evsignal_new(base, SIGTERM, on_signal, base);
	struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, engine);

	if (control_new(base, listen_at(directory), engine, &engine->control) < 0)
		return 1;
	(void)event_add(stop, NULL);
	if (event_ms > 0)
		(void)event_add(tick, &every);
	(void)puts("ready");
	(void)fflush(stdout);
	(void)event_base_dispatch(base);
	control_free(engine->control);
	event_free(stop);
	event_free(tick);
	event_base_free(base);
	return 0;
}

int main(int argc, char **argv)
{
	const char *directory = ".";
	struct engine engine;
	bool wrong = false;
	int option, extra = 0, event_ms = 0, result;

	while ((option = getopt(argc, argv, "r:n:e:w")) >= 0) {
		if (option == 'r')
			directory = optarg;
		else if (option == 'n')
			extra = (int)strtol(optarg, NULL, 10);
		else if (option == 'e')
			event_ms = (int)strtol(optarg, NULL, 10);
		else if (option == 'w')
			wrong = true;
		else
			return 2;
	}
	fake_engine_init(&engine, (size_t)extra);
	engine.config_wrong = wrong;
	result = serve(&engine, directory, event_ms);
	fake_engine_deinit(&engine);
	return result;
}
