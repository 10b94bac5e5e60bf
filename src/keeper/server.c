#include "keeper/server.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/text.h"
#include "config.h"
#include "keeper/clock.h"
#include "keeper/holder.h"
#include "keeper/server-private.h"

enum { CLIENTS_MOST = 16, BACKLOG = 16, NAME_BYTES = 128 };

static const char interface[] = "io.sshidle.keeper";

/* -- Who is there ----------------------------------------------------------------------- */

static void name_client(const struct client *client, char *name, size_t size)
{
	name[0] = '\0';
	(void)text_append(name, size, "%s (pid %d)",
			  client->uid == 0 ? "root" : client->server->holder->start.user,
			  (int)client->pid);
}

static bool says_something(const struct server *server)
{
	const struct client *client;

	TAILQ_FOREACH (client, &server->clients, link)
		if (client->closing)
			return true;
	return false;
}

void server_left(struct server *server, struct client *client)
{
	if (client != server->attached)
		return;
	server->attached = NULL;
	server->finishing = server->finishing || client->told;
	if (server->finishing)
		return;
	log_info("let go by its client  id=%u tty=pts/%u", server->holder->start.id,
		 server->holder->start.pty);
	holder_attached(server->holder, false);
}

void server_forget(struct server *server, struct client *client)
{
	TAILQ_REMOVE(&server->clients, client, link);
	server->n_clients--;
	server_left(server, client);
	if (server->finishing && !says_something(server))
		holder_finish(server->holder);
}

static bool is_attached(const struct server *server)
{
	return server->attached && !server->attached->closing;
}

bool server_answers(const struct server *server)
{
	return is_attached(server) && !server->attached->behind;
}

void server_output(struct server *server, const char *bytes, size_t n)
{
	if (is_attached(server))
		client_output(server->attached, bytes, n);
}

void server_shown(struct server *server)
{
	if (is_attached(server))
		client_shown(server->attached);
}

void server_input_taken(struct server *server)
{
	struct client *client;

	if (!server)
		return;
	TAILQ_FOREACH (client, &server->clients, link)
		client_input_taken(client);
}

/* Nothing is left to be lost: it takes no room from what still runs (daemon/starting.c). */
static void rename_ended(struct server *server)
{
	char path[sizeof(server->path)] = "";
	const char *dot = strrchr(server->path, '.');

	if (dot &&
	    text_append(path, sizeof(path), "%.*s.ended", (int)(dot - server->path),
			server->path) &&
	    rename(server->path, path) == 0)
		(void)text_copy(path, server->path, sizeof(server->path));
}

bool server_end(struct server *server)
{
	rename_ended(server);
	if (!is_attached(server))
		return false;
	client_end(server->attached);
	return true;
}

bool server_detach(struct server *server, const char *reason)
{
	server->finishing = true;
	if (is_attached(server))
		client_let_go(server->attached, FRAME_DETACHED, reason, strlen(reason));
	return says_something(server);
}

void server_let_go(struct client *client)
{
	static const char reason[] = "as you asked";

	client_let_go(client, FRAME_DETACHED, reason, sizeof(reason) - 1);
}

/* -- Methods ---------------------------------------------------------------------------- */

static json_t *foreign(const char *text)
{
	char escaped[4 * SCREEN_TITLE_BYTES];

	text_escape(text, false, escaped, sizeof(escaped));
	return json_string(escaped);
}

static json_t *expires_in(const struct holder *holder)
{
	int64_t left_ns;

	if (holder->expires_at_ns == 0)
		return json_null();
	left_ns = holder->expires_at_ns - clock_now_ns();
	return json_integer(left_ns > 0 ? left_ns / NS_PER_S : 0);
}

static void take_info(struct client *client, const json_t *parameters)
{
	struct holder *holder = client->server->holder;
	const struct keeper_start *start = &holder->start;
	char since[CLOCK_TEXT_BYTES], tty[32], program[GROUP_NAME_BYTES];

	(void)parameters;
	holder_settle(holder);
	clock_format_wall(start->created_ns, since);
	(void)snprintf(tty, sizeof(tty), "pts/%u", start->pty);
	(void)terminal_program(&holder->terminal, program);
	client_send(client,
		    varlink_reply_new(
			    json_pack("{s:I,s:s,s:o,s:o,s:o,s:s,s:o,s:o,s:i,s:i,s:o,s:b,s:b,s:I}",
				      "id", (json_int_t)start->id, "since", since, "from",
				      foreign(start->from), "user", foreign(start->user), "server",
				      foreign(start->server), "tty", tty, "program",
				      foreign(program), "title", foreign(holder->screen.title),
				      "rows", (int)holder->terminal.size.ws_row, "cols",
				      (int)holder->terminal.size.ws_col, "expires_in_s",
				      expires_in(holder), "attached", is_attached(client->server),
				      "ended", holder->ended, "bytes_kept",
				      (json_int_t)holder->screen.history.n_bytes),
			    false));
}

