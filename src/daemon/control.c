#include "daemon/control.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "daemon/control-client.h"
#include "daemon/view.h"

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int size, void *argument)
{
	(void)listener;
	(void)address;
	(void)size;
	control_client_admit(argument, fd);
}

/* Out of descriptors or memory: the connection stays in the queue, and trying again at once
 * would turn the loop without end. */
static void on_accept_error(struct evconnlistener *listener, void *argument)
{
	struct control *control = argument;
	const struct timeval pause = clock_span(control->limits.accept_pause_ms * NS_PER_MS);

	(void)evconnlistener_disable(listener);
	(void)event_add(control->accept_again, &pause);
}

static void on_accept_again(int fd, short what, void *argument)
{
	struct control *control = argument;

	(void)fd;
	(void)what;
	(void)evconnlistener_enable(control->listener);
}

int control_new(struct event_base *base, int listen_fd, struct engine *engine,
		struct control **ret_control)
{
	auto_close int owned = listen_fd;
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return -ENOMEM;
	/* A client that has gone is an error of the write, not a signal to die of. */
	(void)signal(SIGPIPE, SIG_IGN);
	TAILQ_INIT(&control->clients);
	control->base = base;
	control->engine = engine;
	control->limits = control_limits_default;
	control->accept_again = evtimer_new(base, on_accept_again, control);
	if (control->accept_again)
		control->listener =
			evconnlistener_new(base, on_accept, control,
					   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, owned);
	if (!control->listener) {
		control_free(control);
		return -ENOMEM;
	}
	(void)take_fd(&owned);
	evconnlistener_set_error_cb(control->listener, on_accept_error);
	*ret_control = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (!TAILQ_EMPTY(&control->clients))
		control_client_free(TAILQ_FIRST(&control->clients));
	if (control->listener)
		evconnlistener_free(control->listener);
	if (control->accept_again)
		event_free(control->accept_again);
	free(control);
}

/* Encoded once, whoever listens. */
static int encode_event(const struct engine_event *event, char **ret_text, size_t *ret_n)
{
	const struct view_clock clock = view_clock_now();

	return varlink_encode(
		varlink_reply_new(json_pack("{s:o}", "event", view_event_new(event, &clock)), true),
		ret_text, ret_n);
}

void control_event(struct control *control, const struct engine_event *event)
{
	struct control_client *client = TAILQ_FIRST(&control->clients);
	auto_free char *text = NULL;
	size_t n = 0;

	while (client) {
		/* Sending may free the client. */
		struct control_client *next = TAILQ_NEXT(client, link);

		if (client->wants_events &&
		    (!event->session || control_client_sees(client, event->session))) {
			if (!text && encode_event(event, &text, &n) < 0)
				return;
			control_client_send_event(client, text, n);
		}
		client = next;
	}
}