static void take_drop(struct client *client, const json_t *parameters)
{
	char name[NAME_BYTES], reason[NAME_BYTES + 32];

	(void)parameters;
	name_client(client, name, sizeof(name));
	(void)snprintf(reason, sizeof(reason), "dropped by %s", name);
	client_send(client, varlink_reply_new(NULL, false));
	client->closing = true;
	holder_hang_up(client->server->holder, reason);
}

static bool may_attach(const struct client *client)
{
	return client->uid == geteuid() ||
	       (client->server->holder->start.flags & KEEPER_ROOT_MAY_ATTACH);
}

static void send_not_allowed(struct client *client)
{
	client_send(client,
		    varlink_error_new("io.sshidle.keeper.NotAllowed",
				      json_pack("{s:s}", "reason",
						"root may list and drop what others have parked")));
}

static void send_busy(struct client *client)
{
	char name[NAME_BYTES];

	name_client(client->server->attached, name, sizeof(name));
	client_send(client,
		    varlink_error_new("io.sshidle.keeper.Busy", json_pack("{s:s}", "by", name)));
}

/* Clients that have gone while they were not read: what they have typed ends where another one types. */
static void drop_dead(struct server *server)
{
	struct client *client = TAILQ_FIRST(&server->clients), *next;

	for (; client; client = next) {
		next = TAILQ_NEXT(client, link);
		if (client == server->attached ? client_has_gone(client)
					       : client->attached && !client->closing)
			client_free(client);
	}
}

static void take_over(struct client *client)
{
	struct server *server = client->server;
	struct client *before = server->attached;
	char name[NAME_BYTES], reason[NAME_BYTES + 32];

	name_client(client, name, sizeof(name));
	if (before) {
		(void)snprintf(reason, sizeof(reason), "taken over by %s", name);
		server->attached = NULL;
		client_let_go(before, FRAME_DETACHED, reason, strlen(reason));
	}
	log_info("attached by %s  id=%u tty=pts/%u", name, server->holder->start.id,
		 server->holder->start.pty);
	server->attached = client;
	holder_attached(server->holder, true);
}

static void send_invalid(struct client *client, const char *parameter)
{
	client_send(client, varlink_error_new("org.varlink.service.InvalidParameter",
					      json_pack("{s:s}", "parameter", parameter)));
}

/* False: that is refused. */
static bool take_size(struct client *client, const json_t *parameters)
{
	struct winsize *size = &client->size;
	const struct {
		const char *name;
		unsigned short *number;
		json_int_t least;
	} numbers[] = {
		{ "rows", &size->ws_row, 1 },
		{ "cols", &size->ws_col, 1 },
		{ "xpixel", &size->ws_xpixel, 0 },
		{ "ypixel", &size->ws_ypixel, 0 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const json_t *given = json_object_get(parameters, numbers[i].name);
		const json_int_t number = json_integer_value(given);

		if ((given || numbers[i].least > 0) &&
		    (!json_is_integer(given) || number < numbers[i].least || number > UINT16_MAX)) {
			send_invalid(client, numbers[i].name);
			return false;
		}
		*numbers[i].number = (unsigned short)number;
	}
	return true;
}

static void take_attach(struct client *client, const json_t *parameters)
{
	struct server *server = client->server;
	const char *term = NULL;
	int steal = 0;

	if (json_unpack((json_t *)(uintptr_t)parameters, "{s?b,s?s}", "steal", &steal, "term",
			&term) < 0) {
		send_invalid(client, "steal, term");
		return;
	}
	if (!take_size(client, parameters))
		return;
	if (!may_attach(client)) {
		send_not_allowed(client);
		return;
	}
	drop_dead(server);
	if (server->attached && !steal) {
		send_busy(client);
		return;
	}
	take_over(client);
	client_send(client, varlink_reply_new(NULL, false));
	holder_resize(server->holder, &client->size);
	client_attach(client);
	if (server->holder->ended)
		client_end(client);
}

static void take_get_info(struct client *client, const json_t *parameters)
{
	(void)parameters;
	client_send(client,
		    varlink_reply_new(json_pack("{s:s,s:s,s:s,s:s,s:[s,s]}", "vendor", "sshidle",
						"product", "sshidle-keeper", "version",
						SSHIDLE_VERSION, "url", "man:sshidle-keeper(8)",
						"interfaces", "org.varlink.service", interface),
				      false));
}

static const struct {
	const char *method;
	void (*take)(struct client *client, const json_t *parameters);
} methods[] = {
	{ "io.sshidle.keeper.Info", take_info },
	{ "io.sshidle.keeper.Drop", take_drop },
	{ "io.sshidle.keeper.Attach", take_attach },
	{ "org.varlink.service.GetInfo", take_get_info },
};

void server_take(struct client *client, const char *message, size_t n)
{
	const char *field = NULL;
	struct varlink_call call;
	json_t *object = NULL;

	if (varlink_parse(message, n, &object) < 0 ||
	    varlink_call_parse(object, &call, &field) < 0) {
		send_invalid(client, field ? field : "message");
		client->closing = true;
		json_decref(object);
		return;
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (!text_equal(methods[i].method, call.method))
			continue;
		methods[i].take(client, call.parameters);
		json_decref(object);
		return;
	}
	client_send(client, varlink_error_new("org.varlink.service.MethodNotFound",
					      json_pack("{s:s}", "method", call.method)));
	json_decref(object);
}

/* -- The socket ------------------------------------------------------------------------- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int size, void *argument)
{
	struct server *server = argument;

	(void)listener;
	(void)address;
	(void)size;
	if (server->n_clients < CLIENTS_MOST && !server->finishing)
		(void)client_new(server, fd);
	else
		(void)close(fd);
}

/* Whether somebody listens there. */
static bool in_use(const char *path)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)text_copy(path, address.sun_path, sizeof(address.sun_path));
	return fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
	       (errno != ECONNREFUSED && errno != ENOENT);
}

/* It gets its name when it listens: a name where nobody listens is taken for what a dead keeper has
 * left, and taken away, by the starter as by `sshidle parked`. */
static int listen_as(int fd, const char *path, const char *first)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (in_use(path))
		return -EADDRINUSE;
	(void)text_copy(first, address.sun_path, sizeof(address.sun_path));
	(void)unlink(first);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (chmod(first, 0600) < 0 || listen(fd, BACKLOG) < 0 || rename(first, path) < 0) {
		int r = -errno;

		(void)unlink(first);
		return r;
	}
	return 0;
}

static int listen_at(struct server *server)
{
	const struct keeper_start *start = &server->holder->start;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char path[sizeof(server->path)] = "", first[sizeof(server->path)] = "";
	int r;

	if (fd < 0)
		return -errno;
	if (!text_append(path, sizeof(path), "%s/parked/%u/%u.sock", start->runtime_dir, start->uid,
			 start->id) ||
	    !text_append(first, sizeof(first), "%s/parked/%u/%u.new", start->runtime_dir,
			 start->uid, start->id))
		return -ENAMETOOLONG;
	r = listen_as(fd, path, first);
	if (r < 0)
		return r;
	(void)text_copy(path, server->path, sizeof(server->path));
	server->listener = evconnlistener_new(
		server->holder->base, on_accept, server,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
	if (!server->listener)
		return -ENOMEM;
	(void)take_fd(&fd);
	return 0;
}

int server_new(struct holder *holder, struct server **ret_server)
{
	struct server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->holder = holder;
	TAILQ_INIT(&server->clients);
	r = listen_at(server);
	if (r < 0)
		server_free(server);
	else
		*ret_server = server;
	return r;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	server->finishing = true;
	if (server->path[0] != '\0')
		(void)unlink(server->path);
	while (!TAILQ_EMPTY(&server->clients))
		client_free(TAILQ_FIRST(&server->clients));
	if (server->listener)
		evconnlistener_free(server->listener);
	free(server);
}

void server_open(struct server *server)
{
	(void)evconnlistener_enable(server->listener);
}
